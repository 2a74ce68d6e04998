package ra

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"smki.example/ca/store"
	"smki.example/policy"
)

// ReleaseBatch lets a batch of device requests be processed. It is carried out by
// package batch, through [Registry.Spend]; the digest is of the upload, so that a
// batch that was altered since is not the one that was approved.
type ReleaseBatch struct {
	Batch     string  `json:"batch"`
	Party     PartyID `json:"party"`
	Interface string  `json:"interface"` // where it came in: "portal", "batched web service"
	Digest    string  `json:"digest"`    // SHA-256 of the upload, hex
	Requests  int     `json:"requests"`  // how many it says it holds
}

// Act is its row of the table.
func (d ReleaseBatch) Act() Act { return ActReleaseBatch }

// Subject is what it is about.
func (d ReleaseBatch) Subject() string { return "batch/" + d.Batch }

// Words say what will be done.
func (d ReleaseBatch) Words() string {
	return fmt.Sprintf("Let batch %q of party %q be processed: %d requests for Device Certificates, received through %s, SHA-256 of the upload %s.", d.Batch, d.Party, d.Requests, d.Interface, d.Digest)
}

func (d ReleaseBatch) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	sum, err := hex.DecodeString(d.Digest)
	if err != nil || len(sum) != sha256.Size || strings.ToLower(d.Digest) != d.Digest {
		return nil, facts{}, refuse("digest", "the digest of a batch is 64 lower-case hex digits")
	}
	if d.Requests < 1 {
		return nil, facts{}, refuse("batch", "a batch of %d requests", d.Requests)
	}
	if err := cmp.Or(checkText("the batch's name", d.Batch, maxText, true), checkText("the interface", d.Interface, maxText, true)); err != nil {
		return nil, facts{}, err
	}
	p, err := activePartyIn(ctx, tx, d.Party)
	if err == nil && !p.Subscriber.Device {
		err = refuse("subscriber", "party %q is no Authorised Subscriber for Device Certificates", d.Party)
	}
	return d, facts{party: d.Party, profile: policy.ProfileDevice, on: map[string]any{"party": p.ID, "state": p.State, "subscriber": p.Subscriber}}, err
}
