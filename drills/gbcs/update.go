package gbcs

import (
	"fmt"
	"time"

	"smki.example/policy"
)

// UpdateSecurityCredentials is the payload of a CS02b or CS02g command: who
// authorises, which certificate goes into which cell, and when (GBCS 13.3.5).
//
// Nil pointers and slices are absent fields; an empty slice that is not nil is a
// field that is there and empty, which no public message has.
type UpdateSecurityCredentials struct {
	Mode ReplacementMode

	// SymmetricKey unwraps the contingency public key: in mode 9 and only there
	// (GBCS p.179).
	SymmetricKey []byte
	// DisapplyTime tells the device to ignore validity periods
	// (applyTimeBasedCPVChecks disapply).
	DisapplyTime bool
	// AuthorisingCell is the cell whose key signs; nil where the access control
	// broker replaces its own credentials on a device that is not a hub.
	AuthorisingCell *TrustAnchorCell
	// SeqNumber equals the counter of the grouping header.
	SeqNumber OriginatorCounter
	// NewFloor is the new floor for the authorising role.
	NewFloor *OriginatorCounter
	// SpecialistFloors are the authorising role's floors for a separate use.
	SpecialistFloors []SpecialistFloor
	// OtherChanges are floors of other roles whose credentials are replaced.
	OtherChanges []SeqNumberChange

	Replacements []Replacement
	// Path holds the issuing certificates that lead from the replacements to the
	// root, never the root itself.
	Path [][]byte
	// ExecuteAt is when to carry the command out; nil is now, [CancelTime] takes
	// a pending command back.
	ExecuteAt *time.Time
}

// A Replacement is one certificate (DER) and the cell it is for.
type Replacement struct {
	Certificate []byte
	Cell        TrustAnchorCell
}

// A SpecialistFloor is a floor for one use of a counter. Usage 0 is prepayment
// top-up, the only one there is.
type SpecialistFloor struct {
	Usage uint8
	Floor OriginatorCounter
}

// A SeqNumberChange sets, or reports, the floor of one role
// (RemotePartySeqNumberChange). Specialist is nil where absent.
type SeqNumberChange struct {
	Role       policy.RemotePartyRole
	Floor      OriginatorCounter
	Specialist []SpecialistFloor
}

// CancelTime returns the execution time that cancels a pending future dated
// command.
func CancelTime() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

// Cancels reports whether the command cancels a pending one.
func (u *UpdateSecurityCredentials) Cancels() bool {
	return u.ExecuteAt != nil && u.ExecuteAt.Equal(CancelTime())
}

const (
	tagSymmetricKey     = 0x80
	tagTimeChecks       = 0x81
	tagAuthorisingCell  = 0xA2
	tagSeqNumber        = 0x83
	tagNewFloor         = 0x84
	tagSpecialistFloors = 0xA5
	tagOtherChanges     = 0xA6
)

func (u *UpdateSecurityCredentials) append(w *derWriter) {
	all := w.open(tagSequence)

	control := w.open(tagSequence)
	w.unsigned(tagInteger, uint64(u.Mode))
	if u.SymmetricKey != nil {
		mark := w.open(tagSymmetricKey)
		w.b = append(w.b, u.SymmetricKey...)
		w.close(mark)
	}
	if u.DisapplyTime {
		w.unsigned(tagTimeChecks, 1)
	}
	if u.AuthorisingCell != nil {
		u.AuthorisingCell.append(w, tagAuthorisingCell)
	}
	w.unsigned(tagSeqNumber, uint64(u.SeqNumber))
	if u.NewFloor != nil {
		w.unsigned(tagNewFloor, uint64(*u.NewFloor))
	}
	if u.SpecialistFloors != nil {
		appendSpecialistFloors(w, tagSpecialistFloors, u.SpecialistFloors)
	}
	if u.OtherChanges != nil {
		appendSeqNumberChanges(w, tagOtherChanges, u.OtherChanges)
	}
	w.close(control)

	replacements := w.open(tagSequence)
	for _, r := range u.Replacements {
		mark := w.open(tagSequence)
		w.whole("a replacement certificate", r.Certificate)
		r.Cell.append(w, tagSequence)
		w.close(mark)
	}
	w.close(replacements)

	path := w.open(tagSequence)
	for _, c := range u.Path {
		w.whole("a path certificate", c)
	}
	w.close(path)

	if u.ExecuteAt != nil {
		w.time(*u.ExecuteAt)
	}
	w.close(all)
}

func readUpdate(r *derReader) (*UpdateSecurityCredentials, error) {
	all, err := r.sequence(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("reading the command: %w", err)
	}
	u := &UpdateSecurityCredentials{}
	control, err := all.sequence(tagSequence)
	if err == nil {
		err = u.readControl(&control)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the authorising control: %w", err)
	}

	replacements, err := all.sequence(tagSequence)
	for err == nil && !replacements.empty() {
		var replacement Replacement
		if replacement, err = readReplacement(&replacements); err == nil {
			u.Replacements = append(u.Replacements, replacement)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading replacement %d: %w", len(u.Replacements)+1, err)
	}

	path, err := all.sequence(tagSequence)
	for err == nil && !path.empty() {
		var certificate []byte
		if certificate, err = path.whole(tagSequence); err == nil {
			u.Path = append(u.Path, certificate)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading path certificate %d: %w", len(u.Path)+1, err)
	}

	if !all.empty() {
		at, err := all.time()
		if err != nil {
			return nil, fmt.Errorf("reading the execution time: %w", err)
		}
		u.ExecuteAt = &at
	}
	if err := all.end(); err != nil {
		return nil, fmt.Errorf("after the command: %w", err)
	}
	return u, nil
}

func (u *UpdateSecurityCredentials) readControl(r *derReader) error {
	mode, err := r.small(tagInteger)
	if err != nil {
		return fmt.Errorf("replacement mode: %w", err)
	}
	u.Mode = ReplacementMode(mode)
	if r.at(tagSymmetricKey) {
		if u.SymmetricKey, err = r.content(tagSymmetricKey); err != nil {
			return fmt.Errorf("symmetric key: %w", err)
		}
	}
	if r.at(tagTimeChecks) {
		v, err := r.small(tagTimeChecks)
		switch {
		case err != nil:
			return fmt.Errorf("time checks: %w", err)
		case v > 1:
			return fmt.Errorf("time checks: value %d, neither apply (0) nor disapply (1)", v)
		case v == 0:
			r.seen.odd("the default of the time checks is written out")
		}
		u.DisapplyTime = v == 1
	}
	if r.at(tagAuthorisingCell) {
		cell, err := readCell(r, tagAuthorisingCell)
		if err != nil {
			return fmt.Errorf("authorising cell: %w", err)
		}
		u.AuthorisingCell = &cell
	}
	seq, err := r.unsigned(tagSeqNumber)
	if err != nil {
		return fmt.Errorf("sequence number: %w", err)
	}
	u.SeqNumber = OriginatorCounter(seq)
	if r.at(tagNewFloor) {
		v, err := r.unsigned(tagNewFloor)
		if err != nil {
			return fmt.Errorf("new floor: %w", err)
		}
		floor := OriginatorCounter(v)
		u.NewFloor = &floor
	}
	if r.at(tagSpecialistFloors) {
		if u.SpecialistFloors, err = readSpecialistFloors(r, tagSpecialistFloors); err != nil {
			return fmt.Errorf("specialist floors: %w", err)
		}
	}
	if r.at(tagOtherChanges) {
		if u.OtherChanges, err = readSeqNumberChanges(r, tagOtherChanges); err != nil {
			return fmt.Errorf("floors of other roles: %w", err)
		}
	}
	return r.end()
}

func readReplacement(r *derReader) (Replacement, error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return Replacement{}, err
	}
	certificate, err := fields.whole(tagSequence)
	if err != nil {
		return Replacement{}, fmt.Errorf("certificate: %w", err)
	}
	cell, err := readCell(&fields, tagSequence)
	if err != nil {
		return Replacement{}, err
	}
	return Replacement{Certificate: certificate, Cell: cell}, fields.end()
}
