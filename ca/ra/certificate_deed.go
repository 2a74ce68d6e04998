package ra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// IssueCertificate issues the certificate of a request whose identity checks have
// passed. Request is decided; the rest is filled in from the request.
type IssueCertificate struct {
	Request int64                  `json:"request"`
	Party   PartyID                `json:"party"`
	Asker   OfficerID              `json:"asker"`
	DER     []byte                 `json:"der"` // PKCS#10, exactly what the CA is given
	SHA256  string                 `json:"sha256"`
	CN      string                 `json:"cn"`
	Role    policy.RemotePartyRole `json:"role"`
	Entity  policy.EntityID        `json:"entity"`
	Usage   policy.KeyUsage        `json:"usage"`
	Key     string                 `json:"key"` // SHA-256 of the public key info
	Checks  []Check                `json:"checks"`
}

// Act is its row of the table.
func (d IssueCertificate) Act() Act { return ActIssueCertificate }

// Subject is what it is about.
func (d IssueCertificate) Subject() string { return fmt.Sprintf("request/%d", d.Request) }

// Words say what will be done.
func (d IssueCertificate) Words() string {
	var b strings.Builder
	name := "without a common name"
	if d.CN != "" {
		name = fmt.Sprintf("with the common name %q", d.CN)
	}
	fmt.Fprintf(&b, "Issue an Organisation Certificate to party %q, for EUI-64 %s in the Remote Party Role %s, key usage %s, %s.\n", d.Party, d.Entity, d.Role, d.Usage, name)
	fmt.Fprintf(&b, "Officer %q asked for it in request %d; its public key has the SHA-256 %s.\nIdentity checks that passed:", d.Asker, d.Request, d.Key)
	for _, c := range d.Checks {
		fmt.Fprintf(&b, "\n%s, by officer %q: %q", c.Kind, c.By, c.Evidence)
	}
	return b.String()
}

func (d IssueCertificate) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	q, err := requestIn(ctx, tx, d.Request)
	if err != nil {
		return nil, facts{}, err
	}
	if q.State != Asked {
		return nil, facts{}, conflict("request %d is %s", q.ID, q.State)
	}
	checks, missing := q.newest(r.table)
	if len(missing) > 0 {
		return nil, facts{}, refuse("identity-checks", "request %d lacks the checks %s", q.ID, strings.Join(missing, ", "))
	}
	req, err := policy.ParseRequest(q.DER)
	if err != nil {
		return nil, facts{}, &ca.Refusal{Rule: "request-form", Err: err}
	}
	if err := r.entitled(ctx, tx, q.Party, req); err != nil {
		return nil, facts{}, err
	}
	key, err := ca.KeyHashOf(req.PublicKey)
	if err != nil {
		return nil, facts{}, err
	}
	hash := sha256.Sum256(q.DER)
	d = IssueCertificate{Request: q.ID, Party: q.Party, Asker: q.AskedBy, DER: q.DER, SHA256: hex.EncodeToString(hash[:]),
		CN: req.Subject.CN, Entity: req.EntityID(), Usage: req.Usage, Key: key.String(), Checks: checks}
	d.Role, _ = req.Role()
	return d, facts{party: q.Party, profile: policy.ProfileOrganisation, handle: hash[:],
		on: map[string]any{"request": q.ID, "state": q.State}, barred: map[PersonID]string{q.Asker: "asked for it"}}, nil
}

// requester is how the ledger names who asked, and on which approval.
func requester(d IssueCertificate, a *Approval) string {
	return fmt.Sprintf("%s/%s/%d", d.Party, d.Asker, a.ID)
}

func (d IssueCertificate) carry(ctx context.Context, h Hands, a *Approval) (string, error) {
	c, err := h.Issuer.Issue(ctx, ca.Request{DER: d.DER, Requester: requester(d, a), Type: policy.ProfileOrganisation})
	if err != nil {
		return "", err
	}
	return c.Serial.String(), nil
}

// find looks for the certificate by its key, and takes none but the one that was
// issued on this approval: a key has one certificate, and it may be another's.
func (d IssueCertificate) find(ctx context.Context, h Hands, a *Approval) (string, bool, error) {
	key, err := ca.ParseKeyHash(d.Key)
	if err != nil {
		return "", false, err
	}
	all, err := h.Issuer.BySPKI(ctx, key)
	if err != nil {
		return "", false, err
	}
	for _, c := range all {
		if c.Requester == requester(d, a) {
			return c.Serial.String(), true, nil
		}
	}
	return "", false, nil
}

func (d IssueCertificate) settle(ctx context.Context, tx store.Tx, _ *Registry, _ *Approval, result string, now time.Time) error {
	serial, err := policy.ParseSerial(result)
	if err != nil {
		return err
	}
	q, err := requestIn(ctx, tx, d.Request)
	if err != nil {
		return err
	}
	return q.touch(ctx, tx, Issued, "", serial[:], now)
}
