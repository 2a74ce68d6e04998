package console

import (
	"cmp"
	"maps"
	"slices"

	"smki.example/ca/ra"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// overviewMost is how many of each list the overview looks at; it says when there are
// more.
const overviewMost = 500

// A digest is what waits, for one officer.
type digest struct {
	Reads   bool // may read queues at all
	Votes   []entry
	Ready   []entry
	Doubt   []entry
	Mine    []entry // proposed by this officer, and waiting for others
	Asked   []*ra.Request
	Unready int // of Asked: which lack checks
	Asking  []*ra.RevocationRequest
	Due     []*ra.RevocationRequest
	Batches []ra.ReleaseBatch
	// Not 0: there are more than those of Asked, or Asking.
	AskedMore, AskingMore int64
	Checks                bool // this officer records checks
	Authent               bool // this officer authenticates revocations
	More                  bool // open approvals that do not stand here
	Nothing               bool
}

// overview is what waits for the officer.
func (c *Console) overview(v *visit) (*screen, error) {
	d := digest{Reads: c.mayNot(v, ra.ActReadQueues) == nil}
	d.Checks, d.Authent = c.mayNot(v, ra.ActRecordCheck) == nil, c.mayNot(v, ra.ActAuthenticateRevocation) == nil
	if !d.Reads {
		return &screen{"Overview", "overview.html", d}, nil
	}
	all, turn, err := c.entries(v, "", ra.Page{Most: overviewMost})
	if err != nil {
		return nil, err
	}
	d.More = turn.Next != ""
	for _, e := range all {
		switch {
		case e.State == ra.Executing:
			d.Doubt = append(d.Doubt, e)
		case e.MayExecute:
			d.Ready = append(d.Ready, e)
		case e.MayVote && e.State == ra.Pending:
			d.Votes = append(d.Votes, e)
		case e.MayRetract:
			d.Mine = append(d.Mine, e)
		}
	}
	if d.Asked, d.AskedMore, err = c.registry.Requests(v.Context(), ra.Asked, c.own(v), ra.Page{Most: overviewMost}); err != nil {
		return nil, err
	}
	for _, q := range d.Asked {
		if len(c.registry.Missing(q)) > 0 {
			d.Unready++
		}
	}
	if d.Asking, d.AskingMore, err = c.registry.Revocations(v.Context(), ra.Requested, c.own(v), ra.Page{Most: overviewMost}); err != nil {
		return nil, err
	}
	due, err := c.registry.Due(v.Context())
	if err != nil {
		return nil, err
	}
	for _, q := range due {
		if c.sees(v, q.Party) == nil {
			d.Due = append(d.Due, q)
		}
	}
	if d.Batches, err = c.unreleased(v); err != nil {
		return nil, err
	}
	d.Nothing = len(d.Votes)+len(d.Ready)+len(d.Doubt)+len(d.Mine)+len(d.Asked)+len(d.Asking)+len(d.Due)+len(d.Batches) == 0
	return &screen{"Overview", "overview.html", d}, nil
}
