package repository

import (
	_ "embed"
	"fmt"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/policy"
)

// StatusPending is the status of a certificate that its subscriber may still reject.
// The ledger does not store it.
const StatusPending ca.Status = "P"

// An Event changes the status of a certificate. Events stand in tables: never rename
// one.
type Event string

// The events, in the order in which they can happen to one certificate. Whether a
// certificate was withdrawn or revoked before it expired makes no difference, because
// expiry changes neither.
const (
	EventIssued    Event = "issued"
	EventAccepted  Event = "accepted"
	EventWithdrawn Event = "withdrawn" // the ledger says not in use
	EventRevoked   Event = "revoked"   // the ledger says revoked
	EventExpired   Event = "expired"
)

// A Transition is a row of the table.
type Transition struct {
	Event Event                `json:"event"`
	Of    []policy.ProfileName `json:"of"`
	From  []ca.Status          `json:"from"`
	To    ca.Status            `json:"to"`
	Mark  string               `json:"mark"` // S, T, I or K
	Why   string               `json:"why"`
}

// Transitions say which status follows from which event. They are data, because the
// sources do not give them.
type Transitions struct {
	Version  int          `json:"version"`
	Source   string       `json:"source"`
	Verified bool         `json:"verified"` // false is shown wherever the table is
	Rows     []Transition `json:"transitions"`
}

//go:embed transitions.json
var transitions []byte

func embeddedTransitions() *Transitions {
	t, err := ParseTransitions("transitions.json", transitions)
	if err != nil {
		panic("repository: internal error: " + err.Error())
	}
	return t
}

// ParseTransitions reads a table strictly. One that would show a certificate which
// is withdrawn or revoked as anything else, or that leaves an event without a
// status, is an error.
func ParseTransitions(file string, b []byte) (*Transitions, error) {
	var t Transitions
	if err := ca.ReadStrict(b, &t); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	kinds := []policy.ProfileName{policy.ProfileDevice, policy.ProfileOrganisation}
	for _, kind := range kinds {
		for _, want := range []struct {
			event Event
			from  []ca.Status
			to    []ca.Status
		}{
			{EventIssued, []ca.Status{""}, []ca.Status{StatusPending, ca.StatusInUse}},
			{EventAccepted, []ca.Status{StatusPending}, []ca.Status{ca.StatusInUse}},
			{EventWithdrawn, []ca.Status{StatusPending, ca.StatusInUse}, []ca.Status{ca.StatusNotInUse}},
			{EventRevoked, []ca.Status{StatusPending, ca.StatusInUse}, []ca.Status{ca.StatusRevoked, ca.StatusNotInUse}},
			{EventExpired, []ca.Status{ca.StatusInUse}, []ca.Status{ca.StatusExpired}},
		} {
			for _, from := range want.from {
				if to := t.after(kind, from, want.event); !slices.Contains(want.to, to) {
					return nil, fmt.Errorf("reading %s: %s of a %s certificate from %q leads to %q: want one of %q", file, want.event, kind, from, to, want.to)
				}
			}
		}
		for _, off := range []ca.Status{ca.StatusNotInUse, ca.StatusRevoked} {
			for _, event := range []Event{EventIssued, EventAccepted, EventExpired} {
				if to := t.after(kind, off, event); to != off {
					return nil, fmt.Errorf("reading %s: %s of a %s certificate from %q leads to %q: what is out of use stays so", file, event, kind, off, to)
				}
			}
		}
	}
	return &t, nil
}

// after is the status after an event; an event without a row changes nothing.
func (t *Transitions) after(kind policy.ProfileName, from ca.Status, event Event) ca.Status {
	for _, row := range t.Rows {
		if row.Event == event && slices.Contains(row.Of, kind) && slices.Contains(row.From, from) {
			return row.To
		}
	}
	return from
}

// StatusAt is the status that the Repository shows of a certificate at a time, where
// certificates are pending for the time acceptance. Authorities, which the table does
// not speak of, have the status of the ledger.
func (t *Transitions) StatusAt(c *ca.Certificate, now time.Time, acceptance time.Duration) ca.Status {
	if c.Profile.Authority() {
		return c.StatusAt(now)
	}
	status := t.after(c.Profile, "", EventIssued)
	if !now.Before(c.RecordedAt.Add(acceptance)) {
		status = t.after(c.Profile, status, EventAccepted)
	}
	switch c.Status {
	case ca.StatusNotInUse:
		status = t.after(c.Profile, status, EventWithdrawn)
	case ca.StatusRevoked:
		status = t.after(c.Profile, status, EventRevoked)
	}
	if now.After(c.NotAfter) {
		status = t.after(c.Profile, status, EventExpired)
	}
	return status
}
