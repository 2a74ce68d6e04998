package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"smki.example/drills/journal"
)

// Figures are the members of an outcome's figures that a report prints. Those
// that a record lacks are zero, so that an older record still reads.
type Figures struct {
	Party       string         `json:"party"`
	Compromised string         `json:"compromised"`
	NoParty     bool           `json:"no_party_key_lost"`   // nothing happened to any party's key on devices
	NotStolen   bool           `json:"no_party_key_stolen"` // the keys that were replaced were no thief's
	Devices     int            `json:"devices"`
	Premises    int            `json:"premises"`
	Prepayment  int            `json:"prepayment"`
	Reachable   int            `json:"reachable"`
	Ends        map[string]int `json:"ends"`
	Taken       int            `json:"taken"`
	TakenMost   int            `json:"out_of_hands_at_most"`
	TakenMostAt string         `json:"out_of_hands_at"`
	Misuse      string         `json:"misuse"`
	Methods     []string       `json:"methods"`
	Recovery    struct {
		Devices int    `json:"devices"`
		Began   string `json:"began"`
		Half    string `json:"half"`
		Most    string `json:"most"`
		Last    string `json:"last"`
	} `json:"recovery"`
	Rate string `json:"rate"`
	Work []struct {
		Name     string         `json:"name"`
		Method   string         `json:"method"`
		Began    string         `json:"began"`
		Ended    string         `json:"ended"`
		Sent     int            `json:"sent"`
		Outcomes map[string]int `json:"outcomes"`
		Reasons  map[string]int `json:"reasons"`
		Note     string         `json:"note"`
	} `json:"campaigns"`
	CertificatesIssued int            `json:"certificates_issued"`
	Revoked            int            `json:"revoked"`
	RevokedAt          string         `json:"revoked_at"`
	CRLNumber          int64          `json:"crl_number"`
	RecoveryUses       int            `json:"recovery_uses"`
	ContingencyUses    int            `json:"contingency_uses"`
	Unaccounted        int            `json:"ca_signatures_unaccounted_for"`
	Alerts             map[string]int `json:"alerts"`
	OffSupply          int            `json:"off_supply"`
	TopUps             int            `json:"top_ups_refused"`
	SiteVisits         int            `json:"site_visits_up_to"`
	DeviceHours        float64        `json:"device_hours_out_of_hands"`
	HeldFor            string         `json:"traffic_held_for"`
	HeldHours          float64        `json:"device_hours_held"`
	CompromisedRevoked int            `json:"compromised_revoked"`
	CompromisedCerts   int            `json:"compromised_certificates"`
	RefusedSteps       []string       `json:"refused_steps"`
	Assumptions        []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		Mark  string `json:"mark"`
		Basis string `json:"basis"`
	} `json:"assumptions"`
	Sample map[string]string `json:"sample"`
}

// The ends a device can come to, in the order of a table.
var ends = []string{
	"recovered", "partly recovered", "under the broker", "taken by the intruder", "still trusting the old key", "unreachable", "excluded",
}

// trusting counts the devices that still take commands of the stolen key: those
// that nobody replaced, reachable or not.
func (f *Figures) trusting() int {
	if f.NoParty {
		return 0
	}
	return f.Ends["still trusting the old key"] + f.Ends["unreachable"]
}

// replacedKey is what to call the key that devices were to be rid of.
func (f *Figures) replacedKey() string {
	if f.NotStolen {
		return "old"
	}
	return "stolen"
}

// An Opening is custodians being asked for a key.
type Opening struct {
	Key     string `json:"key"`
	Use     string `json:"use"`
	Count   int    `json:"count"`
	Needed  int    `json:"needed"`
	Of      int    `json:"of"`
	Opened  bool   `json:"opened"`
	Closed  bool   `json:"closed"`
	Uses    int    `json:"uses"`
	Refused string `json:"refused"`
	Sample  string `json:"sample"`
	// Decision is the number of the entry that the opening stands on.
	Decision int64 `json:"decision"`
	Shares   []struct {
		Custodian string `json:"custodian"`
		Party     string `json:"party"`
		Given     bool   `json:"given"`
		Withheld  bool   `json:"withheld"`
	} `json:"shares"`
}

// withheld are the custodians who were there and kept their shares back.
func (o Opening) withheld() []string {
	var out []string
	for _, s := range o.Shares {
		if s.Withheld {
			out = append(out, s.Custodian)
		}
	}
	return out
}

// OpeningText says what came of asking for a key.
func (r *Report) OpeningText(o Opening) string { return o.text() }

func (o Opening) text() string {
	given := 0
	for _, s := range o.Shares {
		if s.Given {
			given++
		}
	}
	switch {
	case o.Closed:
		return fmt.Sprintf("key %s closed after %s", o.Key, Plural(o.Uses, "use"))
	case o.Opened:
		text := fmt.Sprintf("key %s opened by %d of %d custodians, for at most %s", o.Key, given, o.Of, Plural(o.Count, "use"))
		if o.Use != "" {
			text += ": " + o.Use
		}
		return text
	case o.Refused != "":
		return fmt.Sprintf("key %s NOT opened: %s", o.Key, o.Refused)
	default:
		return fmt.Sprintf("custodians called for key %s", o.Key)
	}
}

// otherText is the line of the timeline for entries that nothing else is made of.
func otherText(e journal.Entry) (string, error) {
	switch e.Kind {
	case journal.KindShard:
		var b struct {
			Campaign string         `json:"campaign"`
			Sent     int            `json:"sent"`
			Outcomes map[string]int `json:"outcomes"`
		}
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s: %d commands; %s", b.Campaign, b.Sent, countsText(b.Outcomes, nil)), nil
	case journal.KindRevocation:
		var b struct{ Serial, Party, Reason string }
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return "", err
		}
		return fmt.Sprintf("certificate %s of %s revoked: %s", b.Serial, b.Party, b.Reason), nil
	case journal.KindCRL:
		var b struct {
			Issuer  string
			Number  int64
			Entries int
		}
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s publishes list %d with %d entries", b.Issuer, b.Number, b.Entries), nil
	case journal.KindPause:
		var b journal.Pause
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return "", err
		}
		return strings.TrimSpace(b.Phase + " " + b.Why), nil
	default:
		return "", nil
	}
}
