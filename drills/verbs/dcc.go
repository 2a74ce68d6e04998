package verbs

import (
	"fmt"
	"slices"
	"strings"
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
	lost      []string           // keys of authorities that the drill turned out to be about, in words
	calledFor map[string]bool    // keys for which a ceremony is called
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

// losing keeps that the drill is about a key of the DCC's.
func (d *dcc) losing(what string) {
	if !slices.Contains(d.lost, what) {
		d.lost = append(d.lost, what)
	}
}

// lost names all keys that the drill is about: a party's, if one was replaced, and
// those of authorities.
func (w *World) lost(p *party) string {
	all := slices.Clone(w.dcc.lost)
	if len(w.subjects) > 0 && p.role != policy.RoleRecovery || len(all) == 0 {
		all = append([]string{w.compromised(p)}, all...)
	}
	return strings.Join(all, "; ")
}

// addSamples says what of the DCC's part in this drill is invented or our reading.
func (d *dcc) addSamples(samples map[string]string) map[string]string {
	if d.contingency != nil || len(d.roots) > 1 {
		samples["contingency"] = "the contingency command, the wrapped contingency key and the commands of modes 0 and 1 are our reading: no public message shows them"
	}
	if d.ceremony > 0 {
		samples["ceremonies"] = fmt.Sprintf("scripts made for this drill; %s from the call to the ceremony, or the travel of the custodians if that is longer", span(CeremonyAfter))
	}
	if len(d.demand) > 0 {
		samples["demand"] = demandSample
	}
	return samples
}
