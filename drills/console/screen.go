package console

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// Pressing is the question that the screen shows: the one whose time runs out first.
// Questions that nobody in the room answers are over before anyone has read them.
func (p *page) Pressing() *room.Ballot {
	var now *room.Ballot
	for i := range p.Questions {
		q := &p.Questions[i]
		if !q.ByScript && (now == nil || q.Deadline < now.Deadline) {
			now = q
		}
	}
	return now
}

// AlsoOpen are the questions that are open besides.
func (p *page) AlsoOpen() []room.Ballot {
	now := p.Pressing()
	var others []room.Ballot
	for i := range p.Questions {
		if q := &p.Questions[i]; !q.ByScript && q != now {
			others = append(others, *q)
		}
	}
	return others
}

// Board says whether the screen shows how things stand: while the drill is played.
func (p *page) Board() bool { return p.View != nil && p.Situation != nil && p.Phase == room.Playing }

// Left is the scenario time until a deadline.
func (p *page) Left(deadline time.Duration) time.Duration { return max(0, deadline-p.Clock.At) }

// HourTakes is how long an hour of scenario time takes in the room.
func (p *page) HourTakes() string {
	took := time.Duration(float64(time.Hour) / p.Clock.Speed)
	if took < 90*time.Second {
		return report.Plural(int(took.Round(time.Second).Seconds()), "second")
	}
	return report.Plural(int(took.Round(time.Minute).Minutes()), "minute")
}

// A voice is an option with the votes that were cast for it.
type voice struct {
	Option string
	Says   string
	Votes  []room.MemberState
}

// Known are the votes of the question on the screen that may be seen, by option,
// the most first and abstentions last. It is empty while the votes are hidden.
func (p *page) Known() []voice {
	b := p.Pressing()
	if b == nil || b.Stage != room.Revealed && b.Stage != room.Counting && b.Blind {
		return nil
	}
	var voices []voice
	for _, o := range b.Options {
		v := voice{Option: o.Name, Says: o.Says}
		for _, m := range b.Members {
			if m.Voted && m.Option == o.Name {
				v.Votes = append(v.Votes, m)
			}
		}
		if len(v.Votes) > 0 {
			voices = append(voices, v)
		}
	}
	if voices == nil {
		return nil
	}
	slices.SortStableFunc(voices, func(a, b voice) int { return cmp.Compare(len(b.Votes), len(a.Votes)) })
	none := voice{Option: "abstained"}
	for _, m := range b.Members {
		if m.Abstained {
			none.Votes = append(none.Votes, m)
		}
	}
	if len(none.Votes) > 0 {
		voices = append(voices, none)
	}
	return voices
}

// Entitled are the members who may vote in a ballot, present or not.
func entitled(b *room.Ballot) []room.MemberState {
	var all []room.MemberState
	for _, m := range b.Members {
		if m.Vote && !m.Barred && m.Name != "" {
			all = append(all, m)
		}
	}
	return all
}

// Voters are the members of the question on the screen who may vote and sit here.
func (p *page) Voters() []room.MemberState {
	if now := p.Pressing(); now != nil {
		return entitled(now)
	}
	return nil
}

// VotedCount is how many of them have voted or abstained.
func (p *page) VotedCount() int {
	n := 0
	for _, m := range p.Voters() {
		if m.Voted || m.Abstained {
			n++
		}
	}
	return n
}

// LastDecided is the newest decision, nil before the first.
func (p *page) LastDecided() *room.Decided {
	if p.View == nil || len(p.Decided) == 0 {
		return nil
	}
	return &p.Decided[len(p.Decided)-1]
}

// Means is what the answer of a decision says, without its name.
func (p *page) Means(d *room.Decided) string {
	for _, o := range d.Options {
		if o.Name == d.Chosen {
			return o.Says
		}
	}
	return ""
}

// wallLines are the lines of the closing summary that a room reads together; the
// others explain them, and are for one's own screen and for paper.
var wallLines = []string{"Did the system hold?", "Why it ended", "What it could touch", "Devices", "How long", "Consumers", "Who was told", "For the committee", "Not rehearsed"}

// Shortly is the closing summary as the projector shows it.
func (p *page) Shortly() []report.Line {
	var lines []report.Line
	for _, l := range p.After.Lines {
		if slices.Contains(wallLines, l.Label) {
			l.Text, _, _ = strings.Cut(l.Text, "   -> ") // a file of the pack is nothing to look at together
			lines = append(lines, l)
		}
	}
	return lines
}

// Moment is the newest item that everybody in the room should notice: a key that
// opens or is used first, a decision, an outcome. Nil if there was none.
func (p *page) Moment() *room.Item {
	for i := len(p.Feed) - 1; i >= 0; i-- {
		switch p.Feed[i].Kind {
		case room.ItemKey, room.ItemDecision, room.ItemOutcome:
			return &p.Feed[i]
		}
	}
	return nil
}

// Newest are the newest items, newest first.
func (p *page) Newest(most int) []room.Item {
	items := slices.Clone(p.Feed[max(0, len(p.Feed)-most):])
	slices.Reverse(items)
	return items
}

// OpenKeys are the keys that stand open.
func (p *page) OpenKeys() []room.KeyState {
	if p.View == nil || p.Situation == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Situation.Keys), func(k room.KeyState) bool { return !k.Open })
}

// AwaitedKeys are the keys whose custodians are on their way.
func (p *page) AwaitedKeys() []room.KeyState {
	if p.View == nil || p.Situation == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Situation.Keys), func(k room.KeyState) bool { return k.Open || k.Expected == 0 })
}

// Places are the seats that people can take, those of one body together.
func (p *page) Places() []body {
	var bodies []body
	for _, s := range p.Seats {
		if !s.Offered && s.Holder == nil {
			continue
		}
		if len(bodies) == 0 || bodies[len(bodies)-1].Name != s.BodyName {
			bodies = append(bodies, body{Name: s.BodyName})
		}
		b := &bodies[len(bodies)-1]
		b.Seats = append(b.Seats, s)
		if s.Holder != nil {
			b.Taken++
		}
	}
	return bodies
}

// A body is a body with its seats.
type body struct {
	Name  string
	Seats []room.Seat
	Taken int
}

// Arrived are the people who came and have a page open, the screen's own aside.
func (p *page) Arrived() []room.Person {
	return slices.DeleteFunc(slices.Clone(p.People), func(q room.Person) bool { return !q.Present || q.Role == room.Screen })
}

// JoinHost is the address to type, without what a browser adds by itself.
func (p *page) JoinHost() string {
	return strings.TrimPrefix(p.URL, "http://")
}

// Prints are the pairs of digits of the server's fingerprint, in rows that can be
// compared at a glance.
func (p *page) Prints() []string {
	pairs := strings.Split(p.Fingerprint, ":")
	if p.Fingerprint == "" {
		return nil
	}
	var rows []string
	for row := range slices.Chunk(pairs, 8) {
		rows = append(rows, strings.Join(row, " "))
	}
	return rows
}

// Stanza divides the words of a record into lines of four, so that who reads them
// aloud and who writes them down do not lose the place.
func (p *page) Stanza(words string) []string {
	var lines []string
	for line := range slices.Chunk(strings.FieldsFunc(words, func(r rune) bool { return r == '-' || r == ' ' }), 4) {
		lines = append(lines, strings.Join(line, " "))
	}
	return lines
}

// Short is a seat's title without the name of its body, where that stands above.
func (p *page) Short(title string) string {
	if _, after, ok := strings.Cut(title, ", "); ok {
		return after
	}
	return title
}
