package cfsslapi

import (
	"cmp"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/certdb"
	cferr "github.com/cloudflare/cfssl/errors"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/policy"
)

// maxRecords is how many certificates a listing returns. The interface wants them
// all in memory at once; a hundred thousand are some 200 MB.
const maxRecords = 100_000

// An Accessor is the ledger as cfssl's certdb.Accessor. It reads certificates and
// revokes them; it writes nothing else. All methods may be called concurrently.
//
// Certificates are named as cfssl names them: the serial number in decimal, the
// authority key identifier in lower-case hex. The label is the issuing authority
// with its generation, "issuing-oca-1".
type Accessor struct {
	face    *Face
	ctx     context.Context // the interface has no other place for it
	by      string
	ownOnly bool // by may revoke only what by was issued
}

var _ certdb.Accessor = (*Accessor)(nil)

// Accessor returns the ledger, for operations that end with ctx and revocations
// that by has decided. It asks nobody who they are, and lets by revoke any
// certificate.
func (f *Face) Accessor(ctx context.Context, by string) *Accessor {
	return &Accessor{face: f, ctx: ctx, by: by}
}

// InsertCertificate refuses: a certificate is in the ledger because the CA has
// issued it.
func (a *Accessor) InsertCertificate(certdb.CertificateRecord) error {
	return cferr.Wrap(cferr.CertStoreError, cferr.InsertionFailed,
		errors.New("refused: only the CA itself writes its ledger; have the certificate signed"))
}

// GetCertificate returns the certificate with a serial number and an authority key
// identifier: one, or none without an error.
func (a *Accessor) GetCertificate(serial, aki string) ([]certdb.CertificateRecord, error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.face.timeout)
	defer cancel()
	c, keyID, err := a.find(ctx, serial, aki)
	if errors.Is(err, ca.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var v *revocation.Revocation
	if revoked(c) {
		found, err := a.face.revocations.Find(ctx, c.Serial)
		if err != nil && !errors.Is(err, ca.ErrNotFound) {
			return nil, a.face.answer("looking up a revocation", err)
		}
		v = &found
	}
	r, err := record(c, keyID, v)
	if err != nil {
		return nil, a.face.answer("reading the ledger", err)
	}
	return []certdb.CertificateRecord{r}, nil
}

// RevokeCertificate revokes a certificate. When it returns, the revocation is in
// the ledger and stands on every list from the next one on, if its issuer has any.
// Revoking again is no error, and the first reason and time stand.
func (a *Accessor) RevokeCertificate(serial, aki string, reasonCode int) error {
	ctx, cancel := context.WithTimeout(a.ctx, a.face.timeout)
	defer cancel()
	// A code of 257 must not become keyCompromise.
	if reasonCode < 0 || reasonCode > 10 {
		return invalid(fmt.Errorf("refused: reason: %d is not a reason code (RFC 5280, 5.3.1)", reasonCode))
	}
	c, _, err := a.find(ctx, serial, aki)
	if errors.Is(err, ca.ErrNotFound) {
		return unknown(fmt.Errorf("certificate %s with authority key identifier %q: not found", serial, aki))
	}
	if err != nil {
		return err
	}
	if a.ownOnly && c.Requester != a.by {
		return invalid(fmt.Errorf("refused: requester: certificate %s was not issued to %q, which may revoke its own only", serial, a.by))
	}
	_, err = a.face.revocations.Revoke(ctx, revocation.Revoke{Serial: c.Serial, Reason: policy.Reason(reasonCode), By: a.by})
	if err != nil {
		return a.face.answer("revoking", err)
	}
	return nil
}

// find reads one certificate. The error wraps ca.ErrNotFound, or is one of cfssl's.
func (a *Accessor) find(ctx context.Context, serial, aki string) (*ca.Certificate, string, error) {
	number, err := parseSerial(serial)
	if err != nil {
		return nil, "", invalid(err)
	}
	c, err := a.face.ca.BySerial(ctx, number)
	if errors.Is(err, ca.ErrNotFound) {
		return nil, "", err
	}
	if err != nil {
		return nil, "", a.face.answer("reading the ledger", err)
	}
	keyID, err := authorityKeyID(c)
	if err != nil {
		return nil, "", a.face.answer("reading the ledger", err)
	}
	if keyID != strings.ToLower(aki) {
		return nil, "", ca.ErrNotFound
	}
	return c, keyID, nil
}

// GetUnexpiredCertificates returns every certificate that has not expired, revoked
// ones included.
func (a *Accessor) GetUnexpiredCertificates() ([]certdb.CertificateRecord, error) {
	return a.list([]string{""}, false)
}

// GetUnexpiredCertificatesByLabel returns the unexpired certificates of some
// authorities, each named with or without its generation.
func (a *Accessor) GetUnexpiredCertificatesByLabel(labels []string) ([]certdb.CertificateRecord, error) {
	return a.list(labels, false)
}

// GetRevokedAndUnexpiredCertificates returns every certificate that is revoked and
// has not expired, those included that no list shows. It is not what a list would
// hold: serials that were written off have no certificate.
func (a *Accessor) GetRevokedAndUnexpiredCertificates() ([]certdb.CertificateRecord, error) {
	return a.list([]string{""}, true)
}

// GetRevokedAndUnexpiredCertificatesByLabel returns the revoked and unexpired
// certificates of one authority.
func (a *Accessor) GetRevokedAndUnexpiredCertificatesByLabel(label string) ([]certdb.CertificateRecord, error) {
	return a.list([]string{label}, true)
}

// GetRevokedAndUnexpiredCertificatesByLabelSelectColumns is
// [Accessor.GetRevokedAndUnexpiredCertificatesByLabel] with serial number and time
// of revocation alone, which is what cfssl's own returns.
func (a *Accessor) GetRevokedAndUnexpiredCertificatesByLabelSelectColumns(label string) ([]certdb.CertificateRecord, error) {
	full, err := a.list([]string{label}, true)
	if err != nil {
		return nil, err
	}
	short := make([]certdb.CertificateRecord, len(full))
	for n, r := range full {
		short[n] = certdb.CertificateRecord{Serial: r.Serial, RevokedAt: r.RevokedAt}
	}
	return short, nil
}

// list returns the unexpired certificates of some authorities ("": of all), in the
// order of their recording.
func (a *Accessor) list(labels []string, revokedOnly bool) ([]certdb.CertificateRecord, error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.face.timeout)
	defer cancel()
	found, err := a.unexpired(ctx, labels, revokedOnly)
	if err != nil {
		return nil, err
	}
	// Revocations are read after the certificates, so that each one that was seen
	// as revoked has its revocation here.
	revocations := map[policy.Serial]*revocation.Revocation{}
	for _, c := range found {
		if revoked(c) {
			revocations[c.Serial] = nil
		}
	}
	if len(revocations) > 0 {
		for v, err := range a.face.revocations.List(ctx, "") {
			if err != nil {
				return nil, a.face.answer("listing revocations", err)
			}
			if _, wanted := revocations[v.Serial]; wanted {
				revocations[v.Serial] = &v
			}
		}
	}
	records := make([]certdb.CertificateRecord, 0, len(found))
	for _, c := range found {
		keyID, err := authorityKeyID(c)
		if err != nil {
			return nil, a.face.answer("reading the ledger", err)
		}
		r, err := record(c, keyID, revocations[c.Serial])
		if err != nil {
			return nil, a.face.answer("reading the ledger", err)
		}
		records = append(records, r)
	}
	return records, nil
}

func (a *Accessor) unexpired(ctx context.Context, labels []string, revokedOnly bool) ([]*ca.Certificate, error) {
	statuses := []ca.Status{""}
	if revokedOnly {
		statuses = []ca.Status{ca.StatusRevoked, ca.StatusNotInUse}
	}
	now := a.face.ca.Now()
	seen := map[int64]bool{} // "issuing-oca" and "issuing-oca-1" overlap
	var found []*ca.Certificate
	for _, label := range labels {
		for _, s := range statuses {
			for c, err := range a.face.ca.List(ctx, ca.Filter{Issuer: label, Status: s}) {
				if err != nil {
					return nil, a.face.answer("reading the ledger", err)
				}
				if seen[c.Seq] || !now.Before(c.NotAfter) {
					continue
				}
				if len(found) == maxRecords {
					return nil, invalid(fmt.Errorf("the ledger has more than %d such certificates, which this interface would have in memory at once; use smki export", maxRecords))
				}
				seen[c.Seq] = true
				found = append(found, c)
			}
		}
	}
	slices.SortFunc(found, func(x, y *ca.Certificate) int { return cmp.Compare(x.Seq, y.Seq) })
	return found, nil
}

// errNoOCSP is the answer to everything about OCSP.
func errNoOCSP() error {
	return cferr.Wrap(cferr.OCSPError, cferr.Unknown,
		errors.New("refused: SMKI has no OCSP; a certificate's status is in the Repository and on its issuer's revocation list"))
}

// InsertOCSP refuses: there is no OCSP.
func (a *Accessor) InsertOCSP(certdb.OCSPRecord) error { return errNoOCSP() }

// GetOCSP refuses: there is no OCSP.
func (a *Accessor) GetOCSP(string, string) ([]certdb.OCSPRecord, error) { return nil, errNoOCSP() }

// GetUnexpiredOCSPs refuses: there is no OCSP.
func (a *Accessor) GetUnexpiredOCSPs() ([]certdb.OCSPRecord, error) { return nil, errNoOCSP() }

// UpdateOCSP refuses: there is no OCSP.
func (a *Accessor) UpdateOCSP(string, string, string, time.Time) error { return errNoOCSP() }

// UpsertOCSP refuses: there is no OCSP.
func (a *Accessor) UpsertOCSP(string, string, string, time.Time) error { return errNoOCSP() }

// revoked tells whether a certificate was taken out of use, on a list or not.
func revoked(c *ca.Certificate) bool {
	return c.Status == ca.StatusRevoked || c.Status == ca.StatusNotInUse
}

// record is a row of the ledger as cfssl has it. Nothing of it is read with
// crypto/x509, which fails on an organisation's certificate.
func record(c *ca.Certificate, keyID string, v *revocation.Revocation) (certdb.CertificateRecord, error) {
	issued, notBefore := c.RecordedAt, c.NotBefore
	r := certdb.CertificateRecord{
		Serial: formatSerial(c.Serial), AKI: keyID, CALabel: c.Issuer, Status: "good", Expiry: c.NotAfter,
		PEM:      string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})),
		IssuedAt: &issued, NotBefore: &notBefore,
	}
	if revoked(c) {
		r.Status = "revoked"
		if v != nil {
			r.Reason, r.RevokedAt = int(v.Reason), v.At
		}
	}
	meta := map[string]any{"profile": string(c.Profile)}
	if c.Entity != nil {
		meta["entity"] = c.Entity.String()
	}
	if err := r.SetMetadata(meta); err != nil {
		return r, err
	}
	return r, r.SetSANs([]string{})
}
