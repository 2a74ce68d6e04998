package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// vote asks each member with a vote, and writes down for the minutes who was there,
// who abstained, who has an interest and who is stood in for. The answer has no option
// if the votes decide nothing: the engine says why, and the question is put again.
func (a *asker) vote(ctx context.Context, q engine.Question, answer *engine.Answer) (silent bool, err error) {
	a.screen.say(2, "VOTE: "+q.Voting.Says+".")
	for _, o := range q.Options {
		if o.Opens != "" {
			a.screen.say(2, fmt.Sprintf("%q opens the %s key with that majority, and with nothing less.", o.Name, o.Opens))
		}
	}
	a.screen.say(2, fmt.Sprintf("Number or name of an answer for each member. Enter: absent. \"all 2\": everybody who is left votes for 2. "+
		"\"abstain\" and why: there, and casts no vote. \"interest\" and which: declares one. \"alternate\" and a name: somebody sits in for the member. %q lets the time run out.", nothing))
	var members []scenario.Member
	for _, m := range q.Body.Members {
		if m.Vote {
			members = append(members, m)
		}
	}
	present := []string{}
	defer func() { answer.Present, answer.Conflicts, answer.Alternates = present, a.declared, a.standIn }()
	for len(members) > 0 {
		m := members[0]
		if a.out(q, m) {
			present = append(present, m.ID)
			members = members[1:]
			continue
		}
		text, err := a.keys.ask(ctx, "  "+m.Name+": ")
		if err != nil {
			return false, err
		}
		word, rest, _ := strings.Cut(text, " ")
		word, rest = strings.ToLower(word), strings.TrimSpace(rest)
		option := choose(q, text)
		switch {
		case text == "":
			members = members[1:]
		case strings.EqualFold(text, nothing):
			return true, nil
		case option != "":
			answer.Votes = append(answer.Votes, journal.Vote{Member: m.ID, Option: option})
			present = append(present, m.ID)
			members = members[1:]
		case word == "all" && choose(q, rest) != "":
			for _, m := range members {
				if present = append(present, m.ID); !a.out(q, m) {
					answer.Votes = append(answer.Votes, journal.Vote{Member: m.ID, Option: choose(q, rest)})
				}
			}
			members = nil
		case word == "abstain":
			answer.Abstained = append(answer.Abstained, journal.Abstention{Member: m.ID, Reason: rest})
			present = append(present, m.ID)
			members = members[1:]
		case word == "interest" && rest != "":
			a.declared = append(a.declared, journal.Conflict{Member: m.ID, Interest: rest})
			if noVote, _ := q.Interest(); !noVote {
				a.screen.say(4, "Noted for the minutes; by the rule of this body the vote stays: now the vote.")
			}
		case word == "alternate" && rest != "":
			a.standIn = slices.DeleteFunc(a.standIn, func(x journal.Alternate) bool { return x.Member == m.ID })
			a.standIn = append(a.standIn, journal.Alternate{Member: m.ID, Name: rest})
			a.screen.say(4, fmt.Sprintf("%s sits in for %s: now the vote.", rest, m.Name))
		case word == "interest", word == "alternate":
			a.screen.say(4, fmt.Sprintf("Write %q and %s.", word, map[string]string{"interest": "which it is", "alternate": "who it is"}[word]))
		default:
			a.noOption(text)
		}
	}
	if t := q.Count(answer.Votes); t.Option != "" {
		answer.Option = t.Option
		a.screen.say(2, fmt.Sprintf("%s: %s.", strings.ToUpper(t.Option), t.Split))
	}
	return false, nil
}

// out says whether a member has lost the vote in this question by an interest, and
// tells the room.
func (a *asker) out(q engine.Question, m scenario.Member) bool {
	declared := slices.ContainsFunc(a.declared, func(c journal.Conflict) bool { return c.Member == m.ID })
	noVote, leaves := q.Interest()
	switch {
	case !declared || !noVote:
		return false
	case leaves:
		a.screen.say(2, m.Name+": has an interest, leaves the room and has no vote in this.")
	default:
		a.screen.say(2, m.Name+": has an interest, is heard, and has no vote in this.")
	}
	return true
}
