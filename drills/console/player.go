package console

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// playerWords are the functions of the players' templates alone.
var playerWords = template.FuncMap{
	"ballotid": ballotID,
	"kindword": kindWord,
}

// newestItems is how many of what reached a person a page shows unfolded.
const newestItems = 25

// ballotID is the id of a question's elements: it differs when the question is put
// again, so that nothing typed for the one is sent for the other.
func ballotID(b room.Ballot) string { return fmt.Sprintf("%s-%d", slug(b.Decision), b.Asking) }

// kindWord says what an item is.
func kindWord(i room.Item) string {
	if i.Kind == room.ItemInject && i.As != "" {
		return i.As
	}
	return map[room.ItemKind]string{
		room.ItemInject: "message", room.ItemDecision: "decision", room.ItemAct: "carried out", room.ItemDevices: "meters", room.ItemKey: "key",
		room.ItemNotice: "notice", room.ItemTold: "told", room.ItemMissed: "not done in time", room.ItemFinding: "finding", room.ItemPause: "clock", room.ItemOutcome: "end",
	}[i.Kind]
}

// FeedNewest are the items that are shown unfolded, the newest first.
func (p *page) FeedNewest() []room.Item {
	return p.Newest(newestItems)
}

// FeedEarlier are the items before them, the newest first.
func (p *page) FeedEarlier() []room.Item {
	earlier := slices.Clone(p.Feed[:max(0, len(p.Feed)-newestItems)])
	slices.Reverse(earlier)
	return earlier
}

// Ours are the open questions of bodies that this person sits in.
func (p *page) Ours() []room.Ballot {
	return slices.DeleteFunc(slices.Clone(p.Questions), func(b room.Ballot) bool { return !b.Involved })
}

// Theirs are those of other bodies.
func (p *page) Theirs() []room.Ballot {
	return slices.DeleteFunc(slices.Clone(p.Questions), func(b room.Ballot) bool { return b.Involved })
}

// ChairSeat is the seat by which this person may call and close a vote.
func (p *page) ChairSeat(b room.Ballot) room.SeatID {
	var seat room.SeatID
	for _, s := range p.Mine {
		if s.Body == b.Body && (s.Chair || seat == "") {
			seat = s.ID
		}
	}
	return seat
}

// MayVote says whether one of this person's seats has a vote in a question.
func (p *page) MayVote(b room.Ballot) bool {
	return slices.ContainsFunc(b.MyVotes, func(m room.MemberState) bool { return m.Vote })
}

// A seatGroup is the seats of one body.
type seatGroup struct {
	Name  string
	Says  string
	Seats []room.Seat
	Free  int
	Votes bool // some of them have a vote
}

// SeatGroups are the seats that are offered, by body.
func (p *page) SeatGroups() []seatGroup {
	var groups []seatGroup
	for _, s := range p.Seats {
		if !s.Offered {
			continue
		}
		n := slices.IndexFunc(groups, func(g seatGroup) bool { return g.Name == s.BodyName })
		if n < 0 {
			says := map[room.SeatKind]string{
				room.CustodianSeat: "each holds a share of a key, and no single one can open it",
				room.ListenerSeat:  "is told what happens, and decides nothing",
			}[s.Kind]
			groups, n = append(groups, seatGroup{Name: s.BodyName, Says: says}), len(groups)
		}
		groups[n].Seats = append(groups[n].Seats, s)
		if s.Vote {
			groups[n].Votes, groups[n].Says = true, "decides by vote"
		}
		if s.Holder == nil {
			groups[n].Free++
		}
	}
	return groups
}

// Sits says whether a seat is this person's.
func (p *page) Sits(id room.SeatID) bool {
	return slices.ContainsFunc(p.Mine, func(s room.Seat) bool { return s.ID == id })
}

// SeatTitle is a seat as people call it.
func (p *page) SeatTitle(id room.SeatID) string {
	for _, s := range p.Seats {
		if s.ID == id {
			return s.Title
		}
	}
	return string(id)
}

// Found are the factors that somebody wrote a finding on.
func (p *page) Found(b room.Ballot) []room.FactorState {
	return slices.DeleteFunc(slices.Clone(b.Factors), func(f room.FactorState) bool { return f.Finding == "" })
}

// KeyName is a key as people call it, without an article.
func (p *page) KeyName(key string) string {
	for _, c := range p.Calls {
		if c.Key == key {
			return strings.TrimPrefix(c.Words, "the ")
		}
	}
	if p.Situation != nil {
		for _, k := range p.Situation.Keys {
			if k.Key == key {
				return strings.TrimPrefix(k.Words, "the ")
			}
		}
	}
	// A label of the token has a generation at its end: contingency-symmetric-1.
	name := strings.ReplaceAll(strings.TrimRight(key, "0123456789-"), "-", " ")
	return report.Capital(name) + " key"
}

// A todo is what a person is to do now.
type todo struct {
	Says string
	Link string // part of the page
	Do   string // what the link says
	Calm bool   // nothing to do
}

// Todo says what this player is to do now, the most urgent first; there is always
// something, if only to wait.
func (p *page) Todo() []todo {
	switch p.Phase {
	case room.Setup:
		return []todo{{Says: "The facilitator is arranging the exercise. You are in; this page goes on by itself.", Calm: true}}
	case room.Briefing, room.Making:
		if len(p.Mine) == 0 {
			return []todo{{Says: "Choose a seat: the person whom you will be in this drill.", Link: "seats", Do: "See the seats"}}
		}
		says := "Read what your seat knows before it begins. The facilitator starts the drill."
		if p.Phase == room.Making {
			says = "The keys and meters of this drill are being made. That takes a minute; read your briefing until then."
			if p.Exercise.Run > 1 {
				says = "The drill is being played again, up to where it was. That takes a minute, and nothing that was recorded is lost."
			}
		}
		return []todo{{Says: says, Link: "briefing", Do: "Read your briefing", Calm: p.Phase == room.Making}}
	case room.HotWash:
		if p.After != nil && !p.After.Answered && len(p.After.Survey) > 0 {
			return []todo{{Says: "The drill is over. Say how it went while it is fresh: it takes two minutes.", Link: "survey", Do: "Answer the questions"}}
		}
		return []todo{{Says: "The drill is over. Talk about it with the others; what the record has wrong can be corrected below.", Link: "correct", Do: "Add a correction", Calm: true}}
	case room.Closed:
		return []todo{{Says: "The exercise is closed and its record is sealed. You can read it, and look at the drill again.", Link: "after", Do: "See the record", Calm: true}}
	}
	return p.playing()
}

func (p *page) playing() []todo {
	var all []todo
	for _, call := range p.Calls {
		if call.Done == "" {
			all = append(all, todo{Says: report.Capital(call.Words) + " is to be opened, and your share is asked for. Enter the code of your envelope, or keep your share back.", Link: "share", Do: "Enter the code"})
		}
	}
	for _, b := range p.Ours() {
		id := ballotID(b)
		voted, votes := 0, 0
		for _, m := range b.MyVotes {
			if m.Vote && !m.Barred {
				votes++
				if m.Voted {
					voted++
				}
			}
		}
		switch {
		case b.Stage == room.Counting:
			all = append(all, todo{Says: "The vote of " + b.BodyName + " is closed and is being counted.", Calm: true})
		case b.Stage == room.Discussing && b.MayCall:
			all = append(all, todo{Says: b.BodyName + " must decide. Let everybody speak, weigh the factors, then call the vote.", Link: "q-" + id, Do: "Go to the question"})
		case b.Stage == room.Discussing:
			all = append(all, todo{Says: b.BodyName + " must decide. Talk about it and weigh the factors; the chair calls the vote.", Link: "q-" + id, Do: "Go to the question"})
		case votes > voted:
			all = append(all, todo{Says: "Cast your vote: " + b.Asks, Link: "v-" + id, Do: "Vote"})
		case b.MayCall:
			all = append(all, todo{Says: fmt.Sprintf("Votes are being cast: %d so far. Close the vote when everybody is heard.", b.Cast), Link: "chair", Do: "Close the vote"})
		default:
			all = append(all, todo{Says: "Wait for the others' votes. You can change yours until the vote is closed.", Link: "q-" + id, Do: "See who has voted", Calm: true})
		}
	}
	for _, d := range p.Duties {
		all = append(all, todo{Says: "Tell " + d.Whom + ". Somebody must know, and it is your seat's to tell them.", Link: "duties", Do: "See whom to tell"})
	}
	if len(all) > 0 {
		return all
	}
	if len(p.Mine) == 0 {
		return []todo{{Says: "You have no seat, so you see what is public. Choose one to take part.", Link: "seats", Do: "See the seats"}}
	}
	return []todo{{Says: "Follow what comes in below. When your seat is asked for something, it stands here.", Calm: true}}
}
