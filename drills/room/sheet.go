package room

import (
	"context"
	"slices"
	"strings"
	"sync"

	"smki.example/drills/engine"
	"smki.example/drills/library"
	"smki.example/drills/play"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

type engineSteering = engine.Steering

// sheet is the facilitator's run sheet.
func (r *Room) sheet(x *sight) *Sheet {
	a := r.st.arranged
	out := &Sheet{Devices: a.Devices, Seed: a.Seed, Speed: a.Speed, Blind: a.Blind, SoloDecides: a.SoloDecides, Errors: r.wrong}
	for _, n := range r.st.notes {
		if n.Private {
			out.Private = append(out.Private, n)
		}
	}
	if r.st.phase == Setup || r.st.phase == Briefing {
		out.Library = slices.Concat(r.library(), r.own)
	}
	s := r.st.scenario()
	if out.Source = a.ScenarioText; r.draft != "" {
		out.Source = r.draft
	}
	if s == nil {
		return out
	}
	out.Minutes = s.Minutes
	out.Fidelity = "Devices, keys, certificates and commands are real and made for this exercise. Times of travel, rates, the mix of the estate and customers' habits are sample data; no meter, network or person is touched."
	for i := range s.Decisions {
		d := &s.Decisions[i]
		out.Choices = append(out.Choices, report.Line{Label: d.Name, Text: d.Asks + " " + strings.Join(d.OptionNames(), " / ")})
	}
	if r.live != nil && r.live.caught && !r.live.ended {
		out.Lines = r.ahead(r.live.control.Ahead())
		return out
	}
	for i := range s.Timeline {
		out.Lines = append(out.Lines, line(r.st.house, &s.Timeline[i], r.drill))
	}
	return out
}

// ahead is the run sheet as the engine has it.
func (r *Room) ahead(list []engine.Due) []SheetLine {
	var out []SheetLine
	for _, d := range list {
		l := line(r.st.house, d.Item, nil)
		l.At, l.When = d.At, d.When
		l.State = map[engine.State]SheetState{
			engine.StateWaiting: Waiting, engine.StateDeciding: Waiting, engine.StateHeld: Held, engine.StateDone: Done,
			engine.StateSkipped: Skipped, engine.StateRuledOut: Skipped, engine.StateMissed: Missed,
		}[d.State]
		for _, m := range d.May {
			l.May = append(l.May, Steering(m))
		}
		out = append(out, l)
	}
	// The next thing is the earliest that waits for its time.
	best := -1
	for i, l := range out {
		if l.State == Waiting && l.When == "" && (best < 0 || l.At < out[best].At) {
			best = i
		}
	}
	if best >= 0 {
		out[best].State = Next
	}
	return out
}

// line is an entry of the timeline, with what a record says of it.
func line(h *house, i *scenario.Item, d *drill) SheetLine {
	l := SheetLine{Step: i.Step, At: i.At, Kind: i.Word(), State: Waiting, What: happens(h, i.Event)}
	if i.When != nil {
		l.At, l.When = i.By, i.When.Source
	}
	if i.Inject != nil {
		l.Text, l.To = i.Inject.Text, i.Inject.To
	}
	if i.If != nil {
		l.What += ", only if " + i.If.Source
	}
	if d == nil {
		return l
	}
	if s, is := d.done[i.Step]; is {
		l.State = s
	} else if d.steered[i.Step] == Skip {
		l.State = Skipped
	}
	return l
}

// shipped are the scenarios that come with the program.
func shipped(p *procedure.Pack) []Drill {
	var out []Drill
	for _, id := range library.IDs() {
		s, err := library.Load(id, verbs.Vocabulary(p))
		if err != nil {
			continue // a committee's own pack need not have what a shipped drill names
		}
		out = append(out, Drill{ID: s.ID, Title: s.Title, Label: s.Label, Minutes: s.Minutes})
	}
	return out
}

// foresee works out what the forecast says of the methods, for the curve that the
// room's screen sets the drill against; once for what is arranged.
func (r *Room) foresee(ctx context.Context, working *sync.WaitGroup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, a := r.st.scenario(), r.st.arranged
	if s == nil || r.st.run == 0 || r.foreseen {
		return
	}
	r.foreseen = true
	working.Go(func() {
		curves, err := play.Forecasts(ctx, s, r.cfg.Procedure, a.Devices)
		if err != nil {
			r.cfg.Log.Info("there is no forecast for this drill", "scenario", s.ID, "reason", err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, c := range curves {
			r.forecast = append(r.forecast, ForecastCurve{Method: c.Method, Points: c.Points, Sample: c.Sample})
		}
		r.bump()
	})
}
