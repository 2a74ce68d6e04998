package verbs

import (
	"time"

	"smki.example/drills/journal"
	"smki.example/policy"
)

// A dcc is what the DCC keeps beside its CA: custodians and the keys they guard,
// and what is known of lost records and strange certificates.
type dcc struct {
	people []*custodian
	guards map[string][]*custodians // by key, oldest generation first
	given  int                      // authorisations so far, over all keys
	// digests are of what guarded keys signed, by authorisation, in order, as the
	// journal has them.
	digests map[string][]string

	roots     []rootMade            // root certificates, oldest first
	unknown   []*policy.Certificate // found in the field, signed by a copy of a CA key
	logGap    time.Duration
	demand    map[string]float64 // by subscriber: the most, as a multiple of its monthly average
	surprises map[string]bool    // subscribers whose demand was exceptional and not announced
	keysOf    map[int]int        // by device: how often its own keys were renewed, both of them
	keyWork   []*keyWork         // renewals of devices' own keys
	calledFor map[string]bool    // keys for which a ceremony is called
	destroyed []string           // what was destroyed on the record
	// contingency is the DCC in the part of the Contingency key; nil until it is needed.
	contingency     *party
	rootCredentials map[policy.Serial]*credential
	ceremony        int // ceremonies since the start
	backups         int // of tokens that were destroyed
}

// A rootMade is a root certificate, with the generations of the Contingency key
// and of its symmetric key that it carries.
type rootMade struct {
	certificate          *policy.Certificate
	key                  int // generation of the root's own key
	contingency, wrapped int
}

// root is the newest root certificate.
func (d *dcc) root() rootMade { return d.roots[len(d.roots)-1] }

// rootOf is the root certificate that carries a generation of the Contingency key
// under its symmetric key.
func (d *dcc) rootOf(c *custodians) *policy.Certificate {
	for _, r := range d.roots {
		if r.contingency == c.generation && c.symmetric != nil && r.wrapped == c.symmetric.generation {
			return r.certificate
		}
	}
	return nil
}

// KindNotice is the kind of an entry that tells players what befell the work; its
// body is a [Notice].
const KindNotice journal.Kind = "notice"

// A Notice is a line of what befell the work: a token that does not answer,
// custodians who are too few, a ceremony that was held.
type Notice struct {
	About string `json:"about"` // a key, a token or an authority
	Text  string `json:"text"`
}

// announce tells players, in journal and room.
func (w *World) announce(at time.Duration, about, text string) error {
	body := Notice{About: about, Text: text}
	if _, err := w.record(KindNotice, at, body); err != nil {
		return err
	}
	w.tell(at, body)
	return nil
}

func newDCC() dcc {
	return dcc{
		guards: map[string][]*custodians{}, digests: map[string][]string{}, demand: map[string]float64{}, surprises: map[string]bool{},
		keysOf: map[int]int{}, calledFor: map[string]bool{},
	}
}
