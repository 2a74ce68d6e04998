package room

import (
	"fmt"

	"smki.example/drills/report"
)

// Compare puts two runs of this exercise side by side: the one that was left when
// the drill was played again from a decision, and the one that followed. It is for
// exercises whose drill is over; before, for the facilitator alone. A run that was
// left is compared as far as it went.
func (r *Room) Compare(p PersonID, a, b int) (*report.Comparison, error) {
	r.mu.RLock()
	me, over, run, pack := r.st.people[p], r.st.phase == HotWash || r.st.phase == Closed, r.st.run, r.st.pack
	r.mu.RUnlock()
	switch {
	case me == nil:
		return nil, ErrUnknown
	case !over && me.role != Facilitator:
		return nil, refuse("Runs are compared when the drill is over.")
	case a < 1 || b < 1 || a > run || b > run || a == b:
		return nil, refuse("Choose two different runs of this exercise; it has %d.", run)
	}
	var reports [2]*report.Report
	for i, n := range []int{a, b} {
		entries, err := r.entriesOf(n)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			return nil, refuse("Run %d has no record: it was broken off before it began.", n)
		}
		if reports[i], err = report.New(entries, pack); err != nil {
			return nil, fmt.Errorf("comparing run %d with run %d: %w", a, b, err)
		}
	}
	return report.Compare(reports[0], reports[1]), nil
}
