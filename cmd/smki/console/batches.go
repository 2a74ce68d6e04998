package console

import (
	"context"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
)

// batchForms are the acts on batches.
func batchForms() map[ra.Act]spec {
	return map[ra.Act]spec{
		ra.ActReleaseBatch: {title: "Release the batch", button: "Release it",
			fields: func(*Console) []field { return []field{hidden("batch")} },
			direct: func(ctx context.Context, c *Console, v *visit, in *input) (string, error) {
				// What is released is what the batch says of itself, not what the form says.
				waiting, err := c.unreleased(v)
				if err != nil {
					return "", err
				}
				for _, b := range waiting {
					if b.Batch == in.Get("batch") {
						return c.propose(ctx, v, b)
					}
				}
				return "", fmt.Errorf("a batch %.120q that waits for its release to be proposed: %w", in.Get("batch"), ca.ErrNotFound)
			},
			again: func(c *Console, _ *visit, _ *input) page { return c.batchesPage }},
	}
}

// unreleased are the batches whose release nobody has proposed.
func (c *Console) unreleased(v *visit) ([]ra.ReleaseBatch, error) {
	if c.batches == nil {
		return nil, nil
	}
	all, err := c.batches.Unreleased(v.Context(), c.own(v))
	if err != nil {
		return nil, fmt.Errorf("asking for the batches that wait: %w", err)
	}
	var mine []ra.ReleaseBatch
	for _, b := range all {
		if c.sees(v, b.Party) == nil {
			mine = append(mine, b)
		}
	}
	return mine, nil
}

// A parcel is a batch that waits for its release to be proposed.
type parcel struct {
	ra.ReleaseBatch
	Forms []*form
}

// batchesPage is every batch that waits for its release.
func (c *Console) batchesPage(v *visit) (*screen, error) {
	all, turn, err := c.entries(v, ra.ActReleaseBatch, v.page())
	if err != nil {
		return nil, err
	}
	body := struct {
		Entries []entry
		Batches map[int64]ra.ReleaseBatch
		Parcels []parcel
		Now     time.Time
		Turn    turning
	}{Turn: turn, Batches: make(map[int64]ra.ReleaseBatch), Now: c.clock()}
	for _, e := range all {
		if b, ok := e.Deed.(ra.ReleaseBatch); ok {
			body.Entries = append(body.Entries, e)
			body.Batches[e.ID] = b
		}
	}
	waiting, err := c.unreleased(v)
	if err != nil {
		return nil, err
	}
	for _, b := range waiting {
		body.Parcels = append(body.Parcels, parcel{b, c.offers(v, map[string]string{"batch": b.Batch}, ra.ActReleaseBatch)})
	}
	return &screen{"Batches waiting for release", "batches.html", body}, nil
}
