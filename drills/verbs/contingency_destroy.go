package verbs

import (
	"context"
	"fmt"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
)

// KindDestroyed is the kind of an entry that tells of secrets destroyed before a
// witness; its body is a [Destroyed].
const KindDestroyed journal.Kind = "destroyed"

// Destroyed is the record of a secure destruction.
type Destroyed struct {
	What    string   `json:"what"`
	Key     string   `json:"key"`
	Token   string   `json:"token,omitempty"` // label of the token that was wiped
	Serial  string   `json:"serial,omitempty"`
	Shares  []string `json:"shares"`  // custodians whose shares were shredded
	Missing []string `json:"missing"` // custodians whose shares were not there to be shredded
	Witness string   `json:"witness"`
}

// destroy destroys what was replaced. It is done for real: the token's files go,
// and the shares are overwritten.
func (w *World) destroy(_ context.Context, at time.Duration, a engine.Action) error {
	key := contingencyName
	if a.Object == oldRecovery {
		key = recoveryName
	}
	all := w.dcc.guards[key]
	newest := all[len(all)-1]
	did, wiped := false, map[string]bool{}
	for _, c := range all[:len(all)-1] {
		switch {
		case c.session != nil || c.summoned != nil:
			return refuse("%s is open, or about to be: close it first", c.words())
		case a.Object == oldSymmetric:
			if c.symmetric.destroyed {
				continue
			}
			c.symmetric.destroyed, did = true, true
			if err := w.recordDestroyed(at, Destroyed{What: a.Object, Key: string(c.symmetric.label)}, c.symmetric.shares); err != nil {
				return err
			}
		case c.destroyed || c.owner == newest.owner:
			continue // gone already, or the pair that stayed
		default:
			c.destroyed, did = true, true
			made := w.tokens.made[c.owner]
			if wiped[c.owner] {
				continue // another symmetric key went with the same pair
			}
			wiped[c.owner] = true
			if f := w.tokens.faults[c.owner]; f == nil || f.kind != faultDestroyed {
				if err := made.Destroy(); err != nil {
					return err
				}
			}
			w.tokens.faults[c.owner] = &fault{kind: faultDestroyed, asked: true}
			body := Destroyed{What: a.Object, Key: string(c.label), Token: made.Label, Serial: made.Serial}
			if err := w.recordDestroyed(at, body, c.pin); err != nil {
				return err
			}
		}
	}
	if !did {
		return refuse("there is no %s: what is in force is not destroyed, and what was replaced is gone already", a.Object)
	}
	return nil
}

// recordDestroyed shreds shares and tells of it.
func (w *World) recordDestroyed(at time.Duration, body Destroyed, s *shares) error {
	body.Shares, body.Missing, body.Witness = []string{}, []string{}, "internal witness, who saw the token wiped and each share shredded"
	for _, h := range s.held {
		if h.kept() {
			h.paper, h.envelope, h.missing = nil, nil, true
			body.Shares = append(body.Shares, h.by.name)
		} else {
			body.Missing = append(body.Missing, h.by.name)
		}
	}
	if _, err := w.record(KindDestroyed, at, body); err != nil {
		return err
	}
	return w.announce(at, body.What, fmt.Sprintf("the %s, %s, is destroyed; %d shares are shredded, %d could not be", body.What, body.Key, len(body.Shares), len(body.Missing)))
}
