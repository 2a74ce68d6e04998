package verbs

import (
	"smki.example/drills/fleet"
	"smki.example/drills/scenario"
)

// The verbs about the keys of organisations, as a scenario writes them.
const (
	verbReplace    = "replace"
	verbHandOver   = "hand over"
	verbChange     = "change supplier"
	verbAttack     = "attack"
	verbStopAttack = "stop attack"
	verbFreeze     = "freeze"
	verbRelease    = "release"
	verbRaise      = "raise thresholds"
	verbLower      = "lower thresholds"
	verbExit       = "exit quarantine"
	verbNotice     = "notify file"
	verbRevoke     = "revoke"
	verbDefer      = "defer revocation"
	verbPublish    = "publish"
	verbReadBack   = "read back"
	verbReport     = "report progress"
	verbClose      = "close"
)

// Their parameters.
const (
	paramBy      = "by"
	paramAmong   = "among"
	paramTo      = "to"
	paramEffect  = "takes effect"
	paramCancel  = "cancel"
	paramKeys    = "keys"
	paramPerHour = "per hour"
	paramReturns = "returns"
	paramMinted  = "minted"
	paramReason  = "reason"
	paramSample  = "sample"
	paramWith    = "with"
	paramFor     = "for"
)

// The methods of the Recovery Procedure for a key on devices, and what else sends
// commands.
const (
	method1        = "method 1"
	method2        = "method 2"
	method3        = "method 3"
	methodHandover = "handover"
	methodChange   = "change of supplier"
	methodIntruder = "intruder"
)

// Words that parameters take.
const (
	keysStanding = "as made"
	keysFresh    = "new"
	keysPresent  = "present"
	exitProcess  = "process"
	exitDelete   = "delete"
	amongAll     = "all"
	amongTaken   = "taken"
)

// The DCC's own parties, which stand on devices in every drill. The party
// "recovery" is the DCC with the Recovery key.
const (
	partyBroker   = "acb"
	partyTransCoS = "transcos"
	partyWAN      = "wan provider"
	partyRecovery = "recovery"
)

var implied = []string{partyBroker, partyTransCoS, partyWAN, partyRecovery}

// amongWords are the parts of a party's devices that a campaign may be kept to.
func amongWords() []string {
	return []string{amongAll, amongTaken, fleet.North.String(), fleet.Central.String(), fleet.South.String()}
}

func orgVerbs() []scenario.Verb {
	party := scenario.Param{Name: "party", Kind: scenario.PartyID, Says: "the party whose keys it is about"}
	return []scenario.Verb{
		{
			Name:   verbReplace,
			Says:   "has the CA issue new certificates for a party and begins to put them on every device whose cells hold the party's: method 1 by the party's own key, method 3 by the Recovery key; method 2 puts the Access Control Broker's certificates there by the Recovery key (suppliers and network operators). Devices that hold another party's certificate are left alone.",
			Object: scenario.Param{Name: "whose", Kind: scenario.Phrase, Values: []string{"{party}"}, Says: "the party whose keys it is about"},
			Params: []scenario.Param{
				{Name: paramBy, Kind: scenario.Choice, Values: []string{method1, method2, method3}, Required: true, Says: "the method of the Recovery Procedure"},
				{Name: paramAmong, Kind: scenario.Choice, Values: amongWords(), Says: "which of the devices, all if it is absent: those whose cell holds neither the party's key nor the broker's (taken), or one region"},
				{Name: paramTo, Kind: scenario.PartyID, Says: "whose certificates go in, if not the party's own new ones: a Supplier of Last Resort"},
				{Name: paramKeys, Kind: scenario.Choice, Values: []string{keysStanding, keysFresh, keysPresent}, Says: "which certificates go in. If it is absent, as made: those that an earlier step of this drill had made, or new ones if none did; new: ones that are made now; present: those that the party has, because only its cells were lost and not its keys"},
				{Name: paramEffect, Kind: scenario.Time, Says: "when devices are to act on the command, which they keep until then (future dated)"},
				{Name: paramCancel, Kind: scenario.Flag, Says: "has each device drop the command that it keeps, instead"},
			},
		},
		{
			Name:   verbHandOver,
			Says:   "has the Access Control Broker put the party's new certificates on the devices that it holds for it: the second half of method 2 (service request 6.21).",
			Object: party,
		},
		{
			Name:   verbChange,
			Says:   "has the change of supplier party (transitionalCoS) put another supplier's certificates on a supplier's devices (mode 7).",
			Object: party,
			Params: []scenario.Param{
				{Name: paramTo, Kind: scenario.PartyID, Required: true, Says: "the new supplier"},
				{Name: paramAmong, Kind: scenario.Choice, Values: amongWords(), Says: "which of the devices, all if it is absent"},
			},
		},
		{
			Name:   verbAttack,
			Says:   "lets an intruder begin who holds a copy of the party's signing key, and certificates that a stolen officer's credential got him from the CA. With a supplier's or network operator's key he takes device after device with commands like the party's own, counters driven up; with that of transcos he puts his certificates into supplier cells (mode 7), with the Recovery key too (mode 8), with that of the wan provider into hubs (mode 5). Players see it only in what devices say.",
			Object: party,
			Params: []scenario.Param{{Name: paramPerHour, Kind: scenario.Number, Required: true, Says: "how many devices an hour he reaches, in the scenario's own size of estate"}, {Name: paramReturns, Kind: scenario.Duration, Says: "how long after a device was taken from him he comes back for it; never, if it is absent"}, {Name: paramMinted, Kind: scenario.Flag, Says: "he has a copy of the Issuing OCA's key too: his certificates are made with it and stand in no log"}},
		},
		{Name: verbStopAttack, Says: "has the intruder with the party's key send nothing more.", Object: party},
		{
			Name:   verbFreeze,
			Says:   "has the Access Control Broker add no MAC to any command in the party's name, so that neither it nor anybody in its name reaches a device.",
			Object: party,
		},
		{Name: verbRelease, Says: "ends a freeze, if there is one.", Object: party},
		{
			Name:   verbRaise,
			Says:   "sends an ADT file: sets how many commands an hour may be sent in the party's name. What is above it goes into quarantine. Before the first such file there is no limit.",
			Object: party,
			Params: []scenario.Param{{Name: paramTo, Kind: scenario.Number, Required: true, Says: "commands an hour, in the scenario's own size of estate"}},
		},
		{
			Name:   verbLower,
			Says:   "sends an ADT file that takes the threshold back to where it stood before it was last raised, or down to a figure.",
			Object: party,
			Params: []scenario.Param{{Name: paramTo, Kind: scenario.Number, Says: "commands an hour, in the scenario's own size of estate"}},
		},
		{
			Name:   verbExit,
			Says:   "sends an exit quarantine file: what is in quarantine in the party's name is sent on, whoever signed it, or deleted.",
			Object: party,
			Params: []scenario.Param{{Name: paramWith, Kind: scenario.Choice, Values: []string{exitProcess, exitDelete}, Required: true, Says: "what becomes of it"}},
		},
		{
			Name:   verbNotice,
			Says:   "writes the compromise notification file of the party into the evidence pack: a row for each device whose cells hold its certificates, and a second file of those that should and do not.",
			Object: party,
		},
		{
			Name:   verbRevoke,
			Says:   "has the CA revoke certificates and publish a new Organisation CRL. Devices see no CRL; the Access Control Broker checks a signer against it before it adds its MAC (a setting, our inference), so that revoking too early strands devices that are not done.",
			Object: scenario.Param{Name: "certificates", Kind: scenario.Phrase, Values: []string{"{party}" + oldCertificates, intruderCertificates}, Says: "whose"},
			Params: []scenario.Param{{Name: paramReason, Kind: scenario.Choice, Values: reasons(), Default: "keyCompromise", Says: "the reason code (RFC 5280, 5.3.1)"}},
		},
		{
			Name:   verbDefer,
			Says:   "has the PMA put off the revocation of a party's old certificates (MP134A): until the time is over no request to revoke them is carried out; then the CA revokes them.",
			Object: party,
			Params: []scenario.Param{
				{Name: paramFor, Kind: scenario.Duration, Required: true, Says: "how long"},
				{Name: paramReason, Kind: scenario.Text, Default: "customers on prepayment are put in a safe mode first", Says: "why, for the record"},
			},
		},
		{
			Name:   verbPublish,
			Says:   "has an authority publish a new revocation list now.",
			Object: scenario.Param{Name: "issuer", Kind: scenario.Choice, Values: listIssuers, Says: "the authority"},
		},
		{
			Name:   verbReadBack,
			Says:   "asks a sample of devices what the party's cells hold (CS02a), and compares the answers with the devices.",
			Object: party,
			Params: []scenario.Param{{Name: paramSample, Kind: scenario.Number, Default: "20", Says: "how many devices, spread over those that have the party's cells"}},
		},
		{
			Name:   verbReport,
			Says:   "writes a progress file into the evidence pack, a row for each device of the party, as it would go to the DCC and the PMA.",
			Object: party,
		},
		{
			Name:   verbClose,
			Says:   "ends the use of a key before its authorisation does: the custodians' session is closed.",
			Object: scenario.Param{Name: "key", Kind: scenario.Key, Says: "the key"},
		},
	}
}

const typeQuarantine = "quarantine"

// orgTypes, orgMethods and orgFunctions are what conditions may ask about parties.
func orgTypes() []scenario.Type {
	return []scenario.Type{{
		Name: typeQuarantine, Says: "what the broker keeps back of a party's commands",
		Fields: []scenario.Name{
			{Name: "count", Type: "int", Says: "commands in quarantine now"},
			{Name: "ever", Type: "int", Says: "commands that were put there so far"},
			{Name: "deleted", Type: "int", Says: "commands that an exit quarantine file had deleted"},
		},
	}}
}

func orgMethods() []scenario.Function {
	return []scenario.Function{
		{Name: "of", Params: partyParam(), Result: typeDevices, Says: "those that were the party's at the start: their cells held its certificates"},
		{Name: "kind", Params: []scenario.Param{{Name: "kind", Kind: scenario.Choice, Values: deviceTypes()}}, Result: typeDevices, Says: "those of one type"},
		{Name: "region", Params: []scenario.Param{{Name: "region", Kind: scenario.Choice, Values: amongWords()[2:]}}, Result: typeDevices, Says: "those of one region"},
		{Name: "wrong", Params: partyParam(), Result: typeDevices, Says: "those that the party is responsible for by registration, and that held another party's certificates at the start"},
	}
}

func orgFunctions() []scenario.Function {
	return []scenario.Function{
		{Name: "quarantine", Params: partyParam(), Result: typeQuarantine, Says: "the party's commands in quarantine"},
		{Name: "threshold", Params: partyParam(), Result: "int", Says: "how many commands an hour pass in the party's name, in the scenario's own size of estate; -1 if there is no limit"},
		{Name: "deferred", Params: partyParam(), Result: "bool", Says: "the revocation of the party's old certificates is put off"},
		{Name: "attacked", Params: partyParam(), Result: "bool", Says: "somebody with the party's key is at work"},
	}
}

// deviceTypes are the types of devices in the words of a scenario.
func deviceTypes() []string { return []string{"esme", "gsme", "gpf", "chf", "ppmid", "hcalcs"} }
