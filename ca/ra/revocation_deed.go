package ra

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// step is what the deeds on a revocation request have in common.
func (r *Registry) step(ctx context.Context, tx store.Tx, id int64, act Act) (*RevocationRequest, facts, error) {
	q, err := revocationIn(ctx, tx, id)
	if err != nil {
		return nil, facts{}, err
	}
	if _, err := q.next(act, r.Now()); err != nil {
		return nil, facts{}, err
	}
	on := map[string]any{"revocation": q.ID, "state": q.State, "revision": q.revision, "serials": q.Serials, "reason": q.Reason, "why": q.Why, "asked_by": q.AskedBy}
	return q, facts{party: q.Party, on: on, barred: map[PersonID]string{q.Asker: "asked for the revocation"}}, nil
}

// applyStep moves the request of a deed that was executed.
func (r *Registry) applyStep(ctx context.Context, tx store.Tx, a *Approval, id int64, now time.Time, change func(*RevocationRequest)) error {
	q, err := revocationIn(ctx, tx, id)
	if err != nil {
		return err
	}
	to, err := q.next(a.Act, now)
	if err != nil {
		return err
	}
	change(q)
	return r.move(ctx, tx, fmt.Sprintf("ra/approval-%d", a.ID), q, a.Act, to, now)
}

// DeferRevocation records that the SMKI PMA delays a revocation until a date. A
// deferral may be renewed.
type DeferRevocation struct {
	Request  int64  `json:"revocation"`
	Until    string `json:"until"`    // RFC 3339, UTC, whole seconds
	Why      string `json:"why"`      // the PMA's reason
	Decision string `json:"decision"` // reference of the PMA's decision
}

// Act is its row of the table.
func (d DeferRevocation) Act() Act { return ActDeferRevocation }

// Subject is what it is about.
func (d DeferRevocation) Subject() string { return fmt.Sprintf("revocation/%d", d.Request) }

// Words say what will be done.
func (d DeferRevocation) Words() string {
	return fmt.Sprintf("Do not revoke on revocation request %d before %s: the SMKI PMA delays it (decision %q): %q. Until then the certificates stay in use.", d.Request, d.Until, d.Decision, d.Why)
}

func (d DeferRevocation) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	until, err := time.Parse(time.RFC3339, d.Until)
	switch {
	case err != nil || d.Until != until.UTC().Format(time.RFC3339):
		return nil, facts{}, refuse("until", "the date %.40q: want the form 2026-12-31T12:00:00Z", d.Until)
	case !until.After(r.Now()):
		return nil, facts{}, refuse("until", "the date %s has passed", d.Until)
	}
	if err := cmp.Or(checkText("the reason", d.Why, maxWords, true), checkText("the reference of the decision", d.Decision, maxText, true)); err != nil {
		return nil, facts{}, err
	}
	_, f, err := r.step(ctx, tx, d.Request, ActDeferRevocation)
	return d, f, err
}

func (d DeferRevocation) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	until, err := time.Parse(time.RFC3339, d.Until)
	if err != nil {
		return err
	}
	return r.applyStep(ctx, tx, a, d.Request, now, func(q *RevocationRequest) {
		q.Until, q.Cause = until, fmt.Sprintf("%s (decision %s)", d.Why, d.Decision)
	})
}

// ResumeRevocation records that the SMKI PMA ends a delay before its date.
type ResumeRevocation struct {
	Request  int64  `json:"revocation"`
	Decision string `json:"decision"`
}

// Act is its row of the table.
func (d ResumeRevocation) Act() Act { return ActResumeRevocation }

// Subject is what it is about.
func (d ResumeRevocation) Subject() string { return fmt.Sprintf("revocation/%d", d.Request) }

// Words say what will be done.
func (d ResumeRevocation) Words() string {
	return fmt.Sprintf("End the delay of revocation request %d now, by decision %q of the SMKI PMA. It may then be executed.", d.Request, d.Decision)
}

func (d ResumeRevocation) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	if err := checkText("the reference of the decision", d.Decision, maxText, true); err != nil {
		return nil, facts{}, err
	}
	_, f, err := r.step(ctx, tx, d.Request, ActResumeRevocation)
	return d, f, err
}

func (d ResumeRevocation) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	return r.applyStep(ctx, tx, a, d.Request, now, func(q *RevocationRequest) { q.Cause = fmt.Sprintf("resumed by decision %s", d.Decision) })
}

// WithdrawRevocation ends a revocation request without revoking: the party takes it
// back, or the registration authority finds that it is not genuine. Either takes
// somebody else to agree, because a request that disappears may be the only sign of a
// compromise.
type WithdrawRevocation struct {
	Request int64  `json:"revocation"`
	Why     string `json:"why"`
}

// Act is its row of the table.
func (d WithdrawRevocation) Act() Act { return ActWithdrawRevocation }

// Subject is what it is about.
func (d WithdrawRevocation) Subject() string { return fmt.Sprintf("revocation/%d", d.Request) }

// Words say what will be done.
func (d WithdrawRevocation) Words() string {
	return fmt.Sprintf("End revocation request %d without revoking anything: %q.", d.Request, d.Why)
}

func (d WithdrawRevocation) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	if err := checkText("the reason", d.Why, maxWords, true); err != nil {
		return nil, facts{}, err
	}
	_, f, err := r.step(ctx, tx, d.Request, ActWithdrawRevocation)
	return d, f, err
}

func (d WithdrawRevocation) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	return r.applyStep(ctx, tx, a, d.Request, now, func(q *RevocationRequest) { q.Cause = d.Why })
}

// ExecuteRevocation revokes the certificates of a request. Request and Emergency are
// decided, with a reason for the emergency; the rest is filled in.
type ExecuteRevocation struct {
	Request int64           `json:"revocation"`
	Serials []policy.Serial `json:"serials"`
	Reason  policy.Reason   `json:"reason"`
	Holders []string        `json:"holders"` // of each certificate: who it names
	// Emergency revokes on a request that nobody has authenticated. The SMKI PMA is
	// told afterwards (unverified).
	Emergency bool   `json:"emergency"`
	Why       string `json:"why,omitempty"`
}

// Act is decided by Emergency.
func (d ExecuteRevocation) Act() Act {
	if d.Emergency {
		return ActExecuteEmergency
	}
	return ActExecuteRevocation
}

// Subject is what it is about.
func (d ExecuteRevocation) Subject() string { return fmt.Sprintf("revocation/%d", d.Request) }

// Words say what will be done.
func (d ExecuteRevocation) Words() string {
	list := make([]string, 0, len(d.Serials))
	for n, serial := range d.Serials {
		of := ""
		if n < len(d.Holders) {
			of = " of " + d.Holders[n]
		}
		list = append(list, serial.String()+of)
	}
	emergency := ""
	if d.Emergency {
		emergency = fmt.Sprintf("\nTHE REQUEST IS NOT AUTHENTICATED; emergency: %q. The SMKI PMA must be told.", d.Why)
	}
	return fmt.Sprintf("Revoke %d certificates for good, reason %s, on revocation request %d.%s\nCertificates:\n%s", len(d.Serials), d.Reason, d.Request, emergency, strings.Join(list, "\n"))
}

func (d ExecuteRevocation) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	if err := checkText("the emergency", d.Why, maxWords, d.Emergency); err != nil {
		return nil, facts{}, err
	}
	if !d.Emergency && d.Why != "" {
		return nil, facts{}, refuse("text", "a reason of its own is for an emergency")
	}
	q, f, err := r.step(ctx, tx, d.Request, d.Act())
	if err != nil {
		return nil, facts{}, err
	}
	d.Serials, d.Reason, d.Holders = q.Serials, q.Reason, make([]string, 0, len(q.Serials))
	for _, serial := range q.Serials {
		c, err := ca.CertificateIn(ctx, tx, serial)
		if err != nil {
			return nil, facts{}, err
		}
		d.Holders = append(d.Holders, describe(c))
	}
	return d, f, nil
}

// describe names the holder of a certificate in words.
func describe(c *ca.Certificate) string {
	words := []string{string(c.Profile)}
	if c.Role != nil {
		words = append(words, c.Role.String())
	}
	if c.Entity != nil {
		words = append(words, c.Entity.String())
	}
	return strings.Join(append(words, c.Usage.String()), " ")
}

func (d ExecuteRevocation) carry(ctx context.Context, h Hands, a *Approval) (string, error) {
	err := h.Revoker.Revoke(ctx, Order{Serials: d.Serials, Reason: d.Reason, By: fmt.Sprintf("ra/approval-%d", a.ID)})
	return fmt.Sprintf("%d certificates revoked", len(d.Serials)), err
}

// find takes an order for done only if every certificate is revoked.
func (d ExecuteRevocation) find(ctx context.Context, h Hands, _ *Approval) (string, bool, error) {
	for _, serial := range d.Serials {
		revoked, err := h.Revoker.Revoked(ctx, serial)
		if err != nil || !revoked {
			return "", false, err
		}
	}
	return fmt.Sprintf("%d certificates revoked", len(d.Serials)), true, nil
}

func (d ExecuteRevocation) settle(ctx context.Context, tx store.Tx, r *Registry, a *Approval, _ string, now time.Time) error {
	return r.applyStep(ctx, tx, a, d.Request, now, func(*RevocationRequest) {})
}
