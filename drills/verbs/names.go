package verbs

import (
	"smki.example/drills/scenario"
)

// The types that conditions can look into.
const (
	typeDevices = "devices"
	typeChanged = "changed devices"
	typeList    = "list"
	typeCA      = "authority"
	typeKey     = "key"
	typeWork    = "campaign"
)

func partyParam() []scenario.Param {
	return []scenario.Param{{Name: "party", Kind: scenario.PartyID, Says: "a party of the scenario"}}
}

func types() []scenario.Type {
	return append([]scenario.Type{
		{
			Name: typeDevices, Says: "a set of devices",
			Fields: []scenario.Name{
				{Name: "count", Type: "int", Says: "how many"},
				{Name: "share", Type: "double", Says: "their share of the set they were taken from, 1.0 if that is empty"},
				{Name: "premises", Type: "int", Says: "at how many premises"},
				{Name: "prepayment", Type: "int", Says: "how many of them are on prepayment"},
				{Name: "reachable", Type: typeDevices, Says: "those that messages reach, late ones included"},
				{Name: "unreachable", Type: typeDevices, Says: "those that no message reaches"},
				{Name: "changed", Type: typeChanged, Says: "those with a cell that is not what it was at the start"},
			},
			Methods: append([]scenario.Function{
				{Name: "holding", Params: partyParam(), Result: typeDevices, Says: "those whose cells hold all of the party's newest keys"},
				{Name: "recovered", Params: partyParam(), Result: typeDevices, Says: "those that hold the party's replaced keys in all its cells; none before keys are replaced"},
				{Name: "partly", Params: partyParam(), Result: typeDevices, Says: "those that hold some of the party's replaced keys"},
				{Name: "taken", Params: partyParam(), Result: typeDevices, Says: "those on which an intruder's key stands in the party's signing cell"},
				{Name: "brokered", Params: partyParam(), Result: typeDevices, Says: "those on which the Access Control Broker's key stands in the party's signing cell"},
				{Name: "obeying", Params: partyParam(), Result: typeDevices, Says: "those that would take the party's next command: its key stands in the signing cell and its counter is high enough"},
			}, orgMethods()...),
		},
		{
			Name: typeChanged, Says: "a set of devices on which something changed",
			Fields:  []scenario.Name{{Name: "count", Type: "int", Says: "how many"}},
			Methods: []scenario.Function{{Name: "except", Params: partyParam(), Result: typeDevices, Says: "those on which a cell changed that is not one of the party's"}},
		},
		{
			Name: typeList, Says: "a published revocation list",
			Fields: []scenario.Name{
				{Name: "number", Type: "int", Says: "its CRL number"},
				{Name: "entries", Type: "int", Says: "how many certificates it revokes"},
				{Name: "this_update", Type: "timestamp", Says: "when it was published"},
				{Name: "next_update", Type: "timestamp", Says: "when the next one is due"},
			},
		},
		{
			Name: typeCA, Says: "the certification authority",
			Fields: []scenario.Name{
				{Name: "issued", Type: "int", Says: "organisation certificates issued since the start"},
				{Name: "revoked", Type: "int", Says: "certificates on the newest Organisation CRL of each Issuing OCA"},
			},
		},
		{
			Name: typeKey, Says: "a key that only a decision opens",
			Fields: []scenario.Name{
				{Name: "open", Type: "bool", Says: "its custodians' session stands"},
				{Name: "coming", Type: "bool", Says: "its custodians are on their way"},
				{Name: "uses", Type: "int", Says: "signatures made with it"},
			},
		},
		{
			Name: typeWork, Says: "the work of replacing a party's keys, all its campaigns together",
			Fields: []scenario.Name{
				{Name: "running", Type: "bool", Says: "something is still to be sent or answered"},
				{Name: "sent", Type: "int", Says: "commands sent"},
				{Name: "refused", Type: "int", Says: "devices whose last word was no"},
				{Name: "stopped", Type: "int", Says: "devices whose last command the broker did not let through"},
				{Name: "waiting", Type: "int", Says: "devices that keep a command for later (future dated)"},
				{Name: "quarantined", Type: "int", Says: "devices whose command is in quarantine"},
			},
		},
	}, orgTypes()...)
}

func names() []scenario.Name {
	return []scenario.Name{
		{Name: "fleet", Type: typeDevices, Says: "all devices of the estate"},
		{Name: "ca", Type: typeCA, Says: "the certification authority"},
	}
}

func functions() []scenario.Function {
	return append([]scenario.Function{
		{Name: "crl", Params: []scenario.Param{{Name: "issuer", Kind: scenario.Choice, Values: listIssuers}}, Result: typeList, Says: "the newest list of an authority"},
		{Name: "key", Params: []scenario.Param{{Name: "key", Kind: scenario.Key}}, Result: typeKey, Says: "a key that custodians hold"},
		{Name: "work", Params: partyParam(), Result: typeWork, Says: "what was sent to replace a party's keys"},
		{Name: "frozen", Params: partyParam(), Result: "bool", Says: "the broker holds the party's traffic"},
		{Name: "alerts", Params: []scenario.Param{{Name: "code", Kind: scenario.Choice, Values: []string{"8F30", "8F3D", "8F53", "8F60", "8F66", "8F67"}}}, Result: "int", Says: "how often devices reported an alert code so far"},
	}, orgFunctions()...)
}
