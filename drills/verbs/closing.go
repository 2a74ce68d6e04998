package verbs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Closing runs the checks that end every drill, the same for all of them. Each
// looks at what stands in database, tokens, lists and devices, not at what the
// drill believes it did.
func (w *World) Closing(ctx context.Context) ([]engine.Check, error) {
	if err := w.closeGuards(ctx, w.clock.now()); err != nil {
		return nil, err
	}
	if err := w.certifyKept(ctx); err != nil {
		return nil, err
	}
	var checks []engine.Check
	for _, c := range []struct {
		name string
		run  func(context.Context) (held bool, found string, err error)
	}{
		{"every certificate has its intent", w.intents},
		{"no serial number twice", w.serials},
		{"signatures of CA keys unaccounted for: none", w.signatures},
		{"CRL numbers rise", w.listNumbers},
		{"every revoked serial is on the CRL", w.revocations},
		{"no device that could be reached trusts a withdrawn key", w.withdrawn},
		{"no counter went back but by an authorised floor", w.noneWentBack},
		{"every signature of the Recovery or Contingency key has its decision", w.guardedUses},
		{"devices say what they hold", w.honest},
		{"the audit log is whole", w.auditLog},
	} {
		held, found, err := c.run(ctx)
		if err != nil {
			return checks, fmt.Errorf("%s: %w", c.name, err)
		}
		checks = append(checks, engine.Check{Name: c.name, Held: held, Found: found})
	}
	return checks, nil
}

func (w *World) intents(ctx context.Context) (bool, string, error) {
	states := map[int64]ca.IntentState{}
	for in, err := range w.authority.issuer.Intents(ctx) {
		if err != nil {
			return false, "", err
		}
		states[in.ID] = in.State
	}
	certificates, without := 0, 0
	for c, err := range w.authority.issuer.List(ctx, ca.Filter{}) {
		if err != nil {
			return false, "", err
		}
		certificates++
		if states[c.Intent] != ca.StateRecorded {
			without++
		}
	}
	return without == 0, fmt.Sprintf("%d certificates, %d without an intent", certificates, without), nil
}

func (w *World) serials(ctx context.Context) (bool, string, error) {
	seen := map[policy.Serial]bool{}
	twice := 0
	for c, err := range w.authority.issuer.List(ctx, ca.Filter{}) {
		if err != nil {
			return false, "", err
		}
		if seen[c.Serial] {
			twice++
		}
		seen[c.Serial] = true
	}
	return twice == 0, fmt.Sprintf("%d serial numbers, %d of them twice", len(seen), twice), nil
}

// signatures compares what each CA key was asked to sign, counted at the signer,
// with the intents that were written down before.
func (w *World) signatures(ctx context.Context) (bool, string, error) {
	asked, open := 0, 0
	for _, n := range w.authority.counts {
		asked += int(n.Load())
	}
	intents := -w.authority.imported
	for in, err := range w.authority.issuer.Intents(ctx) {
		if err != nil {
			return false, "", err
		}
		switch in.State {
		case ca.StateUnused:
			continue // the key was never asked
		case ca.StateOpen:
			open++
		}
		intents++
	}
	w.unaccounted = asked - intents
	return w.unaccounted == 0 && open == 0,
		fmt.Sprintf("%d signatures asked of CA keys since the ceremony, %d intents, %d of them open; the ceremony's %d are imported", asked, intents, open, w.authority.imported), nil
}

func (w *World) listNumbers(context.Context) (bool, string, error) {
	last := map[policy.KeyID]int64{}
	var words []string
	held := true
	for _, list := range w.authority.lists {
		if before, seen := last[list.AuthorityKeyID]; seen && list.Number <= before {
			held = false
		}
		last[list.AuthorityKeyID] = list.Number
		words = append(words, fmt.Sprint(list.Number))
	}
	return held, fmt.Sprintf("%d lists published, numbers %s", len(words), strings.Join(words, ", ")), nil
}

func (w *World) revocations(ctx context.Context) (bool, string, error) {
	revoked, missing := 0, 0
	for r, err := range w.authority.register.List(ctx, "") {
		if err != nil {
			return false, "", err
		}
		if !r.OnCRL {
			continue
		}
		revoked++
		if !w.authority.revoked(r.Serial) {
			missing++
		}
	}
	return missing == 0, fmt.Sprintf("%d revoked, %d of them not on the newest list", revoked, missing), nil
}

// withdrawn counts devices that still hold an anchor whose certificate is on the
// list. Those that no message reached are listed and not a fault of the system.
func (w *World) withdrawn(context.Context) (bool, string, error) {
	revoked := map[policy.KeyID]bool{}
	var sets []map[purpose]*credential
	for _, p := range w.parties {
		sets = append(sets, p.generations...)
	}
	for _, thief := range w.attackers {
		sets = append(sets, thief.set)
	}
	for _, set := range sets {
		for _, c := range set {
			if w.authority.revoked(c.certificate.Serial) {
				revoked[c.keyID()] = true
			}
		}
	}
	reached, unreached := 0, 0
	for _, r := range w.rows() {
		if !slices.ContainsFunc(r.Cells, func(c fleet.CellRow) bool { return revoked[c.KeyID] }) {
			continue
		}
		if r.Reach == fleet.Unreachable {
			unreached++
		} else {
			reached++
		}
	}
	return reached == 0, fmt.Sprintf("%d keys withdrawn; held by %d devices that could be reached and by %d that could not, which are listed", len(revoked), reached, unreached), nil
}

func (w *World) noneWentBack(context.Context) (bool, string, error) {
	found := fmt.Sprintf("%d set back by an authorised floor, %d otherwise", w.counters.lowered, len(w.counters.wrong))
	if len(w.counters.wrong) > 0 {
		found += ": " + w.counters.wrong[0]
	}
	return len(w.counters.wrong) == 0, found, nil
}

func (w *World) honest(context.Context) (bool, string, error) {
	wrong := w.differ
	type place struct {
		device int
		cell   gbcs.TrustAnchorCell
	}
	type claim struct {
		at   time.Duration
		key  policy.KeyID
		sure bool // the device's answer proved all cells of its command
	}
	said := map[place]claim{}
	for _, c := range w.campaigns {
		for device, o := range c.last.all() {
			switch o.word {
			case outcomeUnproven:
				wrong++
			case outcomeDone, outcomePartly:
				put := c.put(device)
				for _, cell := range put.cells(w.fleet.Device(device)) {
					// Of two answers about a cell the later one counts.
					if at := (place{device, cell}); said[at].at <= o.at {
						said[at] = claim{o.at, put[cell].keyID(), o.word == outcomeDone}
					}
				}
			}
		}
	}
	for at, c := range said {
		if held, _ := w.fleet.Device(at.device).Cell(at.cell); c.sure && held.KeyID != c.key {
			wrong++
		}
	}
	return wrong == 0, fmt.Sprintf("%d cells differ from the signed answers", wrong), nil
}

func (w *World) auditLog(ctx context.Context) (bool, string, error) {
	verdict, err := w.authority.issuer.Log().Verify(ctx)
	if err != nil {
		return false, err.Error(), nil
	}
	return true, fmt.Sprintf("%d records, one tree", verdict.Size), nil
}
