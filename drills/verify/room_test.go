package verify_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
	"smki.example/drills/verify"
)

func castBy(seat, option, reason string) roombook.Body {
	return roombook.Cast{Seat: "pma/" + seat, On: roombook.On{Decision: "recovery key", Asking: 1}, Option: option, Reason: roombook.Say(reason)}
}

// said has the chair vote with a reason.
func said(reason string) func(*journal.Question, *journal.Decision) {
	return func(q *journal.Question, d *journal.Decision) {
		q.Asking, d.Asking = 1, 1
		d.Votes[0].Reason = reason
	}
}

// The votes that the journal counts are those that people cast in the room: the last
// of each seat, in the course of events that the journal tells.
func TestVotesAsTheyWereCast(t *testing.T) {
	t.Parallel()
	begun := roombook.Run{Number: 1, Why: "begun"}
	others := []roombook.Body{castBy("network", yes, ""), castBy("small", no, ""),
		roombook.Action{Number: 1, What: roombook.Say("call them"), Owner: roombook.Say("the desk"), From: roombook.Say("nobody came")},
		roombook.Survey{Person: "p1", Answers: map[string]int{"a": 5}, Well: roombook.Say("calm"), Better: roombook.Say("time")}}
	for why, row := range map[string]struct {
		book   []roombook.Body
		reason string
		want   string
	}{
		"as cast":                         {append([]roombook.Body{begun, castBy("chair", yes, "the key is out")}, others...), "the key is out", ""},
		"a vote that was changed":         {append([]roombook.Body{begun, castBy("chair", no, "early"), castBy("chair", yes, "the key is out")}, others...), "the key is out", ""},
		"before a server died":            {append([]roombook.Body{begun, castBy("chair", yes, ""), roombook.Run{Number: 2, Why: "resumed", From: 1}}, others...), "", ""},
		"cast anew after going back":      {append([]roombook.Body{begun, castBy("chair", no, ""), roombook.Run{Number: 2, Why: "branched", From: 1, At: "recovery key", Asking: 1}, castBy("chair", yes, "")}, others...), "", ""},
		"nobody cast it":                  {others, "", `counts a vote of pma/chair on "recovery key", and the book has none`},
		"cast otherwise":                  {append([]roombook.Body{begun, castBy("chair", no, "")}, others...), "", `counts "required" for pma/chair on "recovery key", and the book has "not required"`},
		"changed afterwards":              {append([]roombook.Body{begun, castBy("chair", yes, ""), castBy("chair", no, "")}, others...), "", `and the book has "not required"`},
		"another reason":                  {append([]roombook.Body{begun, castBy("chair", yes, "I was told to")}, others...), "the key is out", "gives another reason"},
		"a reason that was not typed":     {append([]roombook.Body{begun, castBy("chair", yes, "")}, others...), "the key is out", "gives another reason"},
		"cast in a run that was left":     {append([]roombook.Body{begun, castBy("chair", yes, ""), roombook.Run{Number: 2, Why: "branched", From: 1, At: "recovery key", Asking: 1}}, others...), "", "the book has none"},
		"cast in a run of another course": {append([]roombook.Body{begun, roombook.Run{Number: 2, Why: "branched", From: 1, At: "freeze"}, castBy("chair", yes, ""), roombook.Run{Number: 3, Why: "branched", From: 1, At: "freeze"}}, others...), "", "the book has none"},
	} {
		w := pack{room: row.book, bend: said(row.reason)}.write(t)
		r := check(t, w.dir, verify.Options{})
		if row.want == "" {
			require.True(t, r.Intact, "%s: %s", why, r.Verdict())
			require.Contains(t, r.Checks[5].Detail, "3 votes counted as they were cast", why)
			continue
		}
		require.False(t, r.Intact, why)
		require.Contains(t, r.Verdict(), row.want, why)
	}
}

// A book that was changed before the seal is no better than one that was changed
// after it.
func TestBentBooks(t *testing.T) {
	t.Parallel()
	book := []roombook.Body{roombook.Run{Number: 1, Why: "begun"}, castBy("chair", yes, "the key is out"), castBy("network", yes, "so it is"), castBy("small", no, "")}
	for why, row := range map[string]struct {
		file, old, with, want string
	}{
		"an option changed":          {"room.jsonl", `"option":"required"`, `"option":"wait"`, "its hash does not fit"},
		"an entry taken out":         {"room.jsonl", "1", "", "room.jsonl: line 2 has the number 3"},
		"a text changed":             {"room-texts.jsonl", "the key is out", "the key is safe", "not the text that was typed"},
		"a text taken out":           {"room-texts.jsonl", "0", "", "a text of entry 2 of the book is missing"},
		"a line that is another's":   {"room-texts.jsonl", `"salt"`, ` "salt"`, "not in its one form"},
		"a member that nobody reads": {"room-texts.jsonl", `"text"`, `"more":"x","text"`, "no text"},
	} {
		w := pack{room: book, bend: said("the key is out")}.write(t)
		path := filepath.Join(w.dir, row.file)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		if row.with == "" && len(row.old) == 1 {
			lines := bytes.SplitAfter(raw, []byte("\n"))
			n := int(row.old[0] - '0')
			raw = bytes.Join(append(lines[:n:n], lines[n+1:]...), nil)
		} else {
			require.Contains(t, string(raw), row.old)
			raw = []byte(strings.Replace(string(raw), row.old, row.with, 1))
		}
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		resum(t, w.dir)
		r := check(t, w.dir, verify.Options{})
		require.False(t, r.Intact, why)
		var found []string
		for _, c := range r.Checks {
			if !c.Held {
				found = append(found, c.Detail)
			}
		}
		require.Contains(t, strings.Join(found, "\n"), row.want, why)
	}
}
