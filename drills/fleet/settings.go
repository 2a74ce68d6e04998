package fleet

import (
	"fmt"
	"strings"
	"time"

	"smki.example/drills/gbcs"
)

// A Mark says what a rule rests on. The letters are those of the fact sheets
// the project was written from, and a report prints them beside each setting.
type Mark string

// The marks, from the strongest basis to the weakest.
const (
	MarkSource    Mark = "S" // read in a public source text
	MarkTested    Mark = "T" // observed in the public test messages
	MarkInference Mark = "I" // our inference or design choice
	MarkKnowledge Mark = "K" // general knowledge, unverified
)

// A Setting is one assumption of the simulated devices, as a report lists it:
// its name, its present value in words, and what it rests on.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Mark  Mark   `json:"mark"`
	Basis string `json:"basis"`
}

// Settings are the rules that public text leaves open. The zero value is not
// usable; start from [DefaultSettings].
type Settings struct {
	// StrictRole makes a device refuse a certificate whose role is not that of
	// the cell it is put in. It is off because Method 2 puts certificates of the
	// Access Control Broker in supplier and network operator cells.
	StrictRole bool

	// MatchOriginator makes a device refuse a command whose originator is not
	// the party that the authorising cell holds. The contingency key has no
	// identifier in any cell and is exempt.
	MatchOriginator bool

	// BrokenPath is the status of a cell whose certificate has an issuer in the
	// path list and yet does not lead to the root. Zero (success) means: as the
	// path check says.
	BrokenPath gbcs.StatusCode

	// UntouchableCell is the status of a replacement that the mode may not make,
	// or that names a cell the device does not have.
	UntouchableCell gbcs.StatusCode

	// WrongUse is the status of a certificate whose key usage or role does not
	// fit the cell.
	WrongUse gbcs.StatusCode

	// AlertOnRefusal makes a device that refuses a whole command report an alert
	// code; without it the device is silent. There are no octets either way.
	AlertOnRefusal bool

	// FloorsAfterFailure makes floors take effect, and stand in the answer, even
	// when a cell failed.
	FloorsAfterFailure bool

	// FloorsMayLower lets a floor put a counter back. Without it a counter that
	// an attacker drove up stays up, and the recovery key could not help.
	FloorsMayLower bool

	// OwnFloorNeedsKey lets a floor put back the counter of the role that signs only
	// if the command changed that role's key. Without it the same octets, sent again,
	// are new again: whoever kept a recovery command could undo what came after it.
	OwnFloorNeedsKey bool

	// ReadsCount makes a command that only reads advance the counter too.
	ReadsCount bool

	// KeptNeedsKey makes a device drop a future dated command at its time if the
	// cell that authorised it holds another key by then. Without it an attacker
	// could leave a command behind that undoes a recovery.
	KeptNeedsKey bool

	// MalformedThreshold is the number of refused commands after which a device
	// reports 8F60, unusual number of malformed or out-of-order commands. Zero
	// switches the report off.
	MalformedThreshold int

	// WakeEvery is how often a sleepy device wakes. What was sent to it meanwhile
	// reaches it then.
	WakeEvery time.Duration

	// estate are the assumptions that the composition of a fleet brings with it.
	estate []Setting
}

// maxMalformedThreshold bounds what a device counts up to.
const maxMalformedThreshold = 60_000

// DefaultSettings returns the settings a drill uses unless it says otherwise.
func DefaultSettings() Settings {
	return Settings{
		StrictRole:         false,
		MatchOriginator:    true,
		BrokenPath:         gbcs.StatusSuccess,
		UntouchableCell:    gbcs.StatusOther,
		WrongUse:           gbcs.StatusBadCertificate,
		AlertOnRefusal:     true,
		FloorsAfterFailure: true,
		FloorsMayLower:     true,
		OwnFloorNeedsKey:   true,
		ReadsCount:         true,
		KeptNeedsKey:       true,
		MalformedThreshold: 3,
		WakeEvery:          30 * time.Minute,
	}
}

// List returns every assumption with its value and mark, in a fixed order, the
// ones that cannot be changed included: a reader of the report does not care
// whether an assumption has a switch.
func (s Settings) List() []Setting {
	brokenPath := "as the path check finds: 10 noTrustAnchor or 5 badCertificate"
	if s.BrokenPath != gbcs.StatusSuccess {
		brokenPath = fmt.Sprintf("always %v", s.BrokenPath)
	}
	threshold := "never reported"
	if s.MalformedThreshold > 0 {
		threshold = fmt.Sprintf("8F60 after %d refused commands", s.MalformedThreshold)
	}
	list := []Setting{
		{"order of checks", "format, target, authorising cell, counter, signature or MAC, then cell by cell", MarkInference, "GBCS 13.3.4 is not public"},
		{"counter", "strictly greater than the stored one of the authorising role", MarkKnowledge, "test messages show floors of 0 only"},
		{"role in certificate must equal role of cell", onOff(s.StrictRole), MarkInference, "handover and Method 2 need it off"},
		{"originator must be the party in the authorising cell", onOff(s.MatchOriginator), MarkInference, "GBCS v0.8.1 p.163: originator is the party that signed"},
		{"certificate that does not lead to the root", brokenPath, MarkInference, "only an issuer missing from the path is evidenced: 10"},
		{"cell that the mode may not touch", s.UntouchableCell.String(), MarkInference, "no test message shows it"},
		{"certificate that does not fit the cell", s.WrongUse.String(), MarkInference, "no test message shows it"},
		{"command that fails as a whole", refusalWords(s.AlertOnRefusal), MarkInference, "GBCS names the alert codes; no test message shows the octets"},
		{"floors when a cell failed", onOff(s.FloorsAfterFailure), MarkTested, "public answer with a failed cell reports the floors"},
		{"floor may put a counter back", onOff(s.FloorsMayLower), MarkInference, "GBCS v0.8.1 p.179 sets floors on change of control"},
		{"floor of the signing role without a new key of that role", ownFloor(s.OwnFloorNeedsKey), MarkInference, "else the same command could be sent again; the public recovery command carries such a floor, and no public answer to it says what became of it"},
		{"prepayment counter", "apart from the management counter of its role", MarkKnowledge, "specialist floors exist"},
		{"commands that only read advance the counter", onOff(s.ReadsCount), MarkInference, "each command carries a counter"},
		{"unusual number of refused commands", threshold, MarkInference, "code 8F60 is named; its threshold is not public"},
		{"root replaced by another key than the contingency key", "the old root must vouch for the new one in the same command", MarkKnowledge, "only the name \"abnormal root\" is public"},
		{"contingency command", "our reading: cell root, RFC 5649 wrap, RFC 5934 extension", MarkInference, "no public sample"},
		{"device certificates and requests", "commanded by the party in the supplier's signing cell", MarkInference, "test messages show the supplier only"},
		{"pending future dated commands", "one for each authorising role, the later replaces the earlier", MarkInference, "test messages show one"},
		{"kept command whose authorising cell has another key by then", keptWords(s.KeptNeedsKey), MarkInference, "no test message shows it"},
		{"inventory states", "Recovery while a broker certificate stands in a party's cell, then Recovered", MarkInference, "DUIS 5.4 has the names only"},
	}
	return append(list, s.estate...)
}

// forEstate returns the settings with the assumptions that an estate brings with
// it. One of electricity meters alone brings none.
func (s Settings) forEstate(cfg *Config) Settings {
	s.estate = nil
	add := func(name, value string, mark Mark, basis string) {
		s.estate = append(s.estate, Setting{name, value, mark, basis})
	}
	others := false
	for _, t := range Types() {
		if t == TypeESME || cfg.types()[t] <= 0 {
			continue
		}
		others = true
		var cells []string
		for _, cell := range t.Cells() {
			cells = append(cells, cellWords(cell))
		}
		add("cells of "+t.String()+" ("+t.Says()+")", strings.Join(cells, ", "), typeTable[t].mark, typeTable[t].basis)
	}
	if others {
		add("floor of a role that the device has no cell of", "left alone, and not in the answer", MarkInference, "no test message shows it")
	}
	if cfg.types()[TypeCHF] > 0 {
		add("broker's own credentials on a hub", "MAC and signature, authorising cell named (mode 4)", MarkSource, "GBCS v0.8.1 p.163, p.179; no test message shows it")
		add("device certificates and requests on a hub", "commanded by the party in the broker's signing cell", MarkInference, "a hub has no supplier")
	}
	if cfg.Sleepy > 0 {
		add("sleepy gas meters", fmt.Sprintf("wake every %v", s.WakeEvery), MarkKnowledge, "gas meters run on a battery; the interval is general knowledge")
	}
	if cfg.Partly > 0 {
		add("store that fails for one cell of a command", "busy once (30), full (17) or finds no path (10), in equal parts", MarkInference, "the codes are public, their causes are not")
	}
	if cfg.AnswersLost > 0 {
		add("answers that are lost", fmt.Sprintf("%g%%, drawn for each; the device has acted", 100*cfg.AnswersLost), MarkInference, "sample data")
	}
	if cfg.CountersAtOdds > 0 {
		add("counters at odds", fmt.Sprintf("%g%% of devices: supplier's and network operator's stand %d above what these used", 100*cfg.CountersAtOdds, int64(oddCounter)), MarkInference, "sample data")
	}
	return s
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func keptWords(needsKey bool) string {
	if needsKey {
		return "not actioned, alert 8F67"
	}
	return "carried out"
}

func refusalWords(alert bool) string {
	if alert {
		return "no answer; an alert code (8F30, 8F3D, 8F53) without octets"
	}
	return "no answer, no alert"
}

func ownFloor(needsKey bool) string {
	if needsKey {
		return "never lowers a counter"
	}
	return "may lower a counter"
}
