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
	"slices"
	"sync/atomic"
	"time"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

// An authority is the drill's CA: a real one, on a database in the scratch folder.
type authority struct {
	script   string // SHA-256 of the first ceremony's script
	ceremony *ceremony.Result
	store    *store.Store
	logKey   ed25519.PrivateKey
	issuer   *ca.Issuer
	register *revocation.Register
	keys     []ca.Authority                 // every generation, oldest first
	made     map[string]*policy.Certificate // newest, by name in the ceremony's script
	known    []*policy.Certificate          // of authorities, every one that was ever made
	counts   map[string]*atomic.Int64       // signatures asked of each key, by authority and generation
	imported int                            // signatures that ceremonies made
	lists    []*policy.CRL                  // published in this drill, in order
	// symmetric are the first ceremony's shares of the symmetric key, until they are
	// with the custodians of the procedure pack.
	symmetric []custody.Share
}

// authorityNames are the authorities that a key ceremony made, in the order of
// their paths.
var authorityNames = []string{"root-oca", "issuing-oca", "root-dca", "issuing-dca"}

// recoveryName is the name of the Recovery key's certificate in the script.
const recoveryName = "recovery"

// openAuthority plays the key ceremony on the drill's tokens and opens a CA on
// what it made. The Recovery and Contingency tokens are closed afterwards: what
// opens them from then on is custodians and a decision.
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
		Token:     func(ctx context.Context, name string) (*hsm.Token, error) { return w.tokens.login(ctx, name) },
		Custodian: func(_ string, s custody.Share) error { a.symmetric = append(a.symmetric, s); return nil },
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
	if _, a.logKey, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return fmt.Errorf("making the audit log's key: %w", err)
	}
	for _, name := range authorityNames {
		if err := a.add(ctx, w, name, 1, a.made[name]); err != nil {
			return err
		}
	}
	if err := a.start(ctx, w); err != nil {
		return err
	}
	if err := a.importCeremony(ctx, a.ceremony); err != nil {
		return err
	}
	return w.writeAuthorities(a)
}

// add gives the CA a key of an authority. Those that the authority had before sign
// lists only from then on.
func (a *authority) add(ctx context.Context, w *World, name string, generation int, certificate *policy.Certificate) error {
	token, err := w.tokens.login(ctx, ownerCA)
	if err != nil {
		return err
	}
	key, err := token.Key(ctx, hsm.Label(name, generation))
	if err != nil {
		return err
	}
	asked := &atomic.Int64{}
	a.counts[string(key.Label())] = asked
	for i := range a.keys {
		a.keys[i].Retired = a.keys[i].Retired || a.keys[i].Name == name
	}
	a.keys = append(a.keys, ca.Authority{
		Name: name, Generation: generation, Certificate: certificate,
		Signer: func(ctx context.Context) crypto.Signer { return countedSigner{key.Signer(ctx), asked} },
	})
	a.made[name], a.known = certificate, append(a.known, certificate)
	return nil
}

// renewed gives an authority a new certificate for the key it has.
func (a *authority) renewed(name string, certificate *policy.Certificate) {
	for i := range a.keys {
		if k := &a.keys[i]; k.Name == name && !k.Retired {
			k.Certificate = certificate
		}
	}
	a.made[name], a.known = certificate, append(a.known, certificate)
}

// generation is the number of the key that an authority signs with.
func (a *authority) generation(name string) int {
	n := 0
	for _, k := range a.keys {
		if k.Name == name {
			n = max(n, k.Generation)
		}
	}
	return n
}

// start opens the CA with the keys it has, anew if it is open.
func (a *authority) start(ctx context.Context, w *World) error {
	if a.issuer != nil {
		if err := a.issuer.Close(ctx); err != nil {
			return err
		}
		a.issuer = nil
	}
	var err error
	a.issuer, err = ca.Open(ctx, ca.Config{Store: a.store, Environment: w.env, Authorities: slices.Clone(a.keys), LogKey: a.logKey, Clock: w.clock.Now})
	if err != nil {
		return err
	}
	a.register, err = revocation.New(revocation.Config{Issuer: a.issuer})
	return err
}

// importCeremony takes over what a ceremony signed.
func (a *authority) importCeremony(ctx context.Context, made *ceremony.Result) error {
	var intents []ca.CeremonyIntent
	for _, in := range made.Intents {
		intents = append(intents, ca.CeremonyIntent{TBS: in.TBS, Signature: in.Signature, Profile: in.Profile, KeyLabel: string(in.KeyLabel)})
	}
	a.imported += len(intents)
	return a.issuer.ImportCeremony(ctx, intents)
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

// publish has the CA sign a new list, and puts it into pack and journal. issuer is
// an authority, meaning its newest key, or an authority with a generation.
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
	// Numbers begin anew with each key, and so the key is in the name.
	name, generation := ca.SplitID(record.Issuer)
	if generation > 1 {
		name = record.Issuer
	}
	file := fmt.Sprintf("crls/%s-%d.crl", name, record.Number)
	if generation > 1 {
		file = fmt.Sprintf("crls/%s.%d.crl", name, record.Number)
	}
	if err := w.pack.write(file, record.DER); err != nil {
		return err
	}
	body := CRLPublished{File: file, Issuer: name, Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate, Entries: len(list.Entries)}
	if _, err = w.record(journal.KindCRL, at, body); err == nil {
		w.tell(at, body)
	}
	return err
}

// list is the newest list of an authority's newest key, or nil.
func (a *authority) list(issuer string) *policy.CRL { return a.listOf(a.made[issuer].SubjectKeyID) }

// listOf is the newest list that a key signed, or nil.
func (a *authority) listOf(key policy.KeyID) *policy.CRL {
	for i := len(a.lists) - 1; i >= 0; i-- {
		if a.lists[i].AuthorityKeyID == key {
			return a.lists[i]
		}
	}
	return nil
}

// revoked reports whether the newest list of any key has the serial.
func (a *authority) revoked(serial policy.Serial) bool {
	seen := map[policy.KeyID]bool{}
	for i := len(a.lists) - 1; i >= 0; i-- {
		list := a.lists[i]
		if seen[list.AuthorityKeyID] {
			continue
		}
		seen[list.AuthorityKeyID] = true
		if _, is := list.Find(serial); is {
			return true
		}
	}
	return false
}

// issuerOf finds the authority that issued a certificate. Of two certificates for
// one key the newest is meant.
func (a *authority) issuerOf(c *policy.Certificate) *policy.Certificate {
	for i := len(a.known) - 1; i >= 0; i-- {
		if a.known[i].SubjectKeyID == c.AuthorityKeyID {
			return a.known[i]
		}
	}
	return nil
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
