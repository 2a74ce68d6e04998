package fleet

import (
	"errors"
	"fmt"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// applyLocked is the heart of the device: each replacement is checked and
// written on its own, without roll-back, then the floors are set (public test
// messages). The root comes first, because the other certificates may lead to
// the new one; outcomes keep the order of the command.
func (d *Device) applyLocked(p *gbcs.UpdateSecurityCredentials, check *Check) *gbcs.UpdateOutcome {
	oldRoot := d.cells.anchors[0]
	authorising, _ := d.authorisingCellOfUpdate(p)
	before, _ := d.cells.at(authorising)
	path := d.readPath(p.Path)
	outcome := &gbcs.UpdateOutcome{
		SeqNumber: p.SeqNumber,
		Mode:      p.Mode,
		Cells:     make([]gbcs.CellOutcome, len(p.Replacements)),
	}
	check.Cells = make([]CellCheck, len(p.Replacements))
	next := cellKey{d.cells.anchors, d.cells.has}
	spoilt := d.spoiltLocked(p)
	one := func(i int) {
		r := &p.Replacements[i]
		var held Anchor
		at, known := cellIndex(r.Cell)
		if known && next.has.has(at) {
			held = next.anchors[at]
		}
		found, status, refusal := d.examineLocked(p, r, path, next.anchors[0], oldRoot, check.At)
		if refusal == nil && i == spoilt {
			status, refusal = d.writeLocked()
		}
		replacing := held
		if refusal == nil {
			next.anchors[at], replacing = found, found
		}
		outcome.Cells[i] = gbcs.CellOutcome{
			Cell: r.Cell, Status: status,
			ExistingID: held.SubjectID, ExistingKeyID: held.KeyID,
			ReplacingID: replacing.SubjectID, ReplacingKeyID: replacing.KeyID,
		}
		check.Cells[i] = CellCheck{Cell: r.Cell, Status: status, Refusal: refusal, Before: held.KeyID, After: replacing.KeyID}
	}
	for i, r := range p.Replacements {
		if r.Cell.Role == policy.RoleRoot {
			one(i)
		}
	}
	for i, r := range p.Replacements {
		if r.Cell.Role != policy.RoleRoot {
			one(i)
		}
	}
	d.cells = d.fleet.sets.intern(next)
	failed := 0
	for _, c := range check.Cells {
		if c.Refusal != nil {
			failed++
		}
	}
	switch {
	case failed == 0:
		check.Effect = Executed
	case failed < len(check.Cells):
		check.Effect = PartlyExecuted
	default:
		check.Effect = Refused
	}
	if failed == 0 || d.fleet.settings.FloorsAfterFailure {
		after, _ := d.cells.at(authorising)
		outcome.Changes = d.setFloorsLocked(p, check.Role, after.KeyID != before.KeyID)
	}
	d.moveStateLocked(p.Mode, failed < len(check.Cells))
	return outcome
}

// examineLocked checks one replacement and returns the anchor it would write.
// root is the root as the command has left it so far, oldRoot the one before.
func (d *Device) examineLocked(p *gbcs.UpdateSecurityCredentials, r *gbcs.Replacement, path []*policy.Certificate,
	root, oldRoot Anchor, now time.Time) (Anchor, gbcs.StatusCode, *Refusal) {
	s := &d.fleet.settings
	if !p.Mode.MayReplace(r.Cell) {
		return Anchor{}, s.UntouchableCell, refuse(StepTouch, fmt.Sprintf("a cell that %v may replace", p.Mode), "%s", cellWords(r.Cell))
	}
	if _, ok := d.cells.at(r.Cell); !ok {
		return Anchor{}, s.UntouchableCell, refuse(StepTouch, "a cell of this device", "%s", cellWords(r.Cell))
	}
	leaf, err := d.fleet.paths.parse(r.Certificate)
	if err != nil {
		return Anchor{}, gbcs.StatusBadCertificate, refuse(StepRead, "a certificate", "%v", err)
	}
	if refusal := fits(leaf, r.Cell, s.StrictRole); refusal != nil {
		return Anchor{}, s.WrongUse, refusal
	}
	if r.Cell.Role == policy.RoleRoot {
		return d.examineRoot(p, leaf, oldRoot, now)
	}
	anchor, err := d.leadsHome(leaf, path, rootsOf(p.Mode, root, oldRoot))
	if err != nil {
		return Anchor{}, d.pathStatus(err), refuse(StepPath, "a path to a root it holds", "%v", err)
	}
	if !p.DisapplyTime {
		if err := d.fleet.paths.checkTime(leaf, path, anchor, now); err != nil {
			return Anchor{}, gbcs.StatusBadCertificate, refuse(StepTime, "dates that include "+now.UTC().Format(time.RFC3339), "%v", err)
		}
	}
	return AnchorOf(leaf), gbcs.StatusSuccess, nil
}

// fits holds a certificate against the cell it is for. A root signs
// certificates; whatever else it may do is not the cell's concern.
func fits(c *policy.Certificate, cell gbcs.TrustAnchorCell, strictRole bool) *Refusal {
	if cell.Usage == policy.UsageCertSign {
		if !c.IsCA || c.Usage&policy.UsageCertSign == 0 {
			return refuse(StepFit, "a certificate of an authority that signs certificates", "%v", c.Usage)
		}
		return nil
	}
	if c.IsCA || c.Usage != cell.Usage {
		return refuse(StepFit, fmt.Sprintf("an end entity's %v", cell.Usage), "%v", c.Usage)
	}
	role, ok := c.Role()
	if strictRole && (!ok || role != cell.Role) {
		return refuse(StepFit, fmt.Sprintf("role %v", cell.Role), "%v", role)
	}
	return nil
}

// readPath reads the path list. One that cannot be read as the certificate of
// an authority leads nowhere, so it is left out: whoever needs it fails at the
// path, and the other cells do not.
func (d *Device) readPath(list [][]byte) []*policy.Certificate {
	path := make([]*policy.Certificate, 0, len(list))
	for _, der := range list {
		if c, err := d.fleet.paths.parse(der); err == nil {
			path = append(path, c)
		}
	}
	return path
}

// rootsOf returns the anchors a path may lead to: the present root and, when
// the same command replaced it, first the new one. After a contingency command
// only the new one counts, because the old root is what was lost.
func rootsOf(mode gbcs.ReplacementMode, root, oldRoot Anchor) []Anchor {
	if root.PublicKey.Equal(oldRoot.PublicKey) || mode == gbcs.AnyByContingency {
		return []Anchor{root}
	}
	return []Anchor{root, oldRoot}
}

// leadsHome returns the first of the roots that a certificate leads to, or the
// error of the first.
func (d *Device) leadsHome(leaf *policy.Certificate, path []*policy.Certificate, roots []Anchor) (Anchor, error) {
	var first error
	for _, root := range roots {
		err := d.fleet.paths.check(leaf, path, root)
		if err == nil {
			return root, nil
		}
		if first == nil {
			first = err
		}
	}
	return Anchor{}, first
}

// pathStatus returns the status of a path that leads nowhere.
func (d *Device) pathStatus(err error) gbcs.StatusCode {
	switch {
	case d.fleet.settings.BrokenPath != gbcs.StatusSuccess:
		return d.fleet.settings.BrokenPath
	case errors.Is(err, policy.ErrNoTrustAnchor):
		return gbcs.StatusNoTrustAnchor
	}
	return gbcs.StatusBadCertificate
}
