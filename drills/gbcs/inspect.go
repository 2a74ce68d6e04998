package gbcs

import (
	"fmt"
	"time"

	"smki.example/policy"
)

// A Result is what came of checking a signature or a MAC. Its zero value is not
// one.
type Result uint8

const (
	// ResultNone means that there is nothing to check.
	ResultNone Result = iota + 1
	// ResultNotChecked means that the keyring has no key for it.
	ResultNotChecked
	// ResultValid means that a key of the keyring made it.
	ResultValid
	// ResultWrong means that the keyring has keys for it and none of them made it.
	ResultWrong
)

func (r Result) String() string {
	switch r {
	case ResultNone:
		return "none"
	case ResultNotChecked:
		return "notChecked"
	case ResultValid:
		return "valid"
	case ResultWrong:
		return "wrong"
	}
	return fmt.Sprintf("result %d", uint8(r))
}

// MarshalText writes the form of String.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// A Verdict is a result with its reason in words, and the key that made it so.
type Verdict struct {
	Result Result
	Reason string
	// Source is the file, and KeyID the key, that a valid signature was made
	// with. Of a valid MAC Parties are the two whose secret it was.
	Source  string
	KeyID   policy.KeyID
	Parties [2]policy.EntityID
}

// An Inspection is all that can be said about a message from the outside.
type Inspection struct {
	Signature Verdict
	MAC       Verdict
	Findings  []Finding // those of Check first
}

// Inspect checks signature and MAC with the keys of the ring, reads the
// certificates inside the message, and follows each to an anchor. The time is
// for validity periods alone: an expired certificate is a finding of the least
// level. It does not play a device: counters and cells are not known here.
func Inspect(m *Message, k *Keyring, now time.Time) Inspection {
	in := Inspection{Signature: k.verifySignature(m), MAC: k.verifyMAC(m)}
	f := findings(m.Check())
	c := certificateCheck{findings: &f, keyring: k, now: now}
	switch p := m.Payload.(type) {
	case *UpdateSecurityCredentials:
		c.update(p)
	case *UpdateDeviceCertificate:
		c.device("device certificate", p.Certificate, m.Header.Recipient)
	case *DeviceCertificateResponse:
		if p.Certificate != nil {
			c.device("device certificate", p.Certificate, m.Header.Originator)
		}
	case *IssueResponse:
		if p.Request != nil {
			c.request("certification request", p.Request, m.Header.Originator)
		}
	}
	in.Findings = f
	return in
}

func (k *Keyring) verifySignature(m *Message) Verdict {
	if m.Signature == nil {
		if m.Precommand {
			return Verdict{Result: ResultNone, Reason: "a pre-command is not signed"}
		}
		return Verdict{Result: ResultNone, Reason: "the message has none"}
	}
	// keys are those of which one must have made the signature; others may have.
	originator := m.Header.Originator
	keys, others := k.signers(originator), []signingKey(nil)
	missing := fmt.Sprintf("no certificate of %s for digitalSignature", originator)
	if u, ok := m.Payload.(*UpdateSecurityCredentials); ok && u.Mode == AnyByContingency {
		others = append(keys, k.bareKeys()...)
		keys = k.contingencyKeys(u.SymmetricKey)
		missing = "no root certificate whose contingency key the symmetric key of the command unwraps"
	}
	for _, key := range append(keys, others...) {
		if m.VerifySignature(key.PublicKey) == nil {
			reason := fmt.Sprintf("key %s from %s", key.keyID, key.source)
			if key.certificate != nil {
				reason = fmt.Sprintf("certificate %s, key %s, of %s", key.source, key.keyID, originator)
			}
			return Verdict{Result: ResultValid, Reason: reason, Source: key.source, KeyID: key.keyID}
		}
	}
	switch len(keys) {
	case 0:
		return Verdict{Result: ResultNotChecked, Reason: missing}
	case 1:
		return Verdict{Result: ResultWrong, Reason: fmt.Sprintf("the key of %s did not make it", keys[0].source)}
	}
	return Verdict{Result: ResultWrong, Reason: fmt.Sprintf("none of the %d keys of %s made it", len(keys), originator)}
}

// verifyMAC tries the secrets that may have made the MAC. In an answer the
// parties are in the header. In a command the recipient is, and the other is the
// access control broker, which the header need not name: every secret of the
// device is tried, and a wrong one proves nothing if its party is known to be
// somebody else.
func (k *Keyring) verifyMAC(m *Message) Verdict {
	if !m.MAC {
		return Verdict{Result: ResultNone, Reason: "the message has none"}
	}
	h := m.Header
	tried := 0
	for _, s := range k.secrets {
		device, other := s.a, s.b
		if h.CRA == CRACommand {
			if other == h.Recipient {
				device, other = other, device
			}
			if device != h.Recipient {
				continue
			}
		} else {
			if other == h.Originator {
				device, other = other, device
			}
			if device != h.Originator || other != h.Recipient {
				continue
			}
		}
		if m.VerifyMAC(s.z) == nil {
			return Verdict{Result: ResultValid, Reason: fmt.Sprintf("shared secret of %s and %s", other, device), Source: s.source, Parties: [2]policy.EntityID{other, device}}
		}
		if h.CRA == CRACommand {
			if broker, known := k.isRole(other, policy.RoleAccessControlBroker); known && !broker {
				continue
			}
		}
		tried++
	}
	if tried > 0 {
		return Verdict{Result: ResultWrong, Reason: fmt.Sprintf("none of %d shared secrets made it", tried)}
	}
	if h.CRA == CRACommand {
		return Verdict{Result: ResultNotChecked, Reason: fmt.Sprintf("no shared secret of the access control broker and %s", h.Recipient)}
	}
	return Verdict{Result: ResultNotChecked, Reason: fmt.Sprintf("no shared secret of %s and %s", h.Originator, h.Recipient)}
}
