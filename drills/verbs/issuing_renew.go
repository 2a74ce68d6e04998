package verbs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"smki.example/ca/revocation"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/policy"
)

// renewIssuingOCA makes a new Issuing OCA under the Root that is there, and revokes
// the old one, whose serial then stands on the ARL. What the old one issued stays
// what it is on devices: they look at no list.
func (w *World) renewIssuingOCA(ctx context.Context, at time.Duration, _ []*custodian) error {
	old := w.authority.made[thingIssuingOCA]
	if err := w.renewIssuing(ctx, at, thingIssuingOCA, thingRootOCA, "Organisation Certificates and CRLs"); err != nil {
		return err
	}
	done, err := w.authority.register.Revoke(ctx, revocation.Revoke{Serial: old.Serial, Reason: policy.ReasonKeyCompromise, By: "SMKI PMA (exercise)"})
	if err != nil {
		return err
	}
	_, err = w.record(journal.KindRevocation, at, Revoked{
		Serial: done.Serial.String(), Issuer: thingRootOCA, Party: "Issuing OCA", Reason: done.Reason.String(), By: done.By, Note: done.Says(),
	})
	if err != nil {
		return err
	}
	for _, issuer := range listIssuers {
		if err := w.publish(ctx, at, issuer); err != nil {
			return err
		}
	}
	return w.announce(at, thingIssuingOCA, "a new Issuing OCA is made; the old one is revoked and stands on the ARL. Every certificate that it issued has to be issued anew")
}

// renewIssuingDCA makes a new Issuing DCA. Device Certificates of the old one stay
// as they are until devices are given new ones.
func (w *World) renewIssuingDCA(ctx context.Context, at time.Duration, _ []*custodian) error {
	if err := w.renewIssuing(ctx, at, thingIssuingDCA, "root-dca", "Device Certificates"); err != nil {
		return err
	}
	return w.announce(at, thingIssuingDCA, "a new Issuing DCA is made. Devices keep the certificates of the old one until their keys are renewed")
}

// renewIssuing is the ceremony of an issuing authority.
func (w *World) renewIssuing(ctx context.Context, at time.Duration, name, root, issues string) error {
	a := w.authority
	generation := a.generation(name) + 1
	s := newScript("A new " + name + " for the exercise")
	s.open("ca", "the keys of the certification authorities")
	s.use(root, hsm.Label(root, a.generation(root)), a.made[root])
	s.make(hsm.Label(name, generation), "ca", issues)
	s.certify(name, "issues the certificate of "+name, fmt.Sprintf("profile: %s, issuer: %s, key: %s, cn: %s", name, root, hsm.Label(name, generation), issuingName(name, generation)))
	made, _, err := w.hold(ctx, at, s)
	if err != nil {
		return err
	}
	certificate, err := w.certificateOf(made, name, fmt.Sprintf("%s-%d", name, generation))
	if err != nil {
		return err
	}
	if err := a.add(ctx, w, name, generation, certificate); err != nil {
		return err
	}
	if err := w.pack.publicKey(fmt.Sprintf("%s-%d", name, generation), certificate.PublicKey); err != nil {
		return err
	}
	if err := a.start(ctx, w); err != nil {
		return err
	}
	return a.importCeremony(ctx, made)
}

// issuingName is the name of an issuing authority, of at most four octets.
func issuingName(name string, generation int) string {
	if name == thingIssuingDCA {
		return fmt.Sprintf("EXD%c", letter(generation))
	}
	return fmt.Sprintf("EXI%c", letter(generation))
}

// monthlyAverage is how many Organisation Certificates a subscriber asks for in a
// month; sample data. Above exceptional times that, the DCC is to be warned (the
// duty that MP160 proposed; its outcome was not found).
const (
	monthlyAverage = 1.0
	exceptional    = 1.5
	demandSample   = "sample: one Organisation CSR a month for each subscriber; above 150 % of it the DCC is to be warned (MP160, outcome not known)"
)

// worksOff is how long certificates take that are asked for without notice: they
// are worked off in the next night; sample data.
const worksOff = 12 * time.Hour

// KindDemand is the kind of an entry that tells of exceptional demand; its body is
// a [Demand].
const KindDemand journal.Kind = "demand"

// A Demand is what one subscriber asks of the CA, against its average.
type Demand struct {
	Subscriber string  `json:"subscriber"`
	Requests   int     `json:"requests"`
	Average    float64 `json:"monthly_average"`
	Share      float64 `json:"of_average"`
	Notice     bool    `json:"notice_given"`
	Expected   string  `json:"expected"` // when the certificates are there
	Sample     string  `json:"sample"`
}

// reissue has the newest Issuing OCA issue new certificates for every party, or
// for one.
func (w *World) reissue(ctx context.Context, at time.Duration, a engine.Action) error {
	notice := a.Flag(paramNotice)
	if a.Object == thingEverything {
		return w.certifyAll(ctx, at, "issued anew by the newest Issuing OCA", notice)
	}
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	if p.role == policy.RoleRecovery {
		return refuse("the Recovery key's certificate is made in a ceremony: renew: recovery key")
	}
	return w.certifyOne(ctx, at, p, "issued anew by the newest Issuing OCA", notice)
}

// priority is the order in which parties get their new certificates: the DCC's own
// first, since everybody's commands pass it, then suppliers, who can switch a
// customer off, then the others.
var priority = []policy.RemotePartyRole{
	policy.RoleAccessControlBroker, policy.RoleTransitionalCoS, policy.RoleWANProvider, policy.RoleSupplier, policy.RoleNetworkOperator,
}

// certifyAll issues new certificates to all parties but the Recovery key's, whose
// certificate is a ceremony's.
func (w *World) certifyAll(ctx context.Context, at time.Duration, note string, announced bool) error {
	for _, role := range priority {
		for _, p := range w.partiesOf(role) {
			if err := w.certifyOne(ctx, at, p, note, announced); err != nil {
				return err
			}
		}
	}
	return nil
}

// certifyOne issues a party its new certificates: at once if the DCC was warned of
// the demand or it is not exceptional, else when it is worked off.
func (w *World) certifyOne(ctx context.Context, at time.Duration, p *party, note string, announced bool) error {
	requests := len(p.needs)
	share := float64(requests) / monthlyAverage
	w.dcc.demand[p.id] = max(w.dcc.demand[p.id], share)
	when := at
	if share > exceptional && !announced {
		when += worksOff
		w.dcc.surprises[p.id] = true
	}
	if share > exceptional {
		_, err := w.record(KindDemand, at, Demand{
			Subscriber: p.name, Requests: requests, Average: monthlyAverage, Share: share, Notice: announced, Expected: journal.FormatAt(when), Sample: demandSample,
		})
		if err != nil {
			return err
		}
	}
	issue := func(ctx context.Context, at time.Duration) error {
		return w.whenTokenWorks(ctx, at, ownerCA, "new certificates for "+p.name, func(ctx context.Context, _ time.Duration) error {
			defer w.changed()
			return w.certify(ctx, p, note)
		})
	}
	if when == at {
		return issue(ctx, at)
	}
	w.pending = append(w.pending, pendingAct{when, issue})
	return w.announce(at, p.id, fmt.Sprintf("nobody warned the DCC of %d requests by %s, %.0f %% of its monthly average; they are worked off by %s", requests, p.name, 100*share, journal.FormatAt(when)))
}

// underOld counts the parties' certificates in force that an earlier Issuing OCA
// issued.
func (w *World) underOld() int {
	newest, n := w.authority.made[thingIssuingOCA].SubjectKeyID, 0
	for _, p := range w.parties {
		for _, c := range p.current() {
			if c.certificate.AuthorityKeyID != newest && !w.authority.revoked(c.certificate.Serial) {
				n++
			}
		}
	}
	return n
}

// mostDemand is the largest demand of one subscriber.
func (w *World) mostDemand() float64 {
	most := 0.0
	for _, share := range w.dcc.demand {
		most = max(most, share)
	}
	return most
}

// surprised are the subscribers who should have warned the DCC and did not, in
// order.
func (d *dcc) surprised() []string {
	var who []string
	for id := range d.surprises {
		who = append(who, id)
	}
	slices.Sort(who)
	return who
}
