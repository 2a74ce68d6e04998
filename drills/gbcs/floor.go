package gbcs

import (
	"fmt"
	"time"

	"smki.example/policy"
)

func appendSpecialistFloors(w *derWriter, tag byte, floors []SpecialistFloor) {
	list := w.open(tag)
	for _, f := range floors {
		mark := w.open(tagSequence)
		w.unsigned(tagInteger, uint64(f.Usage))
		w.unsigned(tagInteger, uint64(f.Floor))
		w.close(mark)
	}
	w.close(list)
}

// readSpecialistFloors returns an empty list that is not nil for a list that is
// there and empty.
func readSpecialistFloors(r *derReader, tag byte) ([]SpecialistFloor, error) {
	list, err := r.sequence(tag)
	if err != nil {
		return nil, err
	}
	floors := []SpecialistFloor{}
	for !list.empty() {
		fields, err := list.sequence(tagSequence)
		if err != nil {
			return nil, err
		}
		usage, err := fields.small(tagInteger)
		if err != nil {
			return nil, fmt.Errorf("usage: %w", err)
		}
		floor, err := fields.unsigned(tagInteger)
		if err != nil {
			return nil, fmt.Errorf("floor: %w", err)
		}
		if err := fields.end(); err != nil {
			return nil, err
		}
		floors = append(floors, SpecialistFloor{Usage: usage, Floor: OriginatorCounter(floor)})
	}
	return floors, nil
}

func appendSeqNumberChanges(w *derWriter, tag byte, changes []SeqNumberChange) {
	list := w.open(tag)
	for _, c := range changes {
		mark := w.open(tagSequence)
		w.unsigned(tagInteger, uint64(c.Role))
		w.unsigned(tagInteger, uint64(c.Floor))
		if c.Specialist != nil {
			appendSpecialistFloors(w, tagSequence, c.Specialist)
		}
		w.close(mark)
	}
	w.close(list)
}

// readSeqNumberChanges returns an empty list that is not nil for a list that is
// there and empty.
func readSeqNumberChanges(r *derReader, tag byte) ([]SeqNumberChange, error) {
	list, err := r.sequence(tag)
	if err != nil {
		return nil, err
	}
	changes := []SeqNumberChange{}
	for !list.empty() {
		fields, err := list.sequence(tagSequence)
		if err != nil {
			return nil, err
		}
		role, err := fields.small(tagInteger)
		if err != nil {
			return nil, fmt.Errorf("role: %w", err)
		}
		floor, err := fields.unsigned(tagInteger)
		if err != nil {
			return nil, fmt.Errorf("floor: %w", err)
		}
		change := SeqNumberChange{Role: policy.RemotePartyRole(role), Floor: OriginatorCounter(floor)}
		if fields.at(tagSequence) {
			if change.Specialist, err = readSpecialistFloors(&fields, tagSequence); err != nil {
				return nil, fmt.Errorf("specialist floors: %w", err)
			}
		}
		if err := fields.end(); err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// generalizedTime is the one form of time in a payload: whole seconds, UTC.
const generalizedTime = "20060102150405Z"

func (w *derWriter) time(t time.Time) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		w.fail("writing a time: year %d has no four digits", y)
		return
	}
	if t.Nanosecond() != 0 {
		w.fail("writing a time: %s is not a whole second", t.Format(time.RFC3339Nano))
		return
	}
	mark := w.open(tagGeneralizedTime)
	w.b = t.AppendFormat(w.b, generalizedTime)
	w.close(mark)
}

func (r *derReader) time() (time.Time, error) {
	b, err := r.content(tagGeneralizedTime)
	if err != nil {
		return time.Time{}, err
	}
	if len(b) != len(generalizedTime) {
		return time.Time{}, fmt.Errorf("a time of %d octets, not YYYYMMDDHHMMSSZ", len(b))
	}
	t, err := time.Parse(generalizedTime, string(b))
	if err != nil || t.Format(generalizedTime) != string(b) {
		return time.Time{}, fmt.Errorf("a time that is not YYYYMMDDHHMMSSZ: %q", b)
	}
	return t, nil
}
