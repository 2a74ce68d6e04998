package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/policy"
)

// grounds is what the audit record of a release says.
type grounds struct {
	Backup      string         `json:"backup"`
	TakenAt     time.Time      `json:"taken_at"`
	LogSize     int64          `json:"log_size"`
	LogHead     string         `json:"log_head"`
	OutsideSize int64          `json:"outside_size,omitempty"`
	Lists       []ListStanding `json:"lists"`
	Reason      string         `json:"reason,omitempty"`
	Witness     string         `json:"witness,omitempty"`
	// Statement is what two officers have signed, where the register demands it.
	Statement  string              `json:"statement,omitempty"`
	Signatures []map[string]string `json:"signatures,omitempty"`
}

func (c *Comparison) grounds(h *Hold) grounds {
	return grounds{Backup: h.Backup, TakenAt: h.TakenAt, LogSize: h.LogSize, LogHead: h.LogHead, OutsideSize: c.OutsideSize, Lists: c.Lists}
}

// Release lets the CA go on, because the comparison found nothing missing. Any
// other comparison is refused ([ca.ErrRefused]).
func Release(ctx context.Context, s *store.Store, h *Hold, c *Comparison, by string, now time.Time) error {
	if !c.Settled() {
		return &ca.Refusal{Rule: "restored", Err: errors.New(c.Says())}
	}
	err := s.Write(ctx, func(tx store.Tx) error {
		return h.release(ctx, tx, KindRestored, by, now, c.grounds(h))
	})
	if err != nil {
		return fmt.Errorf("letting the restored CA go on: %w", err)
	}
	return nil
}

// A Loss is what somebody accepts, and who.
type Loss struct {
	Reason  string
	By      string
	Witness string // somebody else
	// Statement and Signatures, of By and Witness, prove who they are. Without them the
	// names are what somebody typed.
	Statement  string
	Signatures []map[string]string
}

func (l Loss) check() error {
	for what, text := range map[string]string{"a reason": l.Reason, "the name of who decides": l.By, "the name of a witness": l.Witness} {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("accepting a loss needs %s", what)
		}
	}
	if strings.EqualFold(strings.TrimSpace(l.By), strings.TrimSpace(l.Witness)) {
		return &ca.Refusal{Rule: "two-persons", Err: fmt.Errorf("%q cannot be the witness of his own decision", l.By)}
	}
	return nil
}

// AcceptLoss lets a CA go on that is behind. First everything that the newer lists
// tell is taken over: the revocation of each serial they name, known or not, with
// its date and reason, and the list itself as the signature of a CA key that it is,
// so that the next number is higher. Then the hold goes, with an audit record of
// what is missing, why, and who said so.
//
// A list of every authority that publishes here must have been compared, because a
// number that is given out twice cannot be taken back. When AcceptLoss fails the
// hold stands, and doing it again is safe.
func AcceptLoss(ctx context.Context, issuer *ca.Issuer, register *revocation.Register, h *Hold, c *Comparison, l Loss) error {
	if err := l.check(); err != nil {
		return err
	}
	for _, s := range c.Lists {
		if s.Outside == 0 && !s.Optional {
			return &ca.Refusal{Rule: "restored", Err: fmt.Errorf("the list that %s published last was not given, so that its next number is not known", s.Issuer)}
		}
	}
	for _, s := range c.Lists {
		if !s.Behind() {
			continue
		}
		if err := takeOver(ctx, issuer, register, s, l.By); err != nil {
			return fmt.Errorf("taking over list %d of %s: %w", s.Outside, s.Issuer, err)
		}
	}
	g := c.grounds(h)
	g.Reason, g.Witness, g.Statement, g.Signatures = l.Reason, l.Witness, l.Statement, l.Signatures
	for n := range g.Lists {
		// A million serials belong on the list, not in the record; they stand in the
		// records of the revocations.
		g.Lists[n].NotRevoked, g.Lists[n].Unknown = first(g.Lists[n].NotRevoked), first(g.Lists[n].Unknown)
	}
	err := issuer.Store().Write(ctx, func(tx store.Tx) error {
		return h.release(ctx, tx, KindAcceptedLoss, l.By, issuer.Now(), g)
	})
	if err != nil {
		return fmt.Errorf("letting the restored CA go on: %w", err)
	}
	return nil
}

// shown is how many serials a record or a sentence names.
const shown = 20

func first(s []policy.Serial) []policy.Serial { return s[:min(len(s), shown)] }

func takeOver(ctx context.Context, issuer *ca.Issuer, register *revocation.Register, s ListStanding, by string) error {
	if s.Optional {
		return takeOverIKI(ctx, issuer, s, by)
	}
	if err := register.TakeOver(ctx, s.Issuer, s.missing, by); err != nil {
		return err
	}
	if s.Other {
		// The number is in the ledger already, for other bytes. The next is higher.
		return nil
	}
	return issuer.ImportCeremony(ctx, []ca.CeremonyIntent{{TBS: s.list.tbs, Signature: s.list.signature, KeyLabel: s.Issuer}})
}

// takeOverIKI revokes the known of the serials that an IKI list names, and burns its
// number. Unknown serials need nothing: who comes with a certificate that the ledger
// does not have is let in nowhere.
func takeOverIKI(ctx context.Context, issuer *ca.Issuer, s ListStanding, by string) error {
	known := make(map[policy.Serial]bool)
	for _, serial := range s.NotRevoked {
		known[serial] = true
	}
	for _, e := range s.missing {
		if !known[e.Serial] {
			continue
		}
		if _, err := iki.Revoke(ctx, issuer, iki.Withdrawal{Serial: e.Serial, Reason: e.Reason, At: e.At, By: by}); err != nil {
			return err
		}
	}
	if s.Other {
		return nil
	}
	intent := ca.Intent{Kind: ca.CRLIntent, Issuer: s.Issuer, Number: s.Outside, Profile: "crl", ProfileVersion: issuer.Environment().Version, TBS: s.list.tbs}
	defer issuer.Release(&intent)
	return issuer.Store().Write(ctx, func(tx store.Tx) error {
		var there int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM intent WHERE issuer = $1 AND number = $2`, s.Issuer, s.Outside).Scan(&there); err != nil || there > 0 {
			return err
		}
		if err := issuer.AddIntent(ctx, tx, &intent); err != nil {
			return err
		}
		if err := issuer.AuditIntents(ctx, tx, by, &intent); err != nil {
			return err
		}
		return issuer.GiveUpIntent(ctx, tx, &intent, ca.StateWrittenOff, "published before the restore from a backup that does not have it")
	})
}

// Says tells an operator what is missing, a sentence a line.
func (c *Comparison) Says() string {
	var lines []string
	say := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	for _, l := range c.Lists {
		switch {
		case l.Other:
			say("list %d of %s in %s is not the one that the ledger has under this number (its newest is %d): two CAs have used this key", l.Outside, l.Issuer, l.From, l.Ours)
		case l.Behind():
			say("list %d of %s in %s is published and the ledger knows them up to %d: missing %s", l.Outside, l.Issuer, l.From, l.Ours, span(l.Ours+1, l.Outside))
		case l.Outside > 0:
			say("list %d of %s is no newer than the ledger's %d", l.Outside, l.Issuer, l.Ours)
		}
		if len(l.NotRevoked) > 0 {
			say("  it revokes %d certificates that the ledger holds in use: %s", len(l.NotRevoked), some(l.NotRevoked))
		}
		if len(l.Unknown) > 0 {
			say("  it revokes %d serial numbers that the ledger never gave out: %s", len(l.Unknown), some(l.Unknown))
		}
	}
	switch {
	case c.OutsideSize > c.LogSize:
		say("a checkpoint was signed over %d records of the audit log and the ledger has %d: missing are records %s", c.OutsideSize, c.LogSize, span(c.LogSize, c.OutsideSize-1))
	case c.OutsideSize > 0:
		say("the audit log contains the checkpoint over %d records, and has %d", c.OutsideSize, c.LogSize)
	}
	for _, i := range c.Ignored {
		say("not considered: %s", i)
	}
	for _, l := range c.Lists {
		if l.Optional && l.Outside == 0 && c.OutsideSize == 0 {
			say("the list of %s was not given: IKI certificates that were revoked since are let in again until they are revoked here too", l.Issuer)
		}
	}
	if n := c.NotCompared(); len(n) > 0 {
		say("nothing was given that speaks for %s", strings.Join(n, ", "))
	}
	return strings.Join(lines, "\n")
}

func span(from, to int64) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d to %d", from, to)
}

func some(all []policy.Serial) string {
	var names []string
	for _, s := range first(all) {
		names = append(names, s.String())
	}
	if len(all) > shown {
		names = append(names, fmt.Sprintf("and %d more", len(all)-shown))
	}
	return strings.Join(names, ", ")
}
