package iki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	cferr "github.com/cloudflare/cfssl/errors"
	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/store"
	"smki.example/policy"
)

// issue gives a certificate to a system of a name.
func (w *world) issue(t *testing.T, cn string, i iki.Interface) *iki.Certificate {
	t.Helper()
	c, err := w.authority.IssueFor(context.Background(), iki.Order{DER: request(t, newRSA(2048), named(cn)), Requester: "test", Interface: i})
	require.NoError(t, err)
	return c
}

func named(cn string) func(*x509.CertificateRequest) {
	return func(r *x509.CertificateRequest) { r.Subject.CommonName = cn }
}

func (w *world) revoke(t *testing.T, serial policy.Serial) iki.Revocation {
	t.Helper()
	v, err := iki.Revoke(context.Background(), w.issuer, iki.Withdrawal{Serial: serial, Reason: policy.ReasonKeyCompromise, By: "test"})
	require.NoError(t, err)
	return v
}

func readList(t *testing.T, r *iki.CRLRecord) *x509.RevocationList {
	t.Helper()
	list, err := x509.ParseRevocationList(r.DER)
	require.NoError(t, err)
	require.Equal(t, r.Number, list.Number.Int64())
	require.Len(t, list.RevokedCertificateEntries, r.Entries)
	return list
}

func TestRevokeAndPublish(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	own, err := x509.ParseCertificate(w.authority.Certificate())
	require.NoError(t, err)

	due, err := w.authority.Due(ctx, w.clock())
	require.NoError(t, err)
	require.True(t, due, "there is no list yet")
	_, err = iki.Current(ctx, w.store, iki.Name)
	require.ErrorIs(t, err, ca.ErrNotFound)
	first, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	require.Empty(t, readList(t, first).RevokedCertificateEntries)
	due, err = w.authority.Due(ctx, w.clock())
	require.NoError(t, err)
	require.False(t, due)

	a, b := w.issue(t, "a", iki.AdHoc), w.issue(t, "b", iki.Batched)
	v := w.revoke(t, a.Serial)
	require.True(t, v.New)
	require.Equal(t, "iki-1", v.Issuer)
	s, err := w.authority.Standing(ctx, w.clock())
	require.NoError(t, err)
	require.EqualValues(t, 1, s.Pending)
	require.Empty(t, s.Alarm)
	w.pass(2 * time.Hour)
	s, err = w.authority.Standing(ctx, w.clock())
	require.NoError(t, err)
	require.Contains(t, s.Alarm, "wait for a list")
	second, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	list := readList(t, second)
	require.NoError(t, list.CheckSignatureFrom(own))
	require.Equal(t, own.SubjectKeyId, list.AuthorityKeyId)
	require.Greater(t, second.Number, first.Number)
	require.Equal(t, a.Serial.String(), policy.Serial(list.RevokedCertificateEntries[0].SerialNumber.FillBytes(make([]byte, 16))).String())
	require.Equal(t, 1, list.RevokedCertificateEntries[0].ReasonCode)
	current, err := iki.Current(ctx, w.store, "iki-1")
	require.NoError(t, err)
	require.Equal(t, second, current)
	current, err = iki.Current(ctx, w.store, iki.Name)
	require.NoError(t, err)
	require.Equal(t, second, current)

	// The first revocation stands.
	again, err := iki.Revoke(ctx, w.issuer, iki.Withdrawal{Serial: a.Serial, Reason: policy.ReasonSuperseded, By: "another"})
	require.NoError(t, err)
	v.New = false
	require.Equal(t, v, again)
	found, err := iki.RevocationOf(ctx, w.store, a.Serial)
	require.NoError(t, err)
	require.Equal(t, v, found)
	_, err = iki.RevocationOf(ctx, w.store, b.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound)
	got, err := iki.BySerial(ctx, w.store, a.Serial)
	require.NoError(t, err)
	require.Equal(t, ca.StatusRevoked, got.Status)
	revoked, err := iki.Credentials{Store: w.store}.CredentialRevoked(ctx, a.Serial)
	require.NoError(t, err)
	require.True(t, revoked)
	revoked, err = iki.Credentials{Store: w.store}.CredentialRevoked(ctx, b.Serial)
	require.NoError(t, err)
	require.False(t, revoked)
	revoked, err = iki.Credentials{Store: w.store}.CredentialRevoked(ctx, policy.Serial{1})
	require.NoError(t, err)
	require.True(t, revoked, "what was never issued is no credential")

	// Without a reason the entry has no code, and the list is lawful.
	_, err = iki.Revoke(ctx, w.issuer, iki.Withdrawal{Serial: b.Serial, By: "test", At: w.clock().Add(-time.Hour)})
	require.NoError(t, err)
	third, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	require.Len(t, readList(t, third).RevokedCertificateEntries, 2)
	w.pass(13 * time.Hour)
	due, err = w.authority.Due(ctx, w.clock())
	require.NoError(t, err)
	require.True(t, due, "the interval has passed")
	w.pass(20 * time.Hour)
	s, err = w.authority.Standing(ctx, w.clock())
	require.NoError(t, err)
	require.Contains(t, s.Alarm, "lapses in")
	w.pass(20 * time.Hour)
	s, err = w.authority.Standing(ctx, w.clock())
	require.NoError(t, err)
	require.Contains(t, s.Alarm, "lapsed on")

	n := 0
	for v, err := range iki.Revocations(ctx, w.store) {
		require.NoError(t, err)
		require.Equal(t, []policy.Serial{a.Serial, b.Serial}[n], v.Serial)
		n++
	}
	require.Equal(t, 2, n)
	w.accounted(t)

	// Evidence is not changed.
	for _, statement := range []string{
		`UPDATE iki_certificate SET interface = 'batched'`, `UPDATE iki_certificate SET status = 'I'`, `UPDATE iki_revocation SET reason = 0`,
		`DELETE FROM iki_revocation`, `UPDATE iki_crl SET number = 9`, `DELETE FROM iki_crl`,
	} {
		require.Error(t, w.store.Write(ctx, func(tx store.Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		}), statement)
	}
}

func TestRevokeRefused(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	c := w.issue(t, "a", iki.AdHoc)
	own, err := x509.ParseCertificate(w.authority.Certificate())
	require.NoError(t, err)
	for _, row := range []struct {
		name, says string
		is         error
		q          iki.Withdrawal
	}{
		{"a serial that was never issued", "not found", ca.ErrNotFound, iki.Withdrawal{Serial: policy.Serial{1}, By: "test"}},
		{"suspension", "refused: reason", ca.ErrRefused, iki.Withdrawal{Serial: c.Serial, Reason: 6, By: "test"}},
		{"tomorrow", "refused: future", ca.ErrRefused, iki.Withdrawal{Serial: c.Serial, By: "test", At: w.clock().Add(time.Hour)}},
		{"nobody decided it", "refused: by", ca.ErrRefused, iki.Withdrawal{Serial: c.Serial}},
		{"the authority itself", "refused: root", ca.ErrRefused, iki.Withdrawal{Serial: policy.Serial(own.SerialNumber.FillBytes(make([]byte, 16))), By: "test"}},
	} {
		_, err := iki.Revoke(ctx, w.issuer, row.q)
		require.ErrorIs(t, err, row.is, row.name)
		require.ErrorContains(t, err, row.says, row.name)
	}
	got, err := iki.BySerial(ctx, w.store, c.Serial)
	require.NoError(t, err)
	require.Equal(t, ca.StatusInUse, got.Status)
	w.accounted(t)
}

// A serial that was written off, because a signature of it may exist, stands on the
// list, and revoking it is no error.
func TestWrittenOffIsListed(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	w.tap.fail = func([]byte) ([]byte, error) { return nil, errors.New("lost") }
	_, err := w.authority.Issue(ctx, request(t, key2048(), nil), "test")
	var lost *ca.UncertainError
	require.ErrorAs(t, err, &lost)
	w.tap.fail = nil
	v := w.revoke(t, lost.Serial)
	require.True(t, v.WrittenOff)
	record, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, record.Entries)
	w.accounted(t)
}

// Every write of a publication fails in two ways, and the token in three: nothing is
// unaccounted for, and the next list has a higher number.
func TestPublishFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, row := range []struct {
		name                 string
		arrange              func(*world)
		uncertain, published bool
	}{
		{"the intent is not written", func(w *world) { w.faults.FailBeforeCommit(0, func() error { return broken }) }, false, false},
		{"the intent is written and we are told that it is not", func(w *world) { w.faults.FailAfterCommit(0, func() error { return broken }) }, false, false},
		{"the list is not recorded", func(w *world) { w.faults.FailBeforeCommit(1, func() error { return broken }) }, true, false},
		{"the list is recorded and we are told that it is not", func(w *world) { w.faults.FailAfterCommit(1, func() error { return broken }) }, false, true},
		{"the token signs and its answer is lost", func(w *world) { w.tap.fail = func([]byte) ([]byte, error) { return nil, broken } }, true, false},
		{"the token answers with another signature", func(w *world) { w.tap.fail = func(s []byte) ([]byte, error) { s[len(s)-1] ^= 1; return s, nil } }, true, false},
		{"the token answers with nonsense", func(w *world) { w.tap.fail = func([]byte) ([]byte, error) { return []byte("nonsense"), nil } }, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), context.Background()
			w.revoke(t, w.issue(t, "a", iki.AdHoc).Serial)
			before, err := w.authority.PublishCRL(ctx)
			require.NoError(t, err)
			row.arrange(w)
			record, err := w.authority.PublishCRL(ctx)
			if row.published {
				require.NoError(t, err)
				require.Greater(t, record.Number, before.Number)
			} else {
				require.Error(t, err)
				require.Equal(t, row.uncertain, errors.Is(err, ca.ErrUncertain), "%v", err)
				require.NotErrorIs(t, err, ca.ErrRefused)
			}
			w.tap.fail = nil
			w.accounted(t)
			after, err := w.authority.PublishCRL(ctx)
			require.NoError(t, err)
			require.Greater(t, after.Number, before.Number)
			require.Equal(t, 1, after.Entries)
			w.accounted(t)
		})
	}
}

// A revocation that comes while the list is signed is on the list that is published.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	a, b := w.issue(t, "a", iki.AdHoc), w.issue(t, "b", iki.AdHoc)
	w.revoke(t, a.Serial)
	var once sync.Once
	w.tap.before = func() {
		open := 0
		for in, err := range w.issuer.Intents(ctx) {
			require.NoError(t, err)
			if in.State == ca.StateOpen && in.Kind == ca.CRLIntent {
				open++
			}
		}
		require.Equal(t, 1, open, "the intent is on disk before the token is asked")
		once.Do(func() { w.revoke(t, b.Serial) })
	}
	record, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, record.Entries)
	require.EqualValues(t, 2, record.Number, "number 1 is burned")
	w.tap.before = nil
	w.accounted(t)
}

// Several publish and revoke at once: every list has a number of its own, and the
// last has every revocation.
func TestPublishersAtOnce(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	var serials []policy.Serial
	for _, cn := range []string{"a", "b", "c"} {
		serials = append(serials, w.issue(t, cn, iki.AdHoc).Serial)
	}
	var wait sync.WaitGroup
	revoked, published := make([]error, len(serials)), make([]error, len(serials))
	for n, serial := range serials {
		wait.Go(func() {
			_, revoked[n] = iki.Revoke(ctx, w.issuer, iki.Withdrawal{Serial: serial, By: "test"})
			_, published[n] = w.authority.PublishCRL(ctx)
		})
	}
	wait.Wait()
	for n := range serials {
		require.NoError(t, revoked[n])
		if published[n] != nil {
			require.ErrorContains(t, published[n], "overtaken")
		}
	}
	due, err := w.authority.Due(ctx, w.clock())
	require.NoError(t, err)
	if due {
		_, err = w.authority.PublishCRL(ctx)
		require.NoError(t, err)
	}
	record, err := iki.Current(ctx, w.store, iki.Name)
	require.NoError(t, err)
	require.Equal(t, 3, record.Entries)
	w.accounted(t)
}

// Every single bit of what is to be signed matters: one that is changed is found
// before the token is asked.
func TestLint(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	own, err := x509.ParseCertificate(w.authority.Certificate())
	require.NoError(t, err)
	der := request(t, key2048(), func(r *x509.CertificateRequest) { r.Subject.Organization = []string{"Énergie * Ltd"} })
	asked, err := iki.ParseRequest(der)
	require.NoError(t, err)
	c, err := w.authority.Issue(ctx, der, "test")
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(c.DER)
	require.NoError(t, err)
	require.Len(t, cert.Extensions, 4)
	everyBit(t, cert.RawTBSCertificate, func(tbs []byte) error { return iki.LintCertificate(tbs, c, asked, own) })

	w.revoke(t, c.Serial)
	record, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	list := readList(t, record)
	entry := list.RevokedCertificateEntries[0]
	entries := []policy.CRLEntry{{Serial: c.Serial, At: entry.RevocationTime, Reason: policy.Reason(entry.ReasonCode)}}
	everyBit(t, list.RawTBSRevocationList, func(tbs []byte) error { return iki.LintList(tbs, *record, entries, own) })
	require.Error(t, iki.LintList(list.RawTBSRevocationList, *record, nil, own), "an entry too many")
	require.Error(t, iki.LintList(list.RawTBSRevocationList, *record, append(entries, entries...), own), "an entry too few")
}

func everyBit(t *testing.T, tbs []byte, lint func([]byte) error) {
	t.Helper()
	require.NoError(t, lint(tbs))
	for n := range 8 * len(tbs) {
		changed := bytes.Clone(tbs)
		changed[n/8] ^= 1 << (n % 8)
		require.Error(t, lint(changed), "bit %d of octet %d", n%8, n/8)
	}
	for n := range tbs {
		require.Error(t, lint(tbs[:n]))
	}
	require.Error(t, lint(append(bytes.Clone(tbs), 0)))
}

func TestRefusedByCFSSL(t *testing.T) {
	t.Parallel()
	for _, no := range []error{cferr.New(cferr.CSRError, cferr.ParseFailed), cferr.Wrap(cferr.CertificateError, cferr.Unknown, errors.New("a cause\nof two lines"))} {
		err := iki.RefusedByCFSSL(no)
		require.ErrorIs(t, err, ca.ErrRefused)
		require.ErrorContains(t, err, "refused: iki-signer: cfssl, code ")
		require.NotContains(t, err.Error(), "\n")
	}
	outage := errors.New("outage")
	require.Equal(t, outage, iki.RefusedByCFSSL(outage), "what cfssl did not say is no refusal")
}

func TestInterface(t *testing.T) {
	t.Parallel()
	for _, i := range append(iki.Interfaces(), iki.NoInterface) {
		got, err := iki.ParseInterface(i.String())
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
	for _, s := range []string{"", "AD-HOC", "ad-hoc ", "portal"} {
		_, err := iki.ParseInterface(s)
		require.ErrorContains(t, err, "want one of none, ad-hoc", s)
	}
}

// A name has one certificate in use at an interface, and belongs to one organisation.
func TestNames(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	order := func(i iki.Interface, renews policy.Serial) iki.Order {
		return iki.Order{DER: request(t, newRSA(2048), named("officer 1")), Requester: "test", Interface: i, Renews: renews}
	}
	first, err := w.authority.IssueFor(ctx, order(iki.PortalDevice, policy.Serial{}))
	require.NoError(t, err)
	got, err := iki.BySerial(ctx, w.store, first.Serial)
	require.NoError(t, err)
	require.Equal(t, iki.PortalDevice, got.Interface)
	_, err = w.authority.IssueFor(ctx, order(iki.PortalDevice, policy.Serial{}))
	require.ErrorIs(t, err, ca.ErrRefused)
	require.ErrorContains(t, err, "iki-common-name")
	_, err = w.authority.IssueFor(ctx, order(iki.PortalOrganisation, first.Serial))
	require.ErrorContains(t, err, "iki-renewal", "of another interface")
	_, err = w.authority.IssueFor(ctx, order(iki.PortalOrganisation, policy.Serial{}))
	require.NoError(t, err, "the other interface has names of its own")
	second, err := w.authority.IssueFor(ctx, order(iki.PortalDevice, first.Serial))
	require.NoError(t, err)
	w.revoke(t, first.Serial)
	w.revoke(t, second.Serial)
	_, err = w.authority.IssueFor(ctx, order(iki.PortalDevice, second.Serial))
	require.ErrorContains(t, err, "iki-renewal", "what is revoked is not renewed")
	_, err = w.authority.IssueFor(ctx, order(iki.PortalDevice, policy.Serial{}))
	require.NoError(t, err, "the name is free again")
	_, err = w.authority.IssueFor(ctx, order("everything", policy.Serial{}))
	require.Error(t, err)
	w.accounted(t)
}

// Two processes give one name at once: one certificate is recorded, the other serial
// is written off.
func TestNameGivenTwice(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	cfg := w.config
	cfg.Certificate = w.authority.Certificate()
	another := &tap{key: w.tap.key}
	cfg.Signer = func(context.Context) crypto.Signer { return another }
	second, err := iki.Open(cfg)
	require.NoError(t, err)
	w.tap.before = func() {
		_, err := second.IssueFor(ctx, iki.Order{DER: request(t, newRSA(2048), named("a")), Requester: "test", Interface: iki.AdHoc})
		require.NoError(t, err)
	}
	_, err = w.authority.IssueFor(ctx, iki.Order{DER: request(t, newRSA(2048), named("a")), Requester: "test", Interface: iki.AdHoc})
	require.ErrorIs(t, err, ca.ErrUncertain)
	require.NotErrorIs(t, err, ca.ErrRefused)
	w.tap.before = nil
	record, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, record.Entries)
	w.accounted(t)
}

func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		const how = "openssl is not installed: apt-get install openssl"
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}

// What others read: OpenSSL shows certificate and list, and refuses the revoked one.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	good, bad := w.issue(t, "good", iki.AdHoc), w.issue(t, "bad", iki.AdHoc)
	w.revoke(t, bad.Serial)
	record, err := w.authority.PublishCRL(ctx)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	authority := write("iki.pem", "CERTIFICATE", w.authority.Certificate())
	list := write("iki.crl", "X509 CRL", record.DER)
	out, err := openssl(t, "x509", "-noout", "-text", "-in", write("good.pem", "CERTIFICATE", good.DER))
	require.NoError(t, err, out)
	require.Contains(t, out, "CN = good")
	require.Contains(t, out, "Digital Signature")
	out, err = openssl(t, "crl", "-noout", "-text", "-in", list, "-CAfile", authority)
	require.NoError(t, err, out)
	require.Contains(t, out, "verify OK")
	require.Contains(t, out, "X509v3 Authority Key Identifier")
	require.Contains(t, out, bad.Serial.String())
	verify := []string{"verify", "-crl_check", "-purpose", "sslclient", "-CAfile", authority, "-CRLfile", list}
	out, err = openssl(t, append(verify, filepath.Join(dir, "good.pem"))...)
	require.NoError(t, err, out)
	out, err = openssl(t, append(verify, write("bad.pem", "CERTIFICATE", bad.DER))...)
	require.Error(t, err)
	require.Contains(t, out, "certificate revoked")
}
