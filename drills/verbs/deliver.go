package verbs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"smki.example/drills/fleet"
)

// fleetDue reports whether anything reaches a late device up to a time.
func (w *World) fleetDue(to time.Duration) bool {
	at, ok := w.fleet.Next()
	return ok && !at.After(w.clock.date(to))
}

// deliver sends the commands slot by slot and returns every exchange to which
// something happened, late ones of earlier windows included, in the order of
// scenario time, then device.
func (w *World) deliver(ctx context.Context, all []*exchange, to time.Duration) ([]*exchange, error) {
	var happened []*exchange
	// What is sent to a sleepy device may reach it in the same window: then only the
	// arrival is told.
	sentNow := map[*exchange]int{}
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
			if late[i].Check.IsAlert {
				x = w.alerted(x)
			}
			if err := x.take(&late[i], w.clock.epoch); err != nil {
				return err
			}
			w.mind(x)
			if i, is := sentNow[x]; is {
				happened[i] = nil
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
				sentNow[x] = len(happened)
			}
			w.mind(x)
			happened = append(happened, x)
		}
		start = end
	}
	if err := arrive(to); err != nil {
		return nil, err
	}
	happened = slices.DeleteFunc(happened, func(x *exchange) bool { return x == nil })
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
		why := "the device is late"
		if d.Device.Reach() == fleet.Sleepy {
			why = "the device is asleep"
		}
		x.reason, x.because = why, why
	case fleet.Lost:
		why := "unreachable"
		if d.Device.NoWAN {
			why = "no WAN"
		}
		x.outcome, x.reason, x.because = outcomeLost, why, why
	case fleet.Unheard:
		// What the device did is kept for the closing checks; nobody in the drill
		// reads it. Sent again, the command would be refused by a device that has
		// changed its keys: whoever wants to know reads them back.
		x.happened, x.check = d.At.Sub(epoch), d.Check
		x.outcome = outcomeUnheard
		x.reason, x.because = "no answer arrived; a read-back tells whether the device acted", "no answer arrived"
	default:
		x.happened = d.At.Sub(epoch)
		x.answer, x.check = d.Answer, d.Check
		x.reason, x.because = "", ""
	}
	return nil
}
