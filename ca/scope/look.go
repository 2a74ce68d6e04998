package scope

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/policy"
)

// Config is what the question is put to.
type Config struct {
	Issuer   *ca.Issuer
	Register *revocation.Register
	// Authorities are the authorities of the CA in all generations, whether their keys
	// are here or not.
	Authorities []Authority
	// Owner names the party that an identifier belongs to, "" if none. Nil: nobody
	// knows.
	Owner func(ctx context.Context, id policy.EntityID) (string, error)
	// Cells is the table of trust anchor cells. Nil: the one that is part of the
	// program.
	Cells *Cells
}

// An Authority is one by its key.
type Authority struct {
	ID  string // "issuing-oca-1"
	Key ca.KeyHash
}

// A Question is what is asked.
type Question struct {
	Key   ca.KeyHash
	Since time.Time // when the key was compromised, at the latest
	// All lists what an authority issued before Since too; it is counted in any case.
	All bool
	// Log reads the audit log, which has no index by serial and is read from the front.
	Log bool
}

// A Certificate is one that is at risk.
type Certificate struct {
	Serial     policy.Serial           `json:"serial"`
	Why        string                  `json:"why"` // "carries the key", "issued by issuing-oca-1"
	Status     ca.Status               `json:"status"`
	Revoked    *Revoked                `json:"revoked,omitempty"`
	Profile    policy.ProfileName      `json:"profile"`
	Issuer     string                  `json:"issuer"`
	Entity     *policy.EntityID        `json:"entity,omitempty"`
	Party      string                  `json:"party,omitempty"`
	Requester  string                  `json:"requester"`
	Role       *policy.RemotePartyRole `json:"role,omitempty"`
	Usage      policy.KeyUsage         `json:"usage"`
	NotBefore  time.Time               `json:"not_before"`
	NotAfter   time.Time               `json:"not_after"`
	RecordedAt time.Time               `json:"recorded_at"`
	// Exposed says that it could be used or misused at Since or later: it had not ended,
	// and was not revoked, before.
	Exposed bool `json:"exposed"`
	// Late says that it was recorded at Since or later.
	Late  bool   `json:"late"`
	Cells []Cell `json:"cells"`
}

// Revoked is how a certificate was taken out of use.
type Revoked struct {
	At     time.Time     `json:"at"`
	Reason policy.Reason `json:"reason"`
	OnCRL  bool          `json:"on_crl"`
}

// Look answers a question. Each certificate at risk is handed to each as it is
// found, those that carry the key first, then what they have issued in the order of
// recording; the counts come at the end. An error of each ends it and comes back. A
// key that no certificate carries is an error wrapping [ca.ErrNotFound].
func Look(ctx context.Context, cfg Config, q Question, each func(*Certificate) error) (*Summary, error) {
	if cfg.Issuer == nil || cfg.Register == nil {
		return nil, errors.New("looking at what is at risk: Issuer or Register is missing")
	}
	if q.Since.IsZero() {
		return nil, errors.New("looking at what is at risk: the time of the compromise is missing")
	}
	if cfg.Cells == nil {
		cfg.Cells = DefaultCells()
	}
	l := &look{Config: cfg, q: q, each: each, s: newSummary(q, cfg.Cells)}
	if err := l.run(ctx); err != nil {
		return nil, fmt.Errorf("looking at what is at risk: %w", err)
	}
	return l.s, nil
}

// look is one question while it is answered.
type look struct {
	Config
	q    Question
	each func(*Certificate) error
	s    *Summary

	serials []policy.Serial // that carry the key
	owner   struct {        // the last that was asked for: certificates of one entity come together
		id    policy.EntityID
		party string
	}
}

func (l *look) run(ctx context.Context) error {
	carriers, err := l.Issuer.BySPKI(ctx, l.q.Key)
	if err != nil {
		return err
	}
	if len(carriers) == 0 {
		return fmt.Errorf("no certificate carries key %s: %w", l.q.Key, ca.ErrNotFound)
	}
	var below []string
	for _, c := range carriers {
		l.serials = append(l.serials, c.Serial)
		if err := l.tell(ctx, c, "carries the key"); err != nil {
			return err
		}
		l.s.Carries++
		if c.Profile.Authority() {
			below = l.add(below, c)
		}
	}
	// Authorities that these have certified come to the end of the list as they are
	// found: what they issued is in question as well.
	for n := 0; n < len(below); n++ {
		if below, err = l.issued(ctx, below, below[n]); err != nil {
			return err
		}
	}
	if l.q.Log {
		return l.log(ctx)
	}
	return nil
}

// add notes an authority, once.
func (l *look) add(ids []string, c *ca.Certificate) []string {
	for _, a := range l.Authorities {
		if a.Key != c.Key {
			continue
		}
		for _, id := range ids {
			if id == a.ID {
				return ids
			}
		}
		return append(ids, a.ID)
	}
	return ids
}

// issued goes through what one authority has issued.
func (l *look) issued(ctx context.Context, ids []string, id string) ([]string, error) {
	if err := l.s.count(ctx, l.Issuer.Store(), id, l.q.Since); err != nil {
		return ids, err
	}
	if err := l.s.lists(ctx, l.Issuer.Store(), id, l.q.Since); err != nil {
		return ids, err
	}
	filter := ca.Filter{Issuer: id}
	if name, _ := ca.SplitID(id); !l.q.All && !policy.ProfileName(name).Root() {
		// A root has issued few, and the authorities among them count whatever their age.
		filter.Since = l.q.Since
	}
	for c, err := range l.Issuer.List(ctx, filter) {
		if err != nil {
			return ids, err
		}
		if c.Key == l.q.Key {
			continue // a root's own certificate, told already
		}
		if c.Profile.Authority() {
			ids = l.add(ids, c)
		} else if !l.q.All && c.RecordedAt.Before(l.q.Since) {
			continue
		}
		if err := l.tell(ctx, c, "issued by "+id); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// tell hands one certificate on.
func (l *look) tell(ctx context.Context, c *ca.Certificate, why string) error {
	t := &Certificate{Serial: c.Serial, Why: why, Status: c.StatusAt(l.Issuer.Now()), Profile: c.Profile, Issuer: c.Issuer, Entity: c.Entity,
		Requester: c.Requester, Role: c.Role, Usage: c.Usage, NotBefore: c.NotBefore, NotAfter: c.NotAfter, RecordedAt: c.RecordedAt,
		Exposed: !c.NotAfter.Before(l.q.Since), Late: !c.RecordedAt.Before(l.q.Since), Cells: []Cell{}}
	if c.Status == ca.StatusRevoked || c.Status == ca.StatusNotInUse {
		r, err := l.Register.Find(ctx, c.Serial)
		switch {
		case err == nil:
			t.Revoked = &Revoked{r.At, r.Reason, r.OnCRL}
			t.Exposed = t.Exposed && !r.At.Before(l.q.Since)
		case !errors.Is(err, ca.ErrNotFound):
			return err
		}
	}
	switch {
	case c.Profile == policy.ProfileRootOCA:
		t.Cells = l.Cells.For(policy.RoleRoot, c.Usage)
	case c.Profile == policy.ProfileOrganisation && c.Role != nil:
		t.Cells = l.Cells.For(*c.Role, c.Usage)
	}
	if c.Entity != nil && l.Owner != nil {
		if l.owner.id != *c.Entity {
			party, err := l.Owner(ctx, *c.Entity)
			if err != nil {
				return err
			}
			l.owner.id, l.owner.party = *c.Entity, party
		}
		t.Party = l.owner.party
	}
	l.s.add(t)
	return l.each(t)
}
