package room

import (
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/procedure"
)

// briefing is what a seat knows before the drill begins. It is made of the pack and
// of what a scenario tells everybody: no inject, option or answer is read here.
func (h *house) briefing(s Seat) []string {
	sample := ""
	if s.Sample {
		sample = " (sample)"
	}
	switch s.Kind {
	case CustodianSeat:
		return h.custodianBriefing(s, sample)
	case ListenerSeat:
		return []string{
			fmt.Sprintf("You are %s. You are told what would reach you, and you decide nothing in this exercise.", s.Title),
			"Ask what you would ask on the day. What you need and do not hear is worth a note: tell the facilitator.",
		}
	}
	b, _ := h.body(s.Body)
	out := []string{fmt.Sprintf("You are %s: %s.", s.BodyName, strings.TrimPrefix(s.Title, s.BodyName+", "))}
	if h.scenario != nil {
		if p, is := h.scenario.Party(s.Body); is {
			out[0] += fmt.Sprintf(" It is a %s.", p.Category)
		}
	}
	vote := "You attend and speak, and have no vote."
	if s.Vote {
		vote = "You have a vote."
	}
	if s.Alternate != "" {
		vote += fmt.Sprintf(" Your alternate: %s.", s.Alternate)
	}
	out = append(out, vote)
	if b.Quorum > 0 {
		casting := "Nobody has a casting vote."
		if c := b.Casting(); c != "" {
			casting = fmt.Sprintf("At a tie the vote of %s counts once more.", c)
		}
		out = append(out, fmt.Sprintf("Nothing is decided with fewer than %d of %d votes; one answer must have %s. %s%s", b.Quorum, b.Votes(), b.Majority, casting, sample))
	}
	if b.Conflict != "" {
		out = append(out, fmt.Sprintf("A member with an interest in what is decided %s%s. Say it before the vote.", b.Conflict, sample))
	}
	if s.Chair {
		out = append(out, "You lead the discussion, call the vote, openly or blind, and close it.")
	}
	if h.scenario != nil {
		for _, id := range h.scenario.Rehearses {
			step, is := h.pack.Step(id)
			if is && !step.Tells && (step.Actor == s.Body || step.Actor == "affected party" && slices.Contains(h.affected, s.Body)) {
				out = append(out, fmt.Sprintf("In this procedure you have a part in this: %s.%s", step.Says, noted(step.Basis)))
			}
		}
	}
	return append(out, "Each question that comes to you says what is known, which answers there are, until when, and what silence means. Silence never opens a key.")
}

func (h *house) custodianBriefing(s Seat, sample string) []string {
	place := h.places[s.ID]
	var keys []string
	for _, secret := range procedure.Secrets() {
		if c := h.pack.CustodyOf(secret); slices.Contains(c.Seats, place) {
			keys = append(keys, fmt.Sprintf("the %s (%d of %d shares open it, from %d Parties)", keyWords(secret), c.Shares, len(c.Seats), c.Parties))
		}
	}
	out := []string{fmt.Sprintf("You are a Key Custodian, employed by %s. Alone you can open nothing.%s", s.Party, sample)}
	if len(keys) > 0 {
		out = append(out, "You hold a share of "+strings.Join(keys, ", and of ")+sample+".")
	}
	for _, c := range h.pack.Custodians {
		if c.Seat == place && c.Travel > 0 {
			out = append(out, fmt.Sprintf("When you are called it takes you %s to come%s.", spell(c.Travel), sample))
		}
	}
	return append(out,
		"Your envelope holds four words. When you are there and are asked for your share, compare the words of the authorisation with those of the decision on the screen, then type the four words in.",
		"If you believe that the decision is not what you are asked to act on, keep your share back and say why.")
}

func noted(b procedure.Basis) string {
	if b.Note() == "" {
		return ""
	}
	return " (" + b.Note() + ")"
}
