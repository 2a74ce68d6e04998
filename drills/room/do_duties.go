package room

import (
	"slices"

	"smki.example/drills/report"
	"smki.example/drills/roombook"
)

func (r *Room) planShare(me *person, a GiveShare) (plan, error) {
	if _, err := r.sits(me, a.Seat); err != nil {
		return plan{}, err
	}
	if err := r.inPlay(); err != nil {
		return plan{}, err
	}
	of := shareOf{a.Seat, a.Key}
	k := r.live.calls[of]
	if k == nil || k.done != "" {
		return plan{}, refuse("Your share of this key is not asked for now.")
	}
	share := roombook.Share{Seat: string(a.Seat), Key: a.Key, Did: shareGiven}
	switch {
	case a.Withhold:
		share.Did = shareWithheld
		w, _ := writes(share)
		w.then = func() error { k.answered(given{}, shareWithheld); return nil }
		return w, nil
	case !r.live.opens(of, a.Code):
		share.Did = shareMistyped
		w, _ := writes(share)
		w.then = func() error {
			k.mistyped = true
			return refuse("These are not the words of your envelope. Look at them again and type them in once more.")
		}
		return w, nil
	}
	w, _ := writes(share)
	w.then = func() error { k.answered(given{r.live.envelopes[of], true}, shareGiven); return nil }
	return w, nil
}

func (r *Room) planTell(me *person, a TellWhom) (plan, error) {
	if err := r.inPlay(); err != nil {
		return plan{}, err
	}
	i := slices.IndexFunc(r.live.drill.duties, func(d duty) bool { return d.Step == a.Step && !r.live.done[d.seq] })
	if i < 0 {
		return plan{}, refuse("There is nobody to tell under this step: it is done, or not yet due.")
	}
	d := r.live.drill.duties[i]
	by := "the facilitator"
	if me.role != Facilitator || a.Seat != "" {
		seat, err := r.sits(me, a.Seat)
		if err != nil {
			return plan{}, err
		}
		if len(dutySeats(r.st, d.Notify, []SeatID{a.Seat})) == 0 {
			return plan{}, refuse("This is for %s to tell.", d.From)
		}
		by = seat.Title
	}
	w, _ := writes(roombook.Told{Seat: string(a.Seat), Step: a.Step, Whom: d.Whom})
	w.then = func() error {
		if err := r.live.control.Told(a.Step, by); err != nil {
			return refuse("%s.", report.Capital(err.Error()))
		}
		r.live.done[d.seq] = true
		return nil
	}
	return w, nil
}
