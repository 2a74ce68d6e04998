package engine

import (
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// What a member with an interest does, in the words of the procedure pack
// (procedure.Conflicts). A body without a rule takes nothing away.
const (
	declaresAndVotes  = "declares it and votes"
	declaresOnly      = "declares it and does not vote"
	declaresAndLeaves = "declares it and leaves the room"
)

// Interest says what the rule of the body does with a member who has an interest:
// takes the vote away, and sends the member out of the room.
func (q Question) Interest() (noVote, leaves bool) {
	return q.Body.Conflict == declaresOnly || q.Body.Conflict == declaresAndLeaves, q.Body.Conflict == declaresAndLeaves
}

// meeting is what the minutes say of those who answered.
type meeting struct {
	votes      []journal.Vote
	present    []string
	absent     []string
	abstained  []journal.Abstention
	conflicts  []journal.Conflict
	alternates []journal.Alternate
}

// meets reads an answer by the rules of the body: who voted or abstained was there,
// who has an interest has the rule done to them. It says why an answer cannot be
// taken, or nothing.
func meets(q Question, a Answer) (m meeting, why string) {
	m.interests(q, a)
	for _, v := range a.Votes {
		if c := m.interest(v.Member); c != nil {
			if !c.MayVote {
				return m, fmt.Sprintf("%q has declared an interest and has no vote in this: by the rule of %s, a member with an interest %s", v.Member, bodyName(q.Body), c.Rule)
			}
			v.Conflict = c.Interest
		}
		m.votes = append(m.votes, v)
	}
	for _, x := range a.Abstained {
		switch c := m.interest(x.Member); {
		case !q.hasVote(x.Member):
			return m, fmt.Sprintf("%q has no vote in %s to abstain with", x.Member, q.Body.ID)
		case c != nil && !c.MayVote:
			return m, fmt.Sprintf("%q has declared an interest and has no vote in this to abstain with", x.Member)
		case slices.ContainsFunc(a.Votes, func(v journal.Vote) bool { return v.Member == x.Member }):
			return m, fmt.Sprintf("%q has voted and abstained", x.Member)
		case slices.ContainsFunc(m.abstained, func(y journal.Abstention) bool { return y.Member == x.Member }):
			return m, fmt.Sprintf("%q has abstained twice", x.Member)
		}
		m.abstained = append(m.abstained, x)
	}
	for _, x := range a.Alternates {
		i := slices.IndexFunc(q.Body.Members, func(b scenario.Member) bool { return b.ID == x.Member })
		switch {
		case i < 0 && len(q.Body.Members) > 0:
			return m, fmt.Sprintf("%q is no member of %s whom anybody could stand in for", x.Member, q.Body.ID)
		case slices.ContainsFunc(m.alternates, func(y journal.Alternate) bool { return y.Member == x.Member }):
			return m, fmt.Sprintf("two alternates stand in for %q", x.Member)
		}
		if x.Says = q.Body.Alternates; i >= 0 && q.Body.Members[i].Alternate != "" {
			x.Says = q.Body.Members[i].Alternate
		}
		m.alternates = append(m.alternates, x)
	}
	if !slices.Contains([]string{"", "open", "blind"}, a.Ballot) {
		return m, fmt.Sprintf("a ballot is open or blind, not %q", a.Ballot)
	}
	return m, m.attendance(q, a)
}

// interests keeps each interest that was declared, once, in the order of the body.
func (m *meeting) interests(q Question, a Answer) {
	noVote, leaves := q.Interest()
	add := func(member, interest string) {
		if c := m.interest(member); c != nil {
			if interest != "" && !strings.Contains(c.Interest, interest) {
				c.Interest += "; " + interest
			}
			return
		}
		m.conflicts = append(m.conflicts, journal.Conflict{Member: member, Interest: interest, Rule: q.Body.Conflict, MayVote: q.hasVote(member) && !noVote, Left: leaves})
	}
	for _, c := range a.Conflicts {
		add(c.Member, c.Interest)
	}
	for _, v := range a.Votes {
		if v.Conflict != "" {
			add(v.Member, v.Conflict)
		}
	}
	slices.SortStableFunc(m.conflicts, func(x, y journal.Conflict) int { return q.seat(x.Member) - q.seat(y.Member) })
}

// attendance says who was there and who was not. An answer that does not say who
// was present says nothing about who was absent.
func (m *meeting) attendance(q Question, a Answer) (why string) {
	if a.Present == nil {
		return ""
	}
	there := slices.Clone(a.Present)
	for _, v := range a.Votes {
		there = append(there, v.Member)
	}
	for _, x := range m.abstained {
		there = append(there, x.Member)
	}
	for _, x := range m.alternates {
		there = append(there, x.Member)
	}
	out := func(member string) bool { c := m.interest(member); return c != nil && c.Left }
	for _, member := range there {
		if len(q.Body.Members) > 0 && q.seat(member) == len(q.Body.Members) {
			return fmt.Sprintf("%q is no member of %s", member, q.Body.ID)
		}
		if !out(member) && !slices.Contains(m.present, member) {
			m.present = append(m.present, member)
		}
	}
	slices.SortStableFunc(m.present, func(x, y string) int { return q.seat(x) - q.seat(y) })
	for _, b := range q.Body.Members {
		if b.Vote && !out(b.ID) && !slices.Contains(m.present, b.ID) {
			m.absent = append(m.absent, b.ID)
		}
	}
	return ""
}

// interest is what a member declared, or nil.
func (m *meeting) interest(member string) *journal.Conflict {
	i := slices.IndexFunc(m.conflicts, func(c journal.Conflict) bool { return c.Member == member })
	if i < 0 {
		return nil
	}
	return &m.conflicts[i]
}

// seat is the place of a member in the body; who is none comes last.
func (q Question) seat(member string) int {
	i := slices.IndexFunc(q.Body.Members, func(m scenario.Member) bool { return m.ID == member })
	if i < 0 {
		return len(q.Body.Members)
	}
	return i
}

// hasVote says whether a member has a vote. A body whose pack names no members lets
// anybody vote.
func (q Question) hasVote(member string) bool {
	i := q.seat(member)
	return len(q.Body.Members) == 0 || i < len(q.Body.Members) && q.Body.Members[i].Vote
}

// write puts the meeting into the record of its decision.
func (m meeting) write(q Question, a Answer, d *journal.Decision) {
	d.Votes = some(m.votes)
	d.Present, d.Absent, d.Abstained, d.Conflicts, d.Alternates, d.Ballot = m.present, m.absent, m.abstained, m.conflicts, m.alternates, a.Ballot
	for _, v := range m.votes {
		if v.Option != d.Chosen {
			d.Dissent = append(d.Dissent, v)
		}
	}
	if d.Answered == string(ByMembers) && q.Voting != nil {
		d.Tally = m.tally(q)
	}
}

// tally is the arithmetic of a vote that decided, in words.
func (m meeting) tally(q Question) string {
	var says []string
	say := func(format string, args ...any) { says = append(says, fmt.Sprintf(format, args...)+".") }
	if n := len(q.Voting.Voters); n > 0 {
		say("%s a vote", counted(n, "member has", "members have"))
	}
	if m.present != nil || m.absent != nil {
		if len(m.absent) == 0 {
			say("Nobody with a vote was absent")
		} else {
			say("Absent: %s", q.names(m.absent))
		}
	}
	var barred, abstained []string
	for _, c := range m.conflicts {
		if !c.MayVote && q.hasVote(c.Member) {
			barred = append(barred, c.Member)
		}
	}
	for _, x := range m.abstained {
		abstained = append(abstained, x.Member)
	}
	if len(barred) > 0 {
		say("Without a vote for an interest: %s", q.names(barred))
	}
	if len(abstained) > 0 {
		say("Abstained: %s", q.names(abstained))
	}
	cast, t := len(m.votes), q.Count(m.votes)
	say("%s cast, %d needed", counted(cast, "vote was", "votes were"), q.Voting.Needed)
	seats := len(q.Voting.Voters)
	if seats == 0 {
		seats = cast
	}
	least := func(cast int) int {
		n := 0
		for !majorities[q.Voting.Majority](n, cast, seats) {
			n++
		}
		return n
	}
	n := 0
	for _, v := range m.votes {
		if v.Option == t.Option {
			n++
		}
	}
	switch {
	case t.Casting != "":
		say("%q has %d, as has another answer; the casting vote of %s makes it %d of %d, and %s is %d",
			t.Option, n, q.names([]string{t.Casting}), n+1, cast+1, q.Voting.Majority, least(cast+1))
	case q.Voting.Casting != "":
		say("%q has %d, and %s is %d; the casting vote of %s was not needed", t.Option, n, q.Voting.Majority, least(cast), q.names([]string{q.Voting.Casting}))
	default:
		say("%q has %d, and %s is %d; nobody has a casting vote", t.Option, n, q.Voting.Majority, least(cast))
	}
	return strings.Join(says, " ")
}

// names are members as people call them.
func (q Question) names(members []string) string {
	out := make([]string, len(members))
	for i, id := range members {
		out[i] = id
		if s := q.seat(id); s < len(q.Body.Members) && q.Body.Members[s].Name != "" {
			out[i] = q.Body.Members[s].Name
		}
	}
	return strings.Join(out, ", ")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
