package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"smki.example/bench/synthetic"
	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/hsm"
	"smki.example/policy"
	"smki.example/softhsm"
)

// lists measures publishing the list of the Issuing DCA, with a hundred revocations
// that are new, as smki serve does it, in this process and with the token of the home:
// first as a process that has just started, and then again and again.
func (h *home) lists(ctx context.Context, certificates, revokeEvery int64) (figures []figure, err error) {
	issuer, closeAll, err := h.openIssuer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	register, err := revocation.New(revocation.Config{Issuer: issuer})
	if err != nil {
		return nil, err
	}
	next := int64(0)
	hundred := func() error {
		var asks []revocation.Revoke
		for len(asks) < 100 {
			if next++; next%revokeEvery == 0 {
				continue // revoked when it was made up
			}
			serial := synthetic.SerialOf(certificates - 1 - next)
			if _, err := register.Find(ctx, serial); err == nil {
				continue // by a run before
			}
			asks = append(asks, revocation.Revoke{Serial: serial, Reason: policy.ReasonKeyCompromise, By: synthetic.Requester})
		}
		_, err := register.RevokeAll(ctx, asks)
		return err
	}
	publish := func() (time.Duration, int, error) {
		if err := hundred(); err != nil {
			return 0, 0, err
		}
		began := time.Now()
		record, err := register.PublishCRL(ctx, "issuing-dca")
		if err != nil {
			return 0, 0, err
		}
		return time.Since(began), record.Entries, nil
	}
	first, entries, err := publish()
	if err != nil {
		return nil, err
	}
	var again []time.Duration
	for range 5 {
		took, n, err := publish()
		if err != nil {
			return nil, err
		}
		again, entries = append(again, took), n
	}
	slices.Sort(again)
	resident := residentOf(os.Getpid())
	list := fmt.Sprintf("a list of %d entries, 100 of them new, built, linted, signed, verified and on disk", entries)
	return []figure{
		{what: list + ": the first of a process", value: first.Round(time.Millisecond).String(), aim: "2 s", missed: first > 2*time.Second},
		{what: "the same: the next ones, median of 5", value: again[2].Round(time.Millisecond).String(), aim: "0.5 s, 300 MiB", missed: again[2] > 500*time.Millisecond || resident > 300*1024, resident: resident},
	}, nil
}

// openIssuer opens the CA of the home with the key of its Issuing DCA.
func (h *home) openIssuer(ctx context.Context) (_ *ca.Issuer, closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for _, c := range slices.Backward(closers) {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	env, err := policy.LoadEnvironment(h.Environment)
	if err != nil {
		return nil, closeAll, err
	}
	token, err := softhsm.Open(filepath.Join(h.dir, "token"))
	if err != nil {
		return nil, closeAll, err
	}
	module, err := hsm.Open(ctx, hsm.FromSoftHSM(token))
	if err != nil {
		return nil, closeAll, err
	}
	closers = append(closers, module.Close)
	key, err := module.Key(ctx, hsm.Label("issuing-dca", 1))
	if err != nil {
		return nil, closeAll, err
	}
	cert, err := h.certificate()
	if err != nil {
		return nil, closeAll, err
	}
	logKey, err := readLogKey(filepath.Join(h.dir, "audit.key"))
	if err != nil {
		return nil, closeAll, err
	}
	db, err := h.open(ctx)
	if err != nil {
		return nil, closeAll, err
	}
	closers = append(closers, db.Close)
	issuer, err := ca.Open(ctx, ca.Config{Store: db, Environment: env, LogKey: logKey,
		Authorities: []ca.Authority{{Name: "issuing-dca", Generation: 1, Certificate: cert, Signer: key.Signer}}})
	if err != nil {
		return nil, closeAll, err
	}
	closers = append(closers, func() error { return issuer.Close(context.WithoutCancel(ctx)) })
	return issuer, closeAll, nil
}

// certificate is that of the Issuing DCA.
func (h *home) certificate() (*policy.Certificate, error) {
	text, err := os.ReadFile(filepath.Join(h.dir, "ca", "issuing-dca.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the certificate of the Issuing DCA is no PEM")
	}
	return policy.ParseCertificate(block.Bytes)
}

func readLogKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, is := key.(ed25519.PrivateKey)
	if !is {
		return nil, fmt.Errorf("%s is no Ed25519 key", path)
	}
	return private, nil
}
