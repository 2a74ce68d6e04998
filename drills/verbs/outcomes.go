package verbs

import (
	"iter"
	"time"
)

// outcomes keep what became of the last command to each device of a campaign. A
// campaign of a million devices has a handful of different things to say, so each
// is kept once, and a device has a short row that points to it. The zero value is
// empty and may be used.
type outcomes struct {
	index map[int32]int32 // by device: its place in rows
	rows  []outcomeRow
	says  []saying
	known map[saying]uint32
}

type outcomeRow struct {
	at     time.Duration
	device int32
	says   uint32
	tries  int32
}

// A saying is what an outcome says of any device.
type saying struct{ word, reason, because, code string }

// set keeps the outcome of a device in the place of the one before.
func (o *outcomes) set(device int, now outcome) {
	s := saying{now.word, now.reason, now.because, now.code}
	if o.index == nil {
		o.index, o.known = map[int32]int32{}, map[saying]uint32{}
	}
	id, is := o.known[s]
	if !is {
		id = uint32(len(o.says))
		o.says = append(o.says, s)
		o.known[s] = id
	}
	row := outcomeRow{now.at, int32(device), id, int32(now.tries)}
	if i, is := o.index[row.device]; is {
		o.rows[i] = row
		return
	}
	o.index[row.device] = int32(len(o.rows))
	o.rows = append(o.rows, row)
}

// get returns the outcome of a device, if there is one.
func (o *outcomes) get(device int) (outcome, bool) {
	i, is := o.index[int32(device)]
	if !is {
		return outcome{}, false
	}
	return o.outcome(o.rows[i]), true
}

func (o *outcomes) outcome(row outcomeRow) outcome {
	s := o.says[row.says]
	return outcome{s.word, s.reason, s.because, row.at, int(row.tries), s.code}
}

// len is how many devices have an outcome.
func (o *outcomes) len() int { return len(o.rows) }

// all yields each device with its outcome, in the order of their first ones.
func (o *outcomes) all() iter.Seq2[int, outcome] {
	return func(yield func(int, outcome) bool) {
		for _, row := range o.rows {
			if !yield(int(row.device), o.outcome(row)) {
				return
			}
		}
	}
}
