package gbcs

import (
	"fmt"
)

// Check returns what is unusual or wrong about the message as far as its own
// fields tell. It reads no certificate and verifies nothing: [Inspect] does
// both. A device's own checks (is the counter fresh, does the cell exist) are
// not here either.
func (m *Message) Check() []Finding {
	var f findings
	m.checkHeader(&f)
	m.checkProtection(&f)
	if m.Form == LengthsTwoOctet {
		level := LevelInfo
		if m.Header.CRA == CRACommand {
			level = LevelWarning
		}
		f.add(level, FindingLengthForm, "payload", "lengths of 128 to 255 are written 82 00 xx; DER has 81 xx")
	}
	if m.Form == LengthsAsReceived {
		f.add(LevelWarning, FindingLengthForm, "payload", "%s: written back as received", m.oddity)
	}
	switch p := m.Payload.(type) {
	case Opaque:
		if p.Err != nil {
			f.add(LevelError, FindingMalformedPayload, "payload", "%v", p.Err)
		} else {
			f.add(LevelInfo, FindingUnknownUseCase, "payload", "%s with message code %s is not read here: %d octets kept as they are", m.Header.CRA, m.Header.MessageCode, len(p.Octets))
		}
	case *UpdateSecurityCredentials:
		m.checkUpdate(&f, p)
	case *CommandResponse:
		if p.Outcome != nil {
			m.checkOutcome(&f, p.Outcome)
		}
	case *Alert:
		m.checkOutcome(&f, &p.Outcome)
		if p.Code != AlertFutureDatedActioned && p.Code != AlertFutureDatedNotActioned {
			f.add(LevelWarning, FindingStatus, "alert code", "%s is neither %s nor %s", p.Code, AlertFutureDatedActioned, AlertFutureDatedNotActioned)
		} else if (p.Code == AlertFutureDatedActioned) != p.Outcome.Succeeded() {
			f.add(LevelWarning, FindingStatus, "alert code", "%s (%s), but the outcomes of the cells say otherwise", p.Code, p.Code.Meaning())
		}
	case *ReadCredentials:
		if len(p.Roles) == 0 || len(p.Roles) > maxRolesAsked {
			f.add(LevelWarning, FindingRoles, "", "%d roles asked for; a service request asks for 1 to %d", len(p.Roles), maxRolesAsked)
		}
	}
	return f
}

func (m *Message) checkHeader(f *findings) {
	h := m.Header
	_, update := h.MessageCode.Mode()
	wanted := update && h.CRA == CRAResponse
	known := h.MessageCode.UseCase() != ""
	if known && wanted && len(h.DateTime) == 0 {
		f.add(LevelWarning, FindingDateTime, "header", "no date-time; answers to %s have one", h.MessageCode.UseCase())
	}
	if known && !wanted && len(h.DateTime) > 0 {
		f.add(LevelWarning, FindingDateTime, "header", "a date-time, which no %s of %s has", h.CRA, h.MessageCode.UseCase())
	}
	if n := len(h.Supplementary); n > 0 && known {
		f.add(LevelWarning, FindingOtherInformation, "header", "%d octets after the message code; %s has none", n, h.MessageCode.UseCase())
	} else if n < 24 && n%8 != 0 {
		f.add(LevelWarning, FindingOtherInformation, "header", "other-information of %d octets, not 2, 10, 18, 26 or a certificate longer", n+2)
	}
}

// checkProtection compares signature and MAC with what messages of the use case
// have (GBCS p.163).
func (m *Message) checkProtection(f *findings) {
	h := m.Header
	signed := m.Signature != nil
	if m.Precommand {
		if m.TrailingZero {
			f.add(LevelInfo, FindingPrecommand, "", "a pre-command that ends with a zero octet; the octet is not signed")
		}
		if mode, ok := h.MessageCode.Mode(); ok && mode >= AccessControlBrokerByACB && mode <= AnyByContingency {
			f.add(LevelInfo, FindingPrecommand, "", "%s has no pre-command: the DCC makes the command itself", mode)
		}
		return
	}
	wrong := func(want string) {
		f.add(LevelWarning, FindingProtection, "", "%s; this message should have %s", protection(signed, m.MAC), want)
	}
	if h.MessageCode.UseCase() == "" {
		if !signed && !m.MAC {
			wrong("one of them at least")
		}
		return
	}
	reads := h.MessageCode == CodeReadCredentials || h.MessageCode == CodeReadCredentialsLoadController
	switch {
	case reads && signed == m.MAC:
		wrong("a MAC alone (access control broker) or a signature alone (any other party)")
	case reads:
	case h.CRA != CRACommand:
		if !signed || m.MAC {
			wrong("the device's signature alone")
		}
	default:
		mode, update := h.MessageCode.Mode()
		u, _ := m.Payload.(*UpdateSecurityCredentials)
		switch {
		case update && (mode == AnyExceptAbnormalRootByRecovery || mode == AnyByContingency):
			if !signed || m.MAC {
				wrong("a signature alone")
			}
		case update && mode == AccessControlBrokerByACB:
			hub := u != nil && u.AuthorisingCell != nil
			if !m.MAC || signed != hub {
				wrong("a MAC alone, or on a communications hub, where there is an authorising cell, a signature and a MAC")
			}
			if hub {
				f.add(LevelInfo, FindingOurReading, "", "the form for a communications hub is from the text of GBCS v0.8.1; no public message shows it")
			}
		case !signed || !m.MAC:
			wrong("a signature and a MAC")
		}
	}
}

func protection(signed, mac bool) string {
	switch {
	case signed && mac:
		return "a signature and a MAC"
	case signed:
		return "a signature and no MAC"
	case mac:
		return "a MAC and no signature"
	}
	return "neither signature nor MAC"
}

func (m *Message) checkMode(f *findings, mode ReplacementMode) {
	coded, ok := m.Header.MessageCode.Mode()
	switch {
	case !mode.Known():
		f.add(LevelWarning, FindingMode, "", "%s is not known", mode)
	case ok && coded != mode:
		f.add(LevelWarning, FindingMode, "", "%s, but message code %s is %s", mode, m.Header.MessageCode, coded)
	case m.Header.MessageCode == CodeUpdateAlert && mode.LoadController(),
		m.Header.MessageCode == CodeUpdateAlertLoadController && !mode.LoadController():
		f.add(LevelWarning, FindingMode, "", "%s does not belong to message code %s", mode, m.Header.MessageCode)
	}
	if m.Header.CRA != CRACommand {
		return
	}
	if mode == RootBySupplier || mode == RootByWANProvider || mode == AnyByContingency {
		f.add(LevelInfo, FindingOurReading, "", "no public command shows %s: authorising cell and wrap of the key are our reading", mode)
	}
}

func (m *Message) checkUpdate(f *findings, u *UpdateSecurityCredentials) {
	m.checkMode(f, u.Mode)
	if u.SeqNumber != m.Header.Counter {
		f.add(LevelWarning, FindingCounter, "sequence number", "%d, but the counter of the header is %d", u.SeqNumber, m.Header.Counter)
	}
	checkCounter(f, "sequence number", u.SeqNumber)
	if u.NewFloor != nil {
		checkCounter(f, "new floor", *u.NewFloor)
	}
	for _, c := range u.OtherChanges {
		checkCounter(f, "floor of "+c.Role.String(), c.Floor)
	}
	if (u.SymmetricKey != nil) != (u.Mode == AnyByContingency) {
		f.add(LevelError, FindingSymmetricKey, "", "a symmetric key is there in anyByContingency and in no other mode")
	} else if n := len(u.SymmetricKey); u.SymmetricKey != nil && n != 16 && n != 32 {
		f.add(LevelWarning, FindingSymmetricKey, "", "a symmetric key of %d octets, neither 16 nor 32", n)
	}
	if want, ok := u.Mode.AuthorisingCell(); ok {
		switch {
		case u.AuthorisingCell == nil && u.Mode != AccessControlBrokerByACB:
			f.add(LevelError, FindingAuthorisingCell, "", "none; %s is authorised by %s", u.Mode, want)
		case u.AuthorisingCell != nil && *u.AuthorisingCell != want:
			f.add(LevelError, FindingAuthorisingCell, "", "%s; %s is authorised by %s", u.AuthorisingCell, u.Mode, want)
		}
	}
	if len(u.Replacements) == 0 {
		f.add(LevelWarning, FindingReplacedCell, "replacements", "there are none")
	}
	seen := map[TrustAnchorCell]bool{}
	for i, r := range u.Replacements {
		where := r.where(i)
		if seen[r.Cell] {
			f.add(LevelWarning, FindingReplacedCell, where, "the cell is there a second time")
		}
		seen[r.Cell] = true
		if u.Mode.Known() && !u.Mode.MayReplace(r.Cell) {
			f.add(LevelError, FindingReplacedCell, where, "the cell may not be changed by %s", u.Mode)
		}
	}
	if n := len(u.Path); n == 0 || n > maxPathCertificates {
		f.add(LevelWarning, FindingPath, "path", "%d certificates; a service request gives 1 to %d", n, maxPathCertificates)
	} else if n > 1 {
		f.add(LevelInfo, FindingPath, "path", "%d certificates; every public message has one", n)
	}
}

// where names the replacement in findings.
func (r Replacement) where(i int) string { return fmt.Sprintf("replacement %d (%s)", i+1, r.Cell) }

func checkCounter(f *findings, where string, c OriginatorCounter) {
	if c > MaxCounter {
		f.add(LevelWarning, FindingCounter, where, "%d is greater than 2^63-1", c)
	}
}

func (m *Message) checkOutcome(f *findings, o *UpdateOutcome) {
	m.checkMode(f, o.Mode)
	if m.Header.CRA == CRAResponse && o.SeqNumber != m.Header.Counter {
		f.add(LevelWarning, FindingCounter, "sequence number", "%d, but the counter of the header is %d", o.SeqNumber, m.Header.Counter)
	}
	checkCounter(f, "sequence number", o.SeqNumber)
	for _, c := range o.Changes {
		checkCounter(f, "floor of "+c.Role.String(), c.Floor)
	}
	for i, c := range o.Cells {
		where := fmt.Sprintf("outcome %d (%s)", i+1, c.Cell)
		if o.Mode.Known() && !o.Mode.MayReplace(c.Cell) {
			f.add(LevelWarning, FindingReplacedCell, where, "the cell may not be changed by %s", o.Mode)
		}
		same := c.ExistingID == c.ReplacingID && c.ExistingKeyID == c.ReplacingKeyID
		switch {
		case c.Status != StatusSuccess && !same:
			f.add(LevelWarning, FindingStatus, where, "it failed (%s), but its replacing values are not the existing ones", c.Status)
		case c.Status != StatusSuccess:
			f.add(LevelInfo, FindingStatus, where, "it failed: %s", c.Status)
		}
	}
}

// Malformed returns why the payload of a use case that is read here could not be
// read, or nil.
func (m *Message) Malformed() error {
	if o, ok := m.Payload.(Opaque); ok && o.Err != nil {
		return o.Err
	}
	return nil
}
