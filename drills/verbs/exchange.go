package verbs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// What can become of a command. The words stand in records: never change one.
const (
	outcomeDone     = "executed"            // the device's signed answer proves every cell
	outcomePartly   = "partly executed"     // it proves some of them
	outcomeRefused  = "refused by device"   // the device said no; the reason is its own
	outcomeBroker   = "refused by broker"   // no MAC, so it was never sent
	outcomeUnsigned = "not signed"          // the key may not or can no longer be used
	outcomeLost     = "not reached"         // nobody is there to answer
	outcomeOnItsWay = "on its way"          // the device is late
	outcomeUnproven = "answer not believed" // signature or content of the answer is wrong
)

// An exchange is one command and what came of it.
type exchange struct {
	attempt
	campaign *campaign
	slot     time.Duration // when it is sent
	counter  gbcs.OriginatorCounter
	octets   []byte // nil if it was never sent
	answer   []byte
	check    fleet.Check
	ref      string

	outcome, reason string
	because         string // the reason without what differs from device to device
	happened        time.Duration
	booked          bool // its octets are in a shard's root
	cells           map[gbcs.TrustAnchorCell]gbcs.StatusCode
	err             error
}

// window carries out all that is due up to a time, and journals one shard for
// each campaign to which something happened. The order of commands is that of
// slots, then campaigns, then devices; the work itself is done on all cores.
func (w *World) window(ctx context.Context, to time.Duration) error {
	w.clock.set(max(to, w.clock.now()))
	var all []*exchange
	for _, c := range w.campaigns {
		for _, a := range c.due(to) {
			slot := min((a.at+slotSize-1)/slotSize*slotSize, to)
			all = append(all, &exchange{attempt: a, campaign: c, slot: slot})
		}
	}
	// Campaigns are in order already; the sort keeps it within a slot.
	slices.SortStableFunc(all, func(a, b *exchange) int { return cmp.Compare(a.slot, b.slot) })
	if len(all) == 0 && !w.fleetDue(to) {
		w.harm.until(w, to)
		return nil
	}
	if err := w.prepare(ctx, all); err != nil {
		return err
	}
	happened, err := w.deliver(ctx, all, to)
	if err != nil {
		return err
	}
	w.changed()
	w.believe(happened)
	if err := w.account(to, all, happened); err != nil {
		return err
	}
	w.counters.see(w, happened)
	w.harm.until(w, to)
	return nil
}

func (w *World) fleetDue(to time.Duration) bool {
	at, ok := w.fleet.Next()
	return ok && !at.After(w.clock.date(to))
}

// prepare makes the octets of each command: asks the broker, takes a counter,
// signs, adds the MAC.
func (w *World) prepare(ctx context.Context, all []*exchange) error {
	path := [][]byte{w.authority.made["issuing-oca"].Raw}
	commands := map[*campaign]*gbcs.UpdateSecurityCredentials{}
	for _, x := range all {
		c := x.campaign
		if c.certificate != nil {
			if why := w.broker.refuses(w.authority, c.party, c.certificate); why != "" {
				x.outcome, x.reason, x.because = outcomeBroker, why, why
				continue
			}
		}
		if commands[c] == nil {
			commands[c] = c.command(path)
		}
		x.counter = c.take()
		x.ref = fmt.Sprintf("%s/%d/%d", c.name, x.device, x.counter)
	}
	var sealed []*exchange
	for _, x := range all {
		if x.outcome != "" {
			continue
		}
		if x.campaign.signer == nil {
			// One by one: each use is in the journal before the token is asked.
			if err := w.signWithRecovery(ctx, x, commands[x.campaign]); err != nil {
				return err
			}
			continue
		}
		sealed = append(sealed, x)
	}
	inParallel(len(sealed), func(i int) {
		x := sealed[i]
		m := w.message(x, commands[x.campaign])
		x.err = m.SignWith(x.campaign.signer(ctx))
		var z []byte
		if x.err == nil {
			z, x.err = w.broker.secret(w, x.device)
		}
		if x.err == nil {
			x.err = m.AddMAC(z)
		}
		if x.err == nil {
			x.octets, x.err = m.Encode()
		}
	})
	for _, x := range sealed {
		if x.err != nil {
			return fmt.Errorf("making a command for device %v: %w", w.fleet.Device(x.device).ID, x.err)
		}
	}
	return nil
}

// message is an exchange's command without protection.
func (w *World) message(x *exchange, command *gbcs.UpdateSecurityCredentials) *gbcs.Message {
	u := *command
	u.SeqNumber = x.counter
	x.campaign.floors(&u)
	return gbcs.NewCommand(gbcs.GroupingHeader{
		Counter: x.counter, Originator: x.campaign.party.entity, Recipient: w.fleet.Device(x.device).ID,
	}, &u)
}

// signWithRecovery signs a command through the custodians' session. The use is
// in the journal, with its decision, before the token is asked.
func (w *World) signWithRecovery(ctx context.Context, x *exchange, command *gbcs.UpdateSecurityCredentials) error {
	cu := w.custody
	// Everything that the session would refuse is looked at first: a use that is in
	// the journal and was refused would be told and never made.
	switch {
	case cu.session == nil || !w.clock.Now().Before(cu.opened.Expires):
		x.reason = "the Recovery key is closed: its authorisation has ended"
	case cu.session.Left() == 0:
		x.reason = "every signature that the authorisation allows was made"
	}
	if x.reason != "" {
		x.outcome, x.because = outcomeUnsigned, x.reason
		return nil
	}
	m := w.message(x, command)
	unsigned, err := m.ToBeSigned()
	if err != nil {
		return err
	}
	signer, err := cu.session.Signer(ctx, cu.label)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(unsigned)
	cu.uses++
	cu.digests = append(cu.digests, hexOf(digest[:]))
	_, err = w.record(journal.KindKeyUse, w.clock.now(), KeyUse{
		Key: string(cu.label), Number: len(cu.session.Uses()) + 1, Digest: hexOf(digest[:]), Authorisation: cu.opened.Authorisation,
		Decision: cu.opened.Decision, DecisionHash: cu.opened.DecisionHash, Use: recoveryUse, Device: w.fleet.Device(x.device).ID.String(),
	})
	if err != nil {
		return err
	}
	if err := m.SignWith(signer); err != nil {
		return err
	}
	x.octets, err = m.Encode()
	return err
}

// deliver sends the commands slot by slot and returns every exchange to which
// something happened, late ones of earlier windows included, in the order of
// scenario time, then device.
func (w *World) deliver(ctx context.Context, all []*exchange, to time.Duration) ([]*exchange, error) {
	var happened []*exchange
	arrive := func(at time.Duration) error {
		late, err := w.fleet.Advance(ctx, w.clock.date(at))
		if err != nil {
			return err
		}
		for i := range late {
			x := w.onTheWay[late[i].Command.Ref]
			if x == nil {
				return fmt.Errorf("verbs: internal error: device %v answers a command that nobody sent", late[i].Device.ID)
			}
			delete(w.onTheWay, x.ref)
			x.campaign.outstanding--
			x.outcome = ""
			if err := x.take(&late[i], w.clock.epoch); err != nil {
				return err
			}
			happened = append(happened, x)
		}
		return nil
	}
	for start := 0; start < len(all); {
		end := start + 1
		for end < len(all) && all[end].slot == all[start].slot {
			end++
		}
		slot := all[start].slot
		if err := arrive(slot); err != nil {
			return nil, err
		}
		var commands []fleet.Command
		byRef := map[string]*exchange{}
		for _, x := range all[start:end] {
			x.happened = slot
			if x.octets == nil {
				happened = append(happened, x)
				continue
			}
			commands = append(commands, fleet.Command{Device: x.device, Octets: x.octets, Ref: x.ref})
			byRef[x.ref] = x
		}
		delivered, err := w.fleet.Deliver(ctx, w.clock.date(slot), commands)
		if err != nil {
			return nil, err
		}
		for i := range delivered {
			x := byRef[delivered[i].Command.Ref]
			if err := x.take(&delivered[i], w.clock.epoch); err != nil {
				return nil, err
			}
			if x.outcome == outcomeOnItsWay {
				w.onTheWay[x.ref] = x
				x.campaign.outstanding++
			}
			happened = append(happened, x)
		}
		start = end
	}
	if err := arrive(to); err != nil {
		return nil, err
	}
	slices.SortStableFunc(happened, func(a, b *exchange) int {
		return cmp.Or(cmp.Compare(a.happened, b.happened), cmp.Compare(a.device, b.device))
	})
	return happened, nil
}

// take keeps what a delivery led to.
func (x *exchange) take(d *fleet.Delivery, epoch time.Time) error {
	if d.Err != nil {
		return fmt.Errorf("device %v: %w", d.Device.ID, d.Err)
	}
	switch d.Fate {
	case fleet.OnItsWay:
		x.outcome = outcomeOnItsWay
		x.reason, x.because = "the device is late", "the device is late"
	case fleet.Lost:
		x.outcome, x.reason, x.because = outcomeLost, "unreachable", "unreachable"
	default:
		x.happened = d.At.Sub(epoch)
		x.answer, x.check = d.Answer, d.Check
		x.reason, x.because = "", ""
	}
	return nil
}

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
			if i == 0 {
				add("the first "+p.role.String(), set)
			} else {
				add("the new "+p.role.String(), set)
			}
		}
	}
	if w.attacker != nil {
		add("an unknown", w.attacker.set)
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
	if err := m.VerifySignature(d.Certificate(policy.UsageDigitalSignature).PublicKey); err != nil {
		unproven("the answer: %v", err)
		return
	}
	response, ok := m.Payload.(*gbcs.CommandResponse)
	if !ok || response.Outcome == nil || m.Header.Originator != d.ID || m.Header.Counter != x.counter {
		unproven("the answer belongs to another command")
		return
	}
	x.cells = map[gbcs.TrustAnchorCell]gbcs.StatusCode{}
	proven := 0
	for _, cell := range x.campaign.cells {
		got, ok := response.Outcome.Cell(cell)
		if !ok {
			unproven("the answer is silent about cell %v", cell)
			return
		}
		x.cells[cell] = got.Status
		if got.Status == gbcs.StatusSuccess && got.ReplacingKeyID == credentialFor(x.campaign.set, cell).keyID() {
			proven++
		}
	}
	switch proven {
	case len(x.campaign.cells):
		x.outcome = outcomeDone
	case 0:
		x.outcome, x.reason, x.because = outcomeRefused, x.check.Reason(), "every cell refused"
	default:
		x.outcome, x.reason, x.because = outcomePartly, x.check.Reason(), "some cells refused"
	}
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
