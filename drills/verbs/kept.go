package verbs

import (
	"fmt"
	"maps"
	"slices"

	"smki.example/drills/fleet"
	"smki.example/drills/journal"
)

// mind keeps an eye on a command that a device has accepted for later: its alert
// will come. A device keeps one command of a mode; what it dropped for this one, or
// because this one cancels, will send none.
func (w *World) mind(x *exchange) {
	effect := x.check.Effect
	// That its acceptance was lost on the way changes nothing on the device.
	if x.alert || effect != fleet.Kept && effect != fleet.Cancelled {
		return
	}
	w.kept[x.device] = slices.DeleteFunc(w.kept[x.device], func(old *exchange) bool {
		if old.campaign.mode != x.campaign.mode {
			return false
		}
		delete(w.onTheWay, old.ref)
		old.campaign.outstanding--
		return true
	})
	if effect == fleet.Kept {
		w.kept[x.device] = append(w.kept[x.device], x)
		w.onTheWay[x.ref] = x
		x.campaign.outstanding++
	}
}

// alerted is the exchange of a kept command's alert. It is one of its own, because
// the command's acceptance has been told.
func (w *World) alerted(x *exchange) *exchange {
	w.kept[x.device] = slices.DeleteFunc(w.kept[x.device], func(old *exchange) bool { return old == x })
	alert := *x
	alert.alert, alert.booked, alert.reason, alert.because, alert.cells = true, true, "", "", nil
	return &alert
}

// keptOn are the devices that keep a command about a party.
func (w *World) keptOn(p *party) []int {
	devices := []int{}
	for _, device := range slices.Sorted(maps.Keys(w.kept)) {
		if slices.ContainsFunc(w.kept[device], func(x *exchange) bool { return x.campaign.about == p }) {
			devices = append(devices, device)
		}
	}
	return devices
}

// accepted judges an answer that says the command was taken and nothing more: right
// for one that is to be kept or that cancels.
func (w *World) accepted(x *exchange, unproven func(format string, args ...any)) {
	until := x.plan.update.ExecuteAt
	switch {
	case x.campaign.cancels:
		x.outcome = outcomeCancels
	case until == nil:
		unproven("the answer does not say what became of the cells")
	default:
		x.outcome = outcomeKept
		x.reason = fmt.Sprintf("until %s", journal.FormatAt(until.Sub(w.clock.epoch)))
		x.because = x.reason
	}
}
