package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/journal"
)

// Figures are what a drill came to, counted. They stand in the outcome entry of
// the journal and in summary.json; times are scenario time.
type Figures struct {
	Party       string `json:"party"`       // the first one that the drill was about
	Compromised string `json:"compromised"` // which key, in words
	// NoParty says that no party's key on devices was lost, attacked or replaced, so that
	// the figures of devices are those of an estate that nothing happened to.
	NoParty bool `json:"no_party_key_lost,omitempty"`
	// NotStolen says that the keys that were replaced were no thief's: something else was
	// lost, or nothing.
	NotStolen   bool           `json:"no_party_key_stolen,omitempty"`
	Devices     int            `json:"devices"`
	Premises    int            `json:"premises"`
	Prepayment  int            `json:"prepayment"` // devices whose customer pays in advance
	Reachable   int            `json:"reachable"`
	Ends        map[string]int `json:"ends"` // every device once, by the end it came to
	Taken       int            `json:"taken"`
	TakenMost   int            `json:"out_of_hands_at_most"`
	TakenMostAt string         `json:"out_of_hands_at"`
	Misuse      string         `json:"misuse"`
	Parties     []PartyFigures `json:"parties"` // each party whose keys the drill was about
	Quarantined int            `json:"quarantined"`
	Deleted     int            `json:"deleted_in_quarantine"`
	Files       int            `json:"files_exchanged"`

	Methods  []string       `json:"methods"` // that sent something, in order
	Recovery Times          `json:"recovery"`
	Rate     string         `json:"rate"`
	Work     []CampaignDone `json:"campaigns"`

	CertificatesIssued int            `json:"certificates_issued"` // to organisations, since 0:00
	Revoked            int            `json:"revoked"`
	CompromisedRevoked int            `json:"compromised_revoked"` // of the certificates that the stolen key made unsafe
	CompromisedCerts   int            `json:"compromised_certificates"`
	RevokedAt          string         `json:"revoked_at,omitempty"`
	CRLNumber          int64          `json:"crl_number"`
	RecoveryUses       int            `json:"recovery_uses"`
	ContingencyUses    int            `json:"contingency_uses"`
	Unaccounted        int            `json:"ca_signatures_unaccounted_for"`
	CountersSetBack    int            `json:"counters_set_back_by_floor"`
	Alerts             map[string]int `json:"alerts"`

	OffSupply   int     `json:"off_supply"`
	TopUps      int     `json:"top_ups_refused"`
	SiteVisits  int     `json:"site_visits_up_to"`
	DeviceHours float64 `json:"device_hours_out_of_hands"`
	HeldFor     string  `json:"traffic_held_for"`
	HeldHours   float64 `json:"device_hours_held"` // in which the supplier could have commanded a device, but for the hold

	RefusedSteps []string          `json:"refused_steps"`
	Assumptions  []fleet.Setting   `json:"assumptions"`
	Sample       map[string]string `json:"sample"` // what of these figures is invented, and which
}

// PartyFigures are what became of one party's devices.
type PartyFigures struct {
	Party        string         `json:"party"`
	Role         string         `json:"role"`
	Devices      int            `json:"devices"` // Relevant Devices: their cells held its certificates
	Reachable    int            `json:"reachable"`
	WrongHolders int            `json:"wrong_holders"` // registered to it, with somebody else's certificate in the cell
	Ends         map[string]int `json:"ends"`
	Recovery     Times          `json:"recovery"`
	Certificates int            `json:"certificates"` // of its keys that were lost or replaced
	Revoked      int            `json:"certificates_revoked"`
	Threshold    int            `json:"threshold_per_hour"` // -1: no limit
	Quarantined  int            `json:"quarantined"`
	InQuarantine int            `json:"in_quarantine"`
}

// Times tell how long it took devices to come to the supplier's new keys, from
// the first answer that proved it. They are empty if none did.
type Times struct {
	Devices int    `json:"devices"`
	Began   string `json:"began,omitempty"`
	Half    string `json:"half,omitempty"`
	Most    string `json:"most,omitempty"` // 95 of 100
	Last    string `json:"last,omitempty"`
}

// CampaignDone is what one campaign came to.
type CampaignDone struct {
	Name     string         `json:"name"`
	Method   string         `json:"method"`
	Began    string         `json:"began"`
	Ended    string         `json:"ended,omitempty"`
	Sent     int            `json:"sent"`
	Outcomes map[string]int `json:"outcomes"`
	Reasons  map[string]int `json:"reasons"`
	Note     string         `json:"note,omitempty"`
}

// Summary adds the drill up.
func (w *World) Summary(context.Context) (map[string]any, error) {
	f := w.figures()
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("adding up the drill: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("adding up the drill: %w", err)
	}
	return out, nil
}

func (w *World) figures() Figures {
	p := w.about()[0]
	rows := w.relevant(p)
	ends := w.allEnds(p)
	f := Figures{
		Party: p.name, Compromised: w.lost(p), Devices: len(rows), Premises: rows.Premises(), Prepayment: len(rows.OnPrepayment()),
		Reachable: len(rows.Reachable()), Ends: ends, Taken: w.takenEver(), TakenMost: w.harm.peak, TakenMostAt: journal.FormatAt(w.harm.peakAt),
		Misuse: "none", Methods: []string{}, Work: []CampaignDone{},
		CertificatesIssued: w.issued, Revoked: w.revokedCount(), RecoveryUses: w.usesOf(recoveryName), ContingencyUses: w.usesOf(contingencyName), Unaccounted: w.unaccounted,
		CountersSetBack: w.counters.lowered, Alerts: w.alerts,
		TopUps: w.harm.topUps(), SiteVisits: len(rows) - ends[statusRecovered] - ends[statusExcluded], DeviceHours: round(w.harm.deviceHours()),
		HeldFor: journal.FormatAt(w.harm.held), HeldHours: round(w.harm.heldAll.Hours()), RefusedSteps: w.refusals, Assumptions: w.assumptions(), Sample: w.samples(),
	}
	if lost := w.cfg.Scenario.Lost; lost != "" {
		f.Compromised, f.NoParty = lost, len(w.subjects) == 0
	}
	f.NotStolen = w.cfg.Scenario.Lost != "" && len(w.attackers) == 0
	if f.NoParty {
		f.SiteVisits = 0
	}
	if f.RefusedSteps == nil {
		f.RefusedSteps = []string{}
	}
	if list := w.authority.list(thingIssuingOCA); list != nil {
		f.CRLNumber = list.Number
	}
	if !f.NotStolen {
		f.CompromisedCerts = len(p.generations[0])
		for _, c := range p.generations[0] {
			if w.authority.revoked(c.certificate.Serial) {
				f.CompromisedRevoked++
			}
		}
	}
	if f.Revoked > 0 {
		f.RevokedAt = journal.FormatAt(w.revokedAt)
	}
	switch {
	case f.Taken == 1:
		f.Misuse = "an intruder's key stood on 1 device"
	case f.Taken > 1:
		f.Misuse = fmt.Sprintf("an intruder's key stood on %d devices", f.Taken)
	case len(w.attackers) > 0:
		f.Misuse = "an intruder tried, and came to no device"
	}
	f.Recovery = w.recoveryTimes(p)
	for _, about := range w.about() {
		f.Parties = append(f.Parties, w.partyFigures(about))
	}
	for _, any := range w.parties {
		f.Quarantined += any.traffic.ever
		f.Deleted += any.traffic.deleted
	}
	f.Files = w.files
	scale := ""
	if w.cfg.Devices != w.cfg.Scenario.Estate.Devices {
		scale = fmt.Sprintf(", scaled from %d devices to %d", w.cfg.Scenario.Estate.Devices, w.cfg.Devices)
	}
	note := w.cfg.Scenario.Estate.Rate.Note
	if note == "" {
		note = "assumed"
	}
	f.Rate = fmt.Sprintf("%.4g an hour (%s)%s", w.rate, note, scale)
	for _, c := range w.campaigns {
		f.Work = append(f.Work, c.done())
		if !c.attack && c.sent > 0 && !slices.Contains(f.Methods, c.method) {
			f.Methods = append(f.Methods, c.method)
		}
	}
	return f
}

// compromised names the key that was lost, as minutes need it.
func (w *World) compromised(p *party) string {
	c := credentialFor(p.generations[0], chiefCell(p.role))
	return fmt.Sprintf("%s %s key, certificate %s", p.name, c.purpose, c.certificate.Serial)
}

func (c *campaign) done() CampaignDone {
	d := CampaignDone{Name: c.name, Method: c.method, Began: journal.FormatAt(c.began), Sent: c.sent, Outcomes: c.totals, Reasons: map[string]int{}}
	if c.waits {
		d.Began, d.Note = "", "it never began: the key was not opened"
	}
	if c.last.len() > 0 {
		d.Ended = journal.FormatAt(c.ended)
	}
	for _, o := range c.last.all() {
		if o.because != "" {
			d.Reasons[o.because]++
		}
	}
	return d
}

// allEnds counts a party's devices by every end there is.
func (w *World) allEnds(p *party) map[string]int {
	ends := w.ends(p)
	for _, s := range statuses {
		ends[s] += 0
	}
	return ends
}

func (w *World) partyFigures(p *party) PartyFigures {
	relevant := w.relevant(p)
	f := PartyFigures{
		Party: p.name, Role: p.role.String(), Devices: len(relevant), Reachable: len(relevant.Reachable()), WrongHolders: len(w.wrongHolders(p)),
		Ends: w.allEnds(p), Recovery: w.recoveryTimes(p), Threshold: p.traffic.limit, Quarantined: p.traffic.ever, InQuarantine: len(p.traffic.held),
	}
	for _, set := range w.oldSets(p) {
		for _, c := range set {
			f.Certificates++
			if w.authority.revoked(c.certificate.Serial) {
				f.Revoked++
			}
		}
	}
	return f
}

// recoveryTimes are over the campaigns that put a party's own keys in, or those of
// the party that took its place.
func (w *World) recoveryTimes(p *party) Times {
	var at []time.Duration
	began := time.Duration(-1)
	for _, c := range w.campaigns {
		if c.attack || c.sent == 0 || c.about != p {
			continue
		}
		if began < 0 || c.began < began {
			began = c.began
		}
		if c.final {
			at = append(at, c.recoveredAt...)
		}
	}
	if len(at) == 0 {
		return Times{}
	}
	slices.Sort(at)
	share := func(of int) string { return journal.FormatAt(at[(len(at)*of+99)/100-1]) }
	return Times{Devices: len(at), Began: journal.FormatAt(began), Half: share(50), Most: share(95), Last: share(100)}
}

// takenEver counts devices that an intruder's command changed.
func (w *World) takenEver() int {
	n := 0
	for _, thief := range w.attackers {
		n += len(thief.got)
	}
	return n
}

// assumptions are the settings of the devices, and the broker's.
func (w *World) assumptions() []fleet.Setting {
	check := "on"
	if w.broker.unchecked {
		check = "off"
	}
	return append(w.fleet.Settings().List(), fleet.Setting{
		Name: "broker checks a signer against the current CRL", Value: check, Mark: fleet.MarkInference, Basis: "it is the one place where a revocation could stop a message to a device",
	})
}

// samples says which figures are invented.
func (w *World) samples() map[string]string {
	e := w.cfg.Scenario.Estate
	return w.dcc.addSamples(map[string]string{
		"rate":       fmt.Sprintf("%d commands an hour for %d devices", e.Rate.PerHour, e.Devices),
		"estate":     fmt.Sprintf("%g%% unreachable, %g%% late by %s to %s, %g devices at one premises", 100*e.Unreachable, 100*e.Late, span(LateFrom), span(LateTo), DevicesPerPremises),
		"prepayment": fmt.Sprintf("%g%% of premises; a top-up every %d hours", 100*w.prepaymentShare(), int(topUpEvery.Hours())),
		"custodians": custodySample,
		"messages":   messageSample,
		"retries":    fmt.Sprintf("%d tries, %s apart", attempts, span(AgainAfter)),
	})
}

func span(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d.Minutes())) }

func (w *World) prepaymentShare() float64 {
	if s := w.cfg.Scenario.Estate.Prepayment; s > 0 {
		return s
	}
	return defaultPrepayment
}

func round(f float64) float64 { return float64(int(f*10+0.5)) / 10 }
