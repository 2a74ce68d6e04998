package verbs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"time"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/policy"
)

// An authority is the drill's CA: a real one, on a database in the scratch folder.
type authority struct {
	script   string // SHA-256 of the ceremony's script
	ceremony *ceremony.Result
	store    *store.Store
	issuer   *ca.Issuer
	register *revocation.Register
	made     map[string]*policy.Certificate // by name in the ceremony's script
	counts   map[string]*atomic.Int64       // signatures asked of each key, by authority
	imported int                            // signatures that the ceremony made
	lists    []*policy.CRL                  // published in this drill, in order
}

// authorityNames are the authorities that a key ceremony made, in the order of
// their paths.
var authorityNames = []string{"root-oca", "issuing-oca", "root-dca", "issuing-dca"}

// recoveryName is the name of the Recovery key's certificate in the script.
const recoveryName = "recovery"

// openAuthority plays the key ceremony on the drill's tokens and opens a CA on
// what it made. The Recovery and Contingency tokens are closed afterwards: what
// opens the first is the custodians, and nothing in this drill opens the second.
func (w *World) openAuthority(ctx context.Context) (a *authority, err error) {
	a = &authority{made: map[string]*policy.Certificate{}, counts: map[string]*atomic.Int64{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	script := ceremony.DefaultScript()
	a.script = script.Hash()
	a.ceremony, err = ceremony.Run(ctx, ceremony.Config{
		Script: script, Environment: w.env, Out: filepath.Join(w.cfg.Scratch, "ceremony"), Clock: w.clock.Now,
		Token: func(ctx context.Context, name string) (*hsm.Token, error) { return w.tokens.login(ctx, name) },
	})
	if err != nil {
		return a, err
	}
	for name, der := range a.ceremony.Certificates {
		if a.made[name], err = policy.ParseCertificate(der); err != nil {
			return a, fmt.Errorf("reading the ceremony's certificate %q: %w", name, err)
		}
	}
	for _, owner := range []string{ownerRecovery, ownerContingency} {
		if err := w.tokens.logout(owner); err != nil {
			return a, err
		}
	}
	return a, a.open(ctx, w)
}

func (a *authority) open(ctx context.Context, w *World) error {
	var err error
	if a.store, err = store.Open(ctx, store.Config{URL: filepath.Join(w.cfg.Scratch, "smki.db"), Clock: w.clock.Now}); err != nil {
		return err
	}
	token, err := w.tokens.login(ctx, ownerCA)
	if err != nil {
		return err
	}
	var list []ca.Authority
	for _, name := range authorityNames {
		key, err := token.Key(ctx, hsm.Label(name, 1))
		if err != nil {
			return err
		}
		asked := &atomic.Int64{}
		a.counts[name] = asked
		list = append(list, ca.Authority{
			Name: name, Generation: 1, Certificate: a.made[name],
			Signer: func(ctx context.Context) crypto.Signer { return countedSigner{key.Signer(ctx), asked} },
		})
	}
	_, logKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("making the audit log's key: %w", err)
	}
	a.issuer, err = ca.Open(ctx, ca.Config{Store: a.store, Environment: w.env, Authorities: list, LogKey: logKey, Clock: w.clock.Now})
	if err != nil {
		return err
	}
	var intents []ca.CeremonyIntent
	for _, in := range a.ceremony.Intents {
		intents = append(intents, ca.CeremonyIntent{TBS: in.TBS, Signature: in.Signature, Profile: in.Profile, KeyLabel: string(in.KeyLabel)})
	}
	a.imported = len(intents)
	if err := a.issuer.ImportCeremony(ctx, intents); err != nil {
		return err
	}
	if a.register, err = revocation.New(revocation.Config{Issuer: a.issuer}); err != nil {
		return err
	}
	return w.writeAuthorities(a)
}

// writeAuthorities puts the authorities' certificates and the ceremony's public
// keys into the pack.
func (w *World) writeAuthorities(a *authority) error {
	for _, name := range append([]string{recoveryName}, authorityNames...) {
		if err := w.pack.write("certs/"+name+".pem", a.made[name].PEM()); err != nil {
			return err
		}
		if err := w.pack.publicKey(name+"-1", a.made[name].PublicKey); err != nil {
			return err
		}
	}
	return w.pack.publicKey("record", w.cfg.Journal.Key().Public())
}

// countedSigner counts what a CA key is asked to sign, so that the closing check
// can compare the key's own count with the ledger's.
type countedSigner struct {
	crypto.Signer
	asked *atomic.Int64
}

func (s countedSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.asked.Add(1)
	return s.Signer.Sign(random, digest, opts)
}

// issue has the CA certify one request.
func (a *authority) issue(ctx context.Context, request []byte, requester string) (*policy.Certificate, error) {
	issued, err := a.issuer.Issue(ctx, ca.Request{DER: request, Requester: requester})
	if err != nil {
		return nil, err
	}
	return issued.Parse()
}

// issueAll has the CA certify any number of requests, a batch at a time, and
// returns the certificates in the order of the requests.
func (a *authority) issueAll(ctx context.Context, requests [][]byte, requester string, progress func(done int)) ([]*policy.Certificate, error) {
	certificates := make([]*policy.Certificate, 0, len(requests))
	for start := 0; start < len(requests); start += ca.MaxBatch {
		part := requests[start:min(start+ca.MaxBatch, len(requests))]
		batch := make([]ca.Request, len(part))
		for i, der := range part {
			batch[i] = ca.Request{DER: der, Requester: requester}
		}
		results, err := a.issuer.IssueBatch(ctx, batch)
		if err != nil {
			return nil, err
		}
		for i, r := range results {
			if r.Err != nil {
				return nil, fmt.Errorf("issuing certificate %d of %d: %w", start+i+1, len(requests), r.Err)
			}
			c, err := r.Certificate.Parse()
			if err != nil {
				return nil, err
			}
			certificates = append(certificates, c)
		}
		progress(len(certificates))
	}
	return certificates, nil
}

// publish has the CA sign a new list, and puts it into pack and journal.
func (w *World) publish(ctx context.Context, at time.Duration, issuer string) error {
	record, err := w.authority.register.PublishCRL(ctx, issuer)
	if err != nil {
		return fmt.Errorf("publishing the list of %s: %w", issuer, err)
	}
	list, err := policy.ParseCRL(record.DER)
	if err != nil {
		return fmt.Errorf("reading the list of %s: %w", issuer, err)
	}
	w.authority.lists = append(w.authority.lists, list)
	file := fmt.Sprintf("crls/%s-%d.crl", issuer, record.Number)
	if err := w.pack.write(file, record.DER); err != nil {
		return err
	}
	_, err = w.record(journal.KindCRL, at, CRLPublished{
		File: file, Issuer: issuer, Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate, Entries: len(list.Entries),
	})
	return err
}

// list is the newest list of an authority, or nil.
func (a *authority) list(issuer string) *policy.CRL {
	key := a.made[issuer].SubjectKeyID
	for i := len(a.lists) - 1; i >= 0; i-- {
		if a.lists[i].AuthorityKeyID == key {
			return a.lists[i]
		}
	}
	return nil
}

// revoked reports whether the newest list of the Issuing OCA has the serial.
func (a *authority) revoked(serial policy.Serial) bool {
	list := a.list("issuing-oca")
	if list == nil {
		return false
	}
	for _, e := range list.Entries {
		if e.Serial == serial {
			return true
		}
	}
	return false
}

func (a *authority) close() error {
	var errs []error
	if a.issuer != nil {
		errs = append(errs, a.issuer.Close(context.Background()))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// publicPEM writes a public key as PEM.
func publicPEM(key any) ([]byte, error) {
	if pub, ok := key.(*ecdsa.PublicKey); ok && pub == nil {
		return nil, errors.New("writing a public key: there is none")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
