package console

import (
	"slices"
	"strconv"

	"smki.example/drills/room"
)

// A moment is an item of the timeline with the notes that somebody tagged to it.
type moment struct {
	room.Item
	Notes []room.Note
	More  []moment // what devices answered just before, folded away
}

// Timeline is what happened, the newest first, with this person's own notes where
// they belong.
func (p *page) Timeline() []moment {
	notes := make(map[int64][]room.Note)
	for _, n := range p.MyNotes() {
		notes[n.Entry] = append(notes[n.Entry], n)
	}
	moments := make([]moment, 0, len(p.Feed))
	for _, i := range slices.Backward(p.Feed) {
		m := moment{Item: i, Notes: notes[i.Seq]}
		// Devices answer for hours; the newest of an unbroken series stands for it, and
		// what somebody wrote about is never folded away.
		if last := len(moments) - 1; last >= 0 && i.Kind == room.ItemDevices && moments[last].Kind == i.Kind && m.Notes == nil {
			moments[last].More = append(moments[last].More, m)
			continue
		}
		moments = append(moments, m)
	}
	return moments
}

// MyNotes are what this person wrote, the newest first.
func (p *page) MyNotes() []room.Note {
	var mine []room.Note
	for _, n := range slices.Backward(p.Notes) {
		if n.By == p.Me.Name && !n.Private {
			mine = append(mine, n)
		}
	}
	return mine
}

// TagTo is the entry of the timeline that somebody chose to write about; empty: the
// newest.
func (p *page) TagTo() string {
	entry := p.Query.Get("entry")
	for _, i := range p.Feed {
		if entry == strconv.FormatInt(i.Seq, 10) {
			return entry
		}
	}
	return ""
}

// Sealed says whether nothing is added to the record any more, or this is a look
// back at a moment.
func (p *page) Sealed() bool { return p.Phase == room.Closed || p.Replay != nil }

// RatedCount is how many objectives this person has rated.
func (p *page) RatedCount() int {
	n := 0
	for _, o := range p.Rehearsed {
		if o.Mine.Rating != "" {
			n++
		}
	}
	return n
}

// ToRate is the first objective that this person has not rated: its form is open.
func (p *page) ToRate() string {
	for _, o := range p.Rehearsed {
		if o.Mine.Rating == "" && !p.Sealed() {
			return o.ID
		}
	}
	return ""
}

// A rate is a rating with its words.
type rate struct {
	Rating      room.Rating
	Short, Long string
}

var rates = []rate{
	{room.Performed, "no challenges", "performed without challenges"},
	{room.SomeChallenges, "some", "performed with some challenges"},
	{room.MajorChallenges, "major", "performed with major challenges"},
	{room.Unable, "unable", "unable to be performed"},
}

// Ratings are those that can be given.
func (p *page) Ratings() []rate { return rates }

// RatingWord is what a rating means.
func (p *page) RatingWord(r room.Rating) string {
	for _, known := range rates {
		if known.Rating == r {
			return known.Long
		}
	}
	return string(r)
}

// TagWord is what a note's tag is called.
func (p *page) TagWord(t room.Tag) string {
	switch t {
	case room.Strength:
		return "Strength"
	case room.Improve:
		return "To improve"
	case room.Question:
		return "Question"
	}
	return "Note"
}
