package batch

import (
	"strconv"
	"strings"
)

// atOnce is how many items one statement takes where it can take several. A
// database plans a statement once and keeps it, so that there are few sizes.
const atOnce = 100

// list is the parameters $first, $first+step … for a list of n.
func list(first, step, n int) string {
	var b strings.Builder
	for k := range n {
		if k > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + k*step))
	}
	return b.String()
}

// A run is items whose numbers follow one another without a gap, as those of a batch
// that came as a whole do: one statement reaches them all.
type run struct{ first, last int64 }

// runs puts numbers, in their order, together to runs.
func runs(seqs []int64) []run {
	var all []run
	for _, seq := range seqs {
		if n := len(all) - 1; n >= 0 && (seq == all[n].last+1 || seq == all[n].last) {
			all[n].last = seq
		} else {
			all = append(all, run{seq, seq})
		}
	}
	return all
}
