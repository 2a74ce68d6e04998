package fleet

import (
	"crypto/ecdsa"
	"fmt"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Receive takes the octets of a message at a scenario time, as a device does
// whatever its reach: it checks them, acts, and returns its answer.
//
// The checks run in one order and the first that fails ends it: header and
// format; am I the target; the authorising cell exists, fits the mode and holds
// the originator; the counter is greater than the stored one; for a contingency
// command the key can be unwrapped; the signature; the MAC. Then the counter is
// stored, and the command is carried out or, if it is future dated, kept.
//
// The answer is nil if the message was refused as a whole: check.Refusal says
// why and check.Alerts what the device would report. A command that was carried
// out and failed for some or all of its cells has an answer, and check.Cells
// has a refusal for each such cell. An error is a fault of the simulation (a
// key that does not sign); nothing a sender can do causes one.
func (d *Device) Receive(now time.Time, octets []byte) (answer []byte, check Check, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.receiveLocked(now, Command{Device: d.Index, Octets: octets})
}

// An authority is who stands behind a command, as the device sees it: a role
// whose counter applies, and the keys that signature and MAC are checked with.
type authority struct {
	role   policy.RemotePartyRole
	signer *ecdsa.PublicKey // nil: not signed
	broker *ecdsa.PublicKey // nil: no MAC
}

func (d *Device) receiveLocked(now time.Time, c Command) ([]byte, Check, error) {
	check := Check{At: now, Passed: make([]Step, 0, 7)}

	m, refusal := readCommand(c.Octets, d.Type)
	if m != nil {
		check.Code, check.Originator, check.Counter = m.Header.MessageCode, m.Header.Originator, m.Header.Counter
	}
	if refusal != nil {
		return d.refuseLocked(check, refusal)
	}
	check.pass(StepFormat)

	if m.Header.Recipient != d.ID {
		return d.refuseLocked(check, refuse(StepTarget, d.ID.String(), "%v", m.Header.Recipient))
	}
	check.pass(StepTarget)

	who, refusal := d.authorityLocked(m)
	check.Role = who.role
	if refusal != nil {
		return d.refuseLocked(check, refusal)
	}
	check.pass(StepAuthority)

	if !d.counters.fresh(who.role, m.Header.Counter) {
		return d.refuseLocked(check, refuse(StepCounter,
			fmt.Sprintf("a counter of %v above %d", who.role, d.counters.of(who.role)), "%d", m.Header.Counter))
	}
	check.pass(StepCounter)

	if mode, ok := check.Mode(); ok && mode == gbcs.AnyByContingency {
		if who.signer, refusal = d.contingencyLocked(m); refusal != nil {
			return d.refuseLocked(check, refusal)
		}
		check.pass(StepContingency)
	}
	if who.signer != nil {
		if err := m.VerifySignature(who.signer); err != nil {
			return d.refuseLocked(check, refuse(StepSignature,
				fmt.Sprintf("one by key %v", policy.KeyIDOf(who.signer)), "one that does not verify"))
		}
		check.pass(StepSignature)
	}
	if who.broker != nil {
		z, err := d.sharedSecretLocked(who.broker)
		if err != nil {
			return nil, check, err
		}
		if err := m.VerifyMAC(z); err != nil {
			return d.refuseLocked(check, refuse(StepMAC,
				fmt.Sprintf("one by broker key %v", policy.KeyIDOf(who.broker)), "one that does not verify"))
		}
		check.pass(StepMAC)
	}

	d.refusals = 0
	return d.obeyLocked(m, c, check)
}

// obeyLocked carries out a command whose checks have passed.
func (d *Device) obeyLocked(m *gbcs.Message, c Command, check Check) ([]byte, Check, error) {
	_, reads := m.Payload.(*gbcs.ReadCredentials)
	if !reads || d.fleet.settings.ReadsCount {
		d.counters.set(check.Role, m.Header.Counter)
	}
	check.Effect = Executed
	var answer gbcs.Payload
	switch p := m.Payload.(type) {
	case *gbcs.UpdateSecurityCredentials:
		answer = d.updateLocked(m.Header, p, c, &check)
	case *gbcs.ReadCredentials:
		answer = d.readCredentialsLocked(p)
	case *gbcs.IssueCredentials:
		answer = d.issueLocked(p, &check)
	case *gbcs.UpdateDeviceCertificate:
		answer = d.storeCertificateLocked(p, &check)
	case *gbcs.ReadDeviceCertificate:
		answer = d.readCertificateLocked(p, &check)
	default:
		panic(fmt.Sprintf("fleet: internal error: payload %T passed the checks", p))
	}
	d.noteLocked(check.At, word(check.Effect), check.Reason())
	octets, err := d.respondLocked(m, answer)
	return octets, check, err
}

// refuseLocked ends a message that failed a check. A message for someone else
// is no sign of an attack on this device and counts for nothing.
func (d *Device) refuseLocked(check Check, r *Refusal) ([]byte, Check, error) {
	check.Refusal, check.Effect = r, Refused
	d.noteLocked(check.At, word(check.Effect), check.Reason())
	if r.Step == StepTarget || !d.fleet.settings.AlertOnRefusal {
		return nil, check, nil
	}
	if alert := r.alert(); alert != 0 {
		check.Alerts = append(check.Alerts, alert)
	}
	if limit := d.fleet.settings.MalformedThreshold; limit > 0 {
		d.refusals = uint16((int(d.refusals) + 1) % min(limit, maxMalformedThreshold))
	}
	if d.fleet.settings.MalformedThreshold > 0 && d.refusals == 0 {
		check.Alerts = append(check.Alerts, gbcs.AlertMalformedOrOutOfOrder)
	}
	return nil, check, nil
}

// alert returns the code a device reports for a refusal, or zero. Which failed
// check leads to which code is our inference from the names of the codes.
func (r *Refusal) alert() gbcs.AlertCode {
	switch r.Step {
	case StepAuthority:
		return gbcs.AlertNoAuthority
	case StepSignature:
		return gbcs.AlertSourceAuthenticationFailure
	case StepContingency, StepMAC:
		return gbcs.AlertAuthorisationFailure
	}
	return 0
}
