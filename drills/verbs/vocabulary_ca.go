package verbs

import (
	"slices"

	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

// The verbs about the keys of authorities, custodians and tokens, as a scenario
// writes them. To renew is to make keys anew, in a ceremony; to replace is to put
// them on devices.
const (
	verbRenew        = "renew"
	verbReissue      = "reissue"
	verbRenewDevices = "renew devices"
	verbDestroy      = "destroy"
	verbToken        = "token"
	verbShare        = "share"
	verbCustodian    = "custodian"
	verbRogue        = "rogue certificate"
	verbLogGap       = "log gap"
)

// Their parameters.
const (
	paramWhat   = "what"
	paramFault  = "fault"
	paramIs     = "is"
	paramOf     = "of"
	paramNotice = "notice"
	paramCount  = "count"
)

// What can be renewed, and what of it is put on devices.
const (
	thingRecovery    = "recovery key"
	thingContingency = "contingency key"
	thingRoot        = "root"
	thingRootRenewed = "root certificate"
	thingIssuingOCA  = "issuing-oca"
	thingIssuingDCA  = "issuing-dca"
	thingEverything  = "everything"
)

// How the Root, or a new root certificate, gets on devices beside the methods.
const (
	byRecoveryKey    = "recovery key"
	byContingencyKey = "contingency key"
	bySupplier       = "supplier"
	byWANProvider    = "wan provider"
)

// The parts of the contingency material.
const (
	partPrivate   = "private key"
	partSymmetric = "symmetric key"
	partBoth      = "both"
)

// The secrets that custodians hold shares of.
const (
	secretRecovery    = "recovery"
	secretContingency = "contingency"
	secretSymmetric   = "symmetric key"
)

var secretNames = []string{secretRecovery, secretContingency, secretSymmetric}

// What can happen to a token, a share and a custodian.
const (
	faultSessions  = "sessions dropped"
	faultGone      = "gone"
	faultSlow      = "slow"
	faultPIN       = "pin locked"
	faultDestroyed = "destroyed"
	faultBack      = "back"
	faultRestored  = "restored"

	shareMissing = "missing"
	shareCorrupt = "corrupt"
	shareSeen    = "seen"
	shareFound   = "found"

	custodianAway     = "away"
	custodianBack     = "back"
	custodianLeft     = "left"
	custodianReplaced = "replaced"
)

// What of the old can be destroyed, on the record.
const (
	oldRecovery    = "old recovery key"
	oldContingency = "old contingency key"
	oldSymmetric   = "old symmetric key"
)

// withAuthorityWords adds the words of this file to a vocabulary.
func withAuthorityWords(v scenario.Vocabulary, p *procedure.Pack) scenario.Vocabulary {
	for i := range v.Verbs {
		if verb := &v.Verbs[i]; verb.Name == verbReplace {
			verb.Says += " The recovery party's cell is replaced by the Recovery key itself (mode 8) or by the contingency key; root, with every other cell, by the contingency key (mode 9, our reading: no public message shows it), once in the life of its symmetric key; a renewed root certificate by the supplier (mode 0), the wan provider (mode 1) or the Recovery key (mode 8)."
			verb.Object.Values = append(slices.Clone(verb.Object.Values), thingRoot, thingRootRenewed)
			for j := range verb.Params {
				if by := &verb.Params[j]; by.Name == paramBy {
					by.Values = append(slices.Clone(by.Values), byRecoveryKey, byContingencyKey, bySupplier, byWANProvider)
					by.Says += ", or the key that signs, for recovery, root and root certificate"
				}
			}
		}
	}
	v.Verbs = append(v.Verbs, authorityVerbs(p)...)
	for i := range v.Types {
		switch t := &v.Types[i]; t.Name {
		case typeDevices:
			t.Fields = append(t.Fields,
				scenario.Name{Name: "new_root", Type: typeDevices, Says: "those that hold the newest root certificate; none before there is a new one"},
				scenario.Name{Name: "new_device_keys", Type: typeDevices, Says: "those whose own two keys and certificates were renewed"},
			)
		case typeCA:
			t.Fields = append(t.Fields,
				scenario.Name{Name: "unknown", Type: "int", Says: "certificates found in the field that an authority of this CA signed and its log does not hold"},
				scenario.Name{Name: "log_gap", Type: "duration", Says: "how much of the log is said to be missing"},
				scenario.Name{Name: "demand", Type: "double", Says: "the largest demand of one subscriber for certificates since the start, as a multiple of its monthly average (sample)"},
				scenario.Name{Name: "unannounced", Type: "int", Says: "subscribers that asked for more than one and a half times their monthly average without notice"},
				scenario.Name{Name: "under_old", Type: "int", Says: "service certificates in force that an earlier Issuing OCA issued"},
			)
		case typeKey:
			t.Fields = append(t.Fields,
				scenario.Name{Name: "generation", Type: "int", Says: "1 for the key of the start, one more for each that replaced it"},
				scenario.Name{Name: "exposed", Type: "bool", Says: "its secret part was sent in the open: the symmetric key of the contingency key, in its one campaign"},
				scenario.Name{Name: "destroyed", Type: "int", Says: "generations that were destroyed on the record"},
			)
		}
	}
	v.Types = append(v.Types, authorityTypes()...)
	v.Names = append(v.Names, scenario.Name{Name: "root", Type: typeRoot, Says: "the Root OCA"})
	v.Functions = append(v.Functions,
		scenario.Function{Name: "shares", Params: []scenario.Param{{Name: "secret", Kind: scenario.Choice, Values: secretNames}}, Result: typeShares, Says: "the custodians' shares of a secret, against the threshold"},
		scenario.Function{Name: "token", Params: []scenario.Param{{Name: "token", Kind: scenario.Phrase, Values: tokenNames}}, Result: typeToken, Says: "a token, by its owner"},
	)
	for i := range v.Functions {
		if f := &v.Functions[i]; f.Name == "alerts" {
			f.Params = slices.Clone(f.Params)
			f.Params[0].Values = append(slices.Clone(f.Params[0].Values), "8F4C", "8F4D", "8F4E", "8F4F")
		}
	}
	return v
}

// tokenNames are the tokens by owner.
var tokenNames = []string{ownerRecovery, ownerContingency, ownerCA, thingIssuingOCA, "{party}"}

func authorityVerbs(p *procedure.Pack) []scenario.Verb {
	seats := make([]string, len(p.Custodians))
	for i, c := range p.Custodians {
		seats[i] = c.Seat
	}
	return []scenario.Verb{
		{
			Name:   verbRenew,
			Says:   "makes keys anew, in a ceremony with witness and transcript, on a fresh token where custodians hold them: the Recovery key, with new shares for every custodian; the contingency key, with new shares and a new root certificate for the same Root key that carries it, wrapped anew; the Root with everything under it, the certificates of all parties included; the Issuing OCA, after which the old one is revoked (ARL); the Issuing DCA. Nothing on a device changes.",
			Object: scenario.Param{Name: "key", Kind: scenario.Choice, Values: []string{thingRecovery, thingContingency, thingRoot, thingIssuingOCA, thingIssuingDCA}, Says: "which key"},
			Params: []scenario.Param{{Name: paramWhat, Kind: scenario.Choice, Values: []string{partPrivate, partSymmetric, partBoth}, Default: partBoth, Says: "what of the contingency key: its pair, the symmetric key that wraps its public half, or both; the new symmetric key is always made first. Of other keys it means nothing"}},
		},
		{
			Name:   verbReissue,
			Says:   "has the newest Issuing OCA issue new certificates for every party, the DCC's own first, then suppliers, then network operators; or for one party. The Recovery key's certificate is a ceremony's (renew: recovery key). Putting them on devices is for replace. Without notice of exceptional demand they are worked off in the next night.",
			Object: scenario.Param{Name: "whose", Kind: scenario.Phrase, Values: []string{thingEverything, "{party}"}, Says: "everything, or one party"},
			Params: []scenario.Param{{Name: paramNotice, Kind: scenario.Flag, Default: "true", Says: "whether the DCC is warned of exceptional demand, which is due above one and a half times a subscriber's monthly average (MP160, outcome not known)"}},
		},
		{
			Name:   verbRenewDevices,
			Says:   "has each of a supplier's devices make new keys (CS02c), the CA certify them, and the device take the certificates (CS02d); a sample is read back (CS02e).",
			Object: scenario.Param{Name: "party", Kind: scenario.PartyID, Says: "the supplier whose devices they are"},
		},
		{
			Name:   verbDestroy,
			Says:   "destroys what was replaced: the token is wiped, the shares are shredded, and a witness signs that they were.",
			Object: scenario.Param{Name: "what", Kind: scenario.Choice, Values: []string{oldRecovery, oldContingency, oldSymmetric}, Says: "what; it must have been renewed"},
		},
		{
			Name:   verbToken,
			Says:   "has something happen to a token. Whatever needs it waits and tries again every ten minutes, with a new counter each time; nothing is done by half.",
			Object: scenario.Param{Name: "token", Kind: scenario.Phrase, Values: tokenNames, Says: "whose; issuing-oca means the token of the CA, which has all authorities' keys"},
			Params: []scenario.Param{{Name: paramFault, Kind: scenario.Choice, Required: true, Values: []string{faultSessions, faultGone, faultSlow, faultPIN, faultDestroyed, faultBack, faultRestored},
				Says: "sessions dropped: all at once, and new ones open; gone: it was pulled out; slow: it takes a minute for each signature; pin locked: its PIN is refused; destroyed: its keys are no more; back: what was gone, slow or locked is as it was; restored: put back from its backup, under ceremony"}},
		},
		{
			Name:   verbShare,
			Says:   "has something happen to a custodian's share.",
			Object: scenario.Param{Name: "custodian", Kind: scenario.Choice, Values: seats, Says: "the seat"},
			Params: []scenario.Param{
				{Name: paramFault, Kind: scenario.Choice, Values: []string{shareMissing, shareCorrupt, shareSeen, shareFound}, Required: true, Says: "missing; corrupt: it does not fit the others; seen: somebody else may have read it; found: whole and unseen after all"},
				{Name: paramOf, Kind: scenario.Choice, Values: secretNames, Default: secretRecovery, Says: "which secret the share is of"},
			},
		},
		{
			Name:   verbCustodian,
			Says:   "has something happen to a custodian.",
			Object: scenario.Param{Name: "custodian", Kind: scenario.Choice, Values: seats, Says: "the seat"},
			Params: []scenario.Param{{Name: paramIs, Kind: scenario.Choice, Values: []string{custodianAway, custodianBack, custodianLeft, custodianReplaced}, Required: true,
				Says: "away: cannot come; back: can come again; left: no custodian any more, the shares stay behind and count as lost; replaced: the seat has a new person, who gets shares when a key is renewed"}},
		},
		{
			Name:   verbRogue,
			Says:   "lets somebody with a copy of an authority's key make certificates that the CA's log does not hold. They are found in the field and stand in the pack.",
			Object: scenario.Param{Name: "authority", Kind: scenario.Choice, Values: []string{thingIssuingOCA}, Says: "whose key was copied"},
			Params: []scenario.Param{
				{Name: paramOf, Kind: scenario.PartyID, Says: "in whose name; the first supplier's if not said"},
				{Name: paramCount, Kind: scenario.Number, Default: "2", Says: "how many"},
			},
		},
		{
			Name:   verbLogGap,
			Says:   "makes it a fact of the drill that part of an authority's records before the start is missing. The log of this CA stays whole: what was lost is what lay outside it.",
			Object: scenario.Param{Name: "authority", Kind: scenario.Choice, Values: []string{thingIssuingOCA}, Says: "whose"},
			Params: []scenario.Param{{Name: paramFor, Kind: scenario.Duration, Required: true, Says: "how long a time is missing"}},
		},
	}
}

// The types that conditions about authorities can look into.
const (
	typeRoot   = "root authority"
	typeShares = "shares"
	typeToken  = "token"
)

func authorityTypes() []scenario.Type {
	return []scenario.Type{
		{
			Name: typeRoot, Says: "the Root OCA",
			Fields: []scenario.Name{
				{Name: "generation", Type: "int", Says: "1 for the key of the start, one more for each that replaced it"},
				{Name: "certificates", Type: "int", Says: "root certificates made so far, renewals for the same key included"},
			},
		},
		{
			Name: typeShares, Says: "the shares of a secret",
			Fields: []scenario.Name{
				{Name: "of", Type: "int", Says: "shares that were made"},
				{Name: "needed", Type: "int", Says: "shares that open the secret"},
				{Name: "parties", Type: "int", Says: "distinct Parties that must be among those who give them"},
				{Name: "safe", Type: "int", Says: "shares that are whole, with their custodian, and seen by nobody else"},
				{Name: "lost", Type: "int", Says: "shares that are missing, corrupt, seen, or left behind by a custodian"},
				{Name: "seen", Type: "int", Says: "shares that somebody else has or may have: at the number needed the key counts as compromised"},
				{Name: "present", Type: "int", Says: "shares that could be brought now: safe or seen, their custodian not away"},
				{Name: "enough", Type: "bool", Says: "those that could be brought open the secret"},
				{Name: "compromised", Type: "bool", Says: "as many were seen as are needed"},
			},
		},
		{
			Name: typeToken, Says: "a token",
			Fields: []scenario.Name{
				{Name: "works", Type: "bool", Says: "it signs"},
				{Name: "fault", Type: "string", Says: "what is wrong with it, empty if nothing is"},
			},
		},
	}
}
