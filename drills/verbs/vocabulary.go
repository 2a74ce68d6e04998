package verbs

import (
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

// The verbs, as a scenario writes them.
const (
	verbReplace  = "replace"
	verbHandOver = "hand over"
	verbAttack   = "attack"
	verbFreeze   = "freeze"
	verbRelease  = "release"
	verbRevoke   = "revoke"
	verbPublish  = "publish"
	verbReadBack = "read back"
	verbReport   = "report progress"
	verbClose    = "close"
)

// Their parameters.
const (
	paramBy      = "by"
	paramPerHour = "per hour"
	paramReason  = "reason"
	paramSample  = "sample"
)

// The methods of the Recovery Procedure for a key on devices, and what else sends
// commands.
const (
	method1        = "method 1"
	method2        = "method 2"
	method3        = "method 3"
	methodHandover = "handover"
	methodIntruder = "intruder"
)

// What can be revoked.
const (
	oldCertificates      = " old certificates"
	intruderCertificates = "intruder certificates"
)

// Vocabulary is what a scenario may say to this world: the verbs and names of
// this package, with the bodies, steps, factors and labels of a procedure pack.
func Vocabulary(p *procedure.Pack) scenario.Vocabulary {
	v := scenario.Vocabulary{
		Verbs:      verbTable(),
		Types:      types(),
		Names:      names(),
		Functions:  functions(),
		Recipients: p.Recipients,
		Channels:   []string{"mail", "call", "report", "news", "dashboard"},
		Labels:     p.Labels,
		Keys:       keyNames,
		Categories: []string{"large supplier", "small supplier", "electricity network", "gas network", "other"},
		Roles:      []string{"supplier", "networkOperator"},
	}
	for _, b := range p.Bodies {
		body := scenario.Body{ID: b.ID, Name: b.Name, Quorum: b.Quorum, Majority: b.Majority, Casting: b.Casting(), Source: b.Source, Verified: b.Verified}
		for _, m := range b.Members {
			body.Members = append(body.Members, scenario.Member{ID: m.ID, Name: m.Name, Vote: m.Vote})
		}
		v.Bodies = append(v.Bodies, body)
	}
	for _, s := range p.Steps {
		v.Steps = append(v.Steps, scenario.Step{ID: s.ID, Says: s.Says, Verified: s.Verified})
	}
	for _, f := range p.Factors {
		v.Factors = append(v.Factors, scenario.Factor{ID: f.ID, Text: f.Text, Force: f.Force, Keys: f.Keys, Verified: f.Verified})
	}
	return v
}

func verbTable() []scenario.Verb {
	party := scenario.Param{Name: "party", Kind: scenario.PartyID, Says: "the party whose keys it is about"}
	return []scenario.Verb{
		{
			Name:   verbReplace,
			Says:   "has the CA issue new certificates for a party and begins to put them on every device that does not hold them: method 1 by the party's own key, method 3 by the Recovery key; method 2 puts the Access Control Broker's certificates there by the Recovery key.",
			Object: party,
			Params: []scenario.Param{{Name: paramBy, Kind: scenario.Choice, Values: []string{method1, method2, method3}, Required: true, Says: "the method of the Recovery Procedure"}},
		},
		{
			Name:   verbHandOver,
			Says:   "has the Access Control Broker put the party's new certificates on the devices that it holds: the second half of method 2 (service request 6.21).",
			Object: party,
		},
		{
			Name:   verbAttack,
			Says:   "lets an intruder begin who holds a copy of the party's signing key: he gets certificates in its name from the CA by a stolen officer's credential, and takes device after device with commands like the party's own. Players see it only in what devices say.",
			Object: party,
			Params: []scenario.Param{{Name: paramPerHour, Kind: scenario.Number, Required: true, Says: "how many devices an hour he reaches, in the scenario's own size of estate"}},
		},
		{
			Name:   verbFreeze,
			Says:   "has the Access Control Broker add no MAC to any command in the party's name, so that neither it nor anybody in its name reaches a device.",
			Object: party,
		},
		{Name: verbRelease, Says: "ends a freeze, if there is one.", Object: party},
		{
			Name:   verbRevoke,
			Says:   "has the CA revoke certificates and publish a new Organisation CRL. Devices see no CRL; the Access Control Broker checks a signer against it before it adds its MAC (a setting, our inference), so that revoking too early strands devices that are not done.",
			Object: scenario.Param{Name: "certificates", Kind: scenario.Phrase, Values: []string{"{party}" + oldCertificates, intruderCertificates}, Says: "whose"},
			Params: []scenario.Param{{Name: paramReason, Kind: scenario.Choice, Values: reasons(), Default: "keyCompromise", Says: "the reason code (RFC 5280, 5.3.1)"}},
		},
		{
			Name:   verbPublish,
			Says:   "has an authority publish a new revocation list now.",
			Object: scenario.Param{Name: "issuer", Kind: scenario.Choice, Values: listIssuers, Says: "the authority"},
		},
		{
			Name:   verbReadBack,
			Says:   "asks a sample of devices what their supplier cells hold (CS02a), and compares the answers with the devices.",
			Object: party,
			Params: []scenario.Param{{Name: paramSample, Kind: scenario.Number, Default: "20", Says: "how many devices, spread over the estate"}},
		},
		{
			Name:   verbReport,
			Says:   "writes a progress file into the evidence pack, a row for each device, as it would go to the DCC and the PMA.",
			Object: party,
		},
		{
			Name:   verbClose,
			Says:   "ends the use of a key before its authorisation does: the custodians' session is closed.",
			Object: scenario.Param{Name: "key", Kind: scenario.Key, Says: "the key"},
		},
	}
}

// listIssuers are the authorities that publish a list in a drill.
var listIssuers = []string{"issuing-oca", "root-oca"}

// reasons are those that make sense for a key that got into other hands.
func reasons() []string { return []string{"keyCompromise", "superseded", "unspecified"} }
