package fleet

import (
	"fmt"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// maxCounter is the greatest sequence number that a payload may carry (DUIS
// 5.4). A greater header counter could be neither repeated in the payload nor
// reported in an answer.
const maxCounter = 1<<63 - 1

// readCommand reads a message and holds it against itself: it must be a
// command, its wrapper must be the one its use case has, and header and payload
// must not contradict each other. It returns the message with a refusal if the
// header at least could be read.
func readCommand(octets []byte, t Type) (*gbcs.Message, *Refusal) {
	m, err := gbcs.Decode(octets)
	if err != nil {
		return nil, refuse(StepFormat, "a GBCS message", "%v", err)
	}
	h := m.Header
	switch {
	case h.CRA != gbcs.CRACommand:
		return m, refuse(StepFormat, "a command", "%v", h.CRA)
	case m.Precommand:
		return m, refuse(StepFormat, "a command", "a pre-command, which nobody has signed")
	case h.Counter > maxCounter:
		return m, refuse(StepFormat, fmt.Sprintf("a counter up to %d", uint64(maxCounter)), "%d", h.Counter)
	}
	switch p := m.Payload.(type) {
	case *gbcs.UpdateSecurityCredentials:
		return m, formOfUpdate(m, p, t)
	case *gbcs.ReadCredentials:
		// The broker reads with a MAC and no signature, others with a signature
		// and no MAC.
		if p.AuthorisingCell.Usage == policy.UsageKeyAgreement {
			return m, wrapper(m, true, false)
		}
		return m, wrapper(m, false, true)
	case *gbcs.IssueCredentials, *gbcs.UpdateDeviceCertificate, *gbcs.ReadDeviceCertificate:
		return m, wrapper(m, true, true)
	case gbcs.Opaque:
		if p.Err != nil {
			return m, refuse(StepFormat, fmt.Sprintf("a payload of message code %v", h.MessageCode), "%v", p.Err)
		}
	}
	return m, refuse(StepFormat, "a use case of CS02", "message code %v", h.MessageCode)
}

// wrapper holds the form of a message against what its use case has (GBCS
// v0.8.1 p.163).
func wrapper(m *gbcs.Message, mac, signed bool) *Refusal {
	if m.MAC == mac && (len(m.Signature) > 0) == signed {
		return nil
	}
	return refuse(StepFormat, wrapperWords(mac, signed), "%s", wrapperWords(m.MAC, len(m.Signature) > 0))
}

func wrapperWords(mac, signed bool) string {
	switch {
	case mac && signed:
		return "MAC and signature"
	case mac:
		return "MAC without signature"
	case signed:
		return "signature without MAC"
	}
	return "neither MAC nor signature"
}

func formOfUpdate(m *gbcs.Message, p *gbcs.UpdateSecurityCredentials, t Type) *Refusal {
	if !p.Mode.Known() || p.Mode.MessageCode() != m.Header.MessageCode {
		return refuse(StepFormat, fmt.Sprintf("the mode of message code %v", m.Header.MessageCode), "%v", p.Mode)
	}
	if p.SeqNumber != m.Header.Counter {
		return refuse(StepFormat, fmt.Sprintf("sequence number %d as in the header", m.Header.Counter), "%d", p.SeqNumber)
	}
	var form *Refusal
	switch p.Mode {
	case gbcs.AccessControlBrokerByACB:
		form = wrapper(m, true, t.Hub())
	case gbcs.AnyExceptAbnormalRootByRecovery, gbcs.AnyByContingency:
		form = wrapper(m, false, true)
	default:
		form = wrapper(m, true, true)
	}
	if form != nil {
		return form
	}
	if has, wants := p.SymmetricKey != nil, p.Mode == gbcs.AnyByContingency; has != wants {
		return refuse(StepFormat, "a plaintext symmetric key in mode anyByContingency and in no other", "mode %v", p.Mode)
	}
	if len(p.Replacements) == 0 {
		return refuse(StepFormat, "one replacement or more", "none")
	}
	if floor, is := highestFloor(p); is && floor > gbcs.MaxCounter {
		return refuse(StepFormat, fmt.Sprintf("floors up to %d", gbcs.MaxCounter), "%d", floor)
	}
	// A mode that cannot touch a role's cells must not move its counter either:
	// it would lock that role out with a key that has no power over it.
	for _, change := range p.OtherChanges {
		if !mayTouchRole(p.Mode, change.Role) {
			return refuse(StepFormat, fmt.Sprintf("floors of roles whose cells %v may replace", p.Mode), "a floor of %v", change.Role)
		}
	}
	return nil
}

func mayTouchRole(mode gbcs.ReplacementMode, role policy.RemotePartyRole) bool {
	return mode.MayReplace(gbcs.TrustAnchorCell{Role: role, Usage: policy.UsageDigitalSignature})
}

// highestFloor is the highest number that a command would set a counter to.
func highestFloor(p *gbcs.UpdateSecurityCredentials) (highest gbcs.OriginatorCounter, is bool) {
	take := func(floors ...gbcs.OriginatorCounter) {
		for _, f := range floors {
			highest, is = max(highest, f), true
		}
	}
	if p.NewFloor != nil {
		take(*p.NewFloor)
	}
	changes := append([]gbcs.SeqNumberChange{{Specialist: p.SpecialistFloors}}, p.OtherChanges...)
	for _, c := range changes {
		take(c.Floor)
		for _, f := range c.Specialist {
			take(f.Floor)
		}
	}
	return highest, is
}
