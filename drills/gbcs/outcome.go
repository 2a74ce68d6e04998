package gbcs

import (
	"fmt"
	"time"

	"smki.example/policy"
)

// CommandResponse is a device's answer to an Update Security Credentials
// command: it was accepted. Outcome is nil for a future dated command and for
// one that cancels; what became of a future dated one comes in an [Alert].
type CommandResponse struct {
	Outcome *UpdateOutcome
}

// UpdateOutcome is what a device did (executionOutcome).
type UpdateOutcome struct {
	SeqNumber OriginatorCounter // of the command
	Mode      ReplacementMode
	// Changes are the floors that were set: first of the authorising role if the
	// command gave it a new one, then those of other roles in the command's
	// order. It may be empty and is never absent.
	Changes []SeqNumberChange
	// Cells has one entry for each replacement, in no promised order: match by
	// cell. Cells succeed and fail one by one.
	Cells []CellOutcome
}

// A CellOutcome says what is in a cell after an update. In a failed cell the
// replacing values repeat the existing ones. A root has the identifier of eight
// zero octets.
type CellOutcome struct {
	Cell           TrustAnchorCell
	Status         StatusCode
	ExistingID     policy.EntityID
	ExistingKeyID  policy.KeyID
	ReplacingID    policy.EntityID
	ReplacingKeyID policy.KeyID
}

// Alert reports a future dated command when its time has come: 8F66 if all
// cells succeeded, 8F67 if not.
type Alert struct {
	Code       AlertCode
	ExecutedAt time.Time
	Outcome    UpdateOutcome
}

// Cell returns the outcome for a cell.
func (o *UpdateOutcome) Cell(c TrustAnchorCell) (CellOutcome, bool) {
	for _, out := range o.Cells {
		if out.Cell == c {
			return out, true
		}
	}
	return CellOutcome{}, false
}

// Succeeded reports whether every cell succeeded.
func (o *UpdateOutcome) Succeeded() bool {
	for _, c := range o.Cells {
		if c.Status != StatusSuccess {
			return false
		}
	}
	return true
}

func (c *CommandResponse) append(w *derWriter) {
	mark := w.open(tagSequence)
	w.b = append(w.b, tagNull, 0)
	if c.Outcome != nil {
		c.Outcome.append(w)
	}
	w.close(mark)
}

func readCommandResponse(r *derReader) (*CommandResponse, error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("reading the response: %w", err)
	}
	null, err := fields.content(tagNull)
	if err == nil && len(null) != 0 {
		err = fmt.Errorf("a NULL of %d octets", len(null))
	}
	if err != nil {
		return nil, fmt.Errorf("reading commandAccepted: %w", err)
	}
	c := &CommandResponse{}
	if !fields.empty() {
		outcome, err := readOutcome(&fields)
		if err != nil {
			return nil, fmt.Errorf("reading the outcome: %w", err)
		}
		c.Outcome = &outcome
	}
	if err := fields.end(); err != nil {
		return nil, fmt.Errorf("after the outcome: %w", err)
	}
	return c, nil
}

func (a *Alert) append(w *derWriter) {
	mark := w.open(tagSequence)
	w.unsigned(tagInteger, uint64(a.Code))
	w.time(a.ExecutedAt)
	a.Outcome.append(w)
	w.close(mark)
}

func readAlert(r *derReader) (*Alert, error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("reading the alert: %w", err)
	}
	code, err := fields.unsigned(tagInteger)
	if err == nil && code > 0xFFFF {
		err = fmt.Errorf("value %X has more than two octets", code)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the alert code: %w", err)
	}
	a := &Alert{Code: AlertCode(code)}
	if a.ExecutedAt, err = fields.time(); err != nil {
		return nil, fmt.Errorf("reading the execution time: %w", err)
	}
	if a.Outcome, err = readOutcome(&fields); err != nil {
		return nil, fmt.Errorf("reading the outcome: %w", err)
	}
	if err := fields.end(); err != nil {
		return nil, fmt.Errorf("after the outcome: %w", err)
	}
	return a, nil
}

func (o *UpdateOutcome) append(w *derWriter) {
	mark := w.open(tagSequence)
	w.unsigned(tagInteger, uint64(o.SeqNumber))
	w.unsigned(tagInteger, uint64(o.Mode))
	appendSeqNumberChanges(w, tagSequence, o.Changes)
	cells := w.open(tagSequence)
	for _, c := range o.Cells {
		cell := w.open(tagSequence)
		c.Cell.append(w, tagSequence)
		w.unsigned(tagEnumerated, uint64(c.Status))
		w.octets(c.ExistingID[:])
		w.octets(c.ExistingKeyID[:])
		w.octets(c.ReplacingID[:])
		w.octets(c.ReplacingKeyID[:])
		w.close(cell)
	}
	w.close(cells)
	w.close(mark)
}

func readOutcome(r *derReader) (o UpdateOutcome, err error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return o, err
	}
	seq, err := fields.unsigned(tagInteger)
	if err != nil {
		return o, fmt.Errorf("sequence number: %w", err)
	}
	o.SeqNumber = OriginatorCounter(seq)
	mode, err := fields.small(tagInteger)
	if err != nil {
		return o, fmt.Errorf("replacement mode: %w", err)
	}
	o.Mode = ReplacementMode(mode)
	if o.Changes, err = readSeqNumberChanges(&fields, tagSequence); err != nil {
		return o, fmt.Errorf("floors: %w", err)
	}
	cells, err := fields.sequence(tagSequence)
	for err == nil && !cells.empty() {
		var c CellOutcome
		if c, err = readCellOutcome(&cells); err == nil {
			o.Cells = append(o.Cells, c)
		}
	}
	if err != nil {
		return o, fmt.Errorf("cell %d: %w", len(o.Cells)+1, err)
	}
	return o, fields.end()
}

func readCellOutcome(r *derReader) (c CellOutcome, err error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return c, err
	}
	if c.Cell, err = readCell(&fields, tagSequence); err != nil {
		return c, err
	}
	status, err := fields.small(tagEnumerated)
	if err != nil {
		return c, fmt.Errorf("status code: %w", err)
	}
	c.Status = StatusCode(status)
	for _, to := range []*[8]byte{
		(*[8]byte)(&c.ExistingID), (*[8]byte)(&c.ExistingKeyID),
		(*[8]byte)(&c.ReplacingID), (*[8]byte)(&c.ReplacingKeyID),
	} {
		if err = fields.octets(to); err != nil {
			return c, err
		}
	}
	return c, fields.end()
}
