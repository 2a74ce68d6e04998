package verbs

import (
	"fmt"
	"strings"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// believe reads the devices' answers: nothing counts as done that a device's own
// signature does not prove.
func (w *World) believe(happened []*exchange) {
	named := w.keyNames()
	inParallel(len(happened), func(i int) {
		if x := happened[i]; x.outcome == "" {
			w.judge(x)
			x.reason = named.Replace(x.reason)
		}
	})
}

// keyNames puts words in the place of key identifiers: a reason that a person
// reads says whose key it is.
func (w *World) keyNames() *strings.Replacer {
	var pairs []string
	add := func(whose string, set map[purpose]*credential) {
		for _, use := range []purpose{purposeSigning, purposeAgreement, purposePrepayment} {
			if c := set[use]; c != nil {
				pairs = append(pairs, "key "+c.keyID().String(), fmt.Sprintf("%s %s key", whose, use))
			}
		}
	}
	for _, p := range w.parties {
		for i, set := range p.generations {
			name := p.role.String()
			if len(w.partiesOf(p.role)) > 1 {
				name = p.name + "'s"
			}
			if i == 0 {
				add("the first "+name, set)
			} else {
				add("the new "+name, set)
			}
		}
	}
	for _, thief := range w.attackers {
		add("an unknown", thief.set)
	}
	return strings.NewReplacer(pairs...)
}

func (w *World) judge(x *exchange) {
	d := w.fleet.Device(x.device)
	if x.answer == nil {
		x.outcome, x.reason, x.because = outcomeRefused, x.check.Reason(), refusalWords(x.check.Refusal)
		return
	}
	unproven := func(format string, args ...any) {
		x.outcome, x.reason = outcomeUnproven, fmt.Sprintf(format, args...)
		x.because = "the answer proves nothing"
	}
	m, err := gbcs.Decode(x.answer)
	if err != nil {
		unproven("the answer cannot be read: %v", err)
		return
	}
	if err := m.VerifySignature(d.Public(policy.UsageDigitalSignature)); err != nil {
		unproven("the answer: %v", err)
		return
	}
	response, ok := m.Payload.(*gbcs.CommandResponse)
	if alert, is := m.Payload.(*gbcs.Alert); is && x.alert {
		// A kept command was carried out: the alert has what an answer would have had.
		response, ok = &gbcs.CommandResponse{Outcome: &alert.Outcome}, true
	} else if ok && m.Header.Counter != x.counter {
		ok = false
	}
	if !ok || m.Header.Originator != d.ID || response.Outcome != nil && response.Outcome.SeqNumber != x.counter {
		unproven("the answer belongs to another command")
		return
	}
	if response.Outcome == nil {
		w.accepted(x, unproven)
		return
	}
	x.cells = map[gbcs.TrustAnchorCell]gbcs.StatusCode{}
	proven := 0
	for _, cell := range x.plan.cells {
		got, ok := response.Outcome.Cell(cell)
		if !ok {
			unproven("the answer is silent about cell %v", cell)
			return
		}
		x.cells[cell] = got.Status
		if got.Status == gbcs.StatusSuccess && got.ReplacingKeyID == x.plan.put[cell].keyID() {
			proven++
		}
	}
	switch proven {
	case len(x.plan.cells):
		x.outcome = outcomeDone
	case 0:
		x.outcome, x.reason, x.because = outcomeRefused, x.check.Reason(), "every cell refused"
	default:
		x.outcome, x.reason, x.because = outcomePartly, x.check.Reason(), "some cells refused"
	}
}

// code is the response code of an exchange: the status of the first cell that is
// not success, or that of all, or the first alert code if there was no answer.
func (x *exchange) code() string {
	code := ""
	for _, cell := range cellOrder {
		status, is := x.cells[cell]
		if is && (code == "" || status != gbcs.StatusSuccess) {
			code = fmt.Sprint(uint64(status))
		}
		if is && status != gbcs.StatusSuccess {
			break
		}
	}
	if code == "" && len(x.check.Alerts) > 0 {
		code = x.check.Alerts[0].String()
	}
	return code
}

// refusalWords tells the reason of a device without what differs from one device
// to the next.
func refusalWords(r *fleet.Refusal) string {
	if r == nil {
		return "no answer"
	}
	switch r.Step {
	case fleet.StepCounter:
		return "counter: not above what the device has seen"
	case fleet.StepSignature:
		return "signature: not by the key that the device trusts"
	case fleet.StepAuthority:
		return "authority: the signing cell holds another party"
	case fleet.StepMAC:
		return "MAC: not by the broker's key"
	}
	return r.Step.String()
}
