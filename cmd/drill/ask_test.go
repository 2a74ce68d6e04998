package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/library"
	"smki.example/drills/procedure"
	"smki.example/drills/verbs"
)

// question is the first asking of a decision of a shipped drill.
func question(t *testing.T, id, decision string) engine.Question {
	t.Helper()
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := library.Load(id, verbs.Vocabulary(p))
	require.NoError(t, err)
	d, ok := s.Decision(decision)
	require.True(t, ok)
	body, ok := s.Body(d.Of)
	require.True(t, ok)
	q := engine.Question{Decision: d, Body: *body, Scenario: s, Seq: 7, Asked: 40 * time.Minute, Deadline: 70 * time.Minute, Asking: 1,
		Words: strings.Repeat("WORD-", 15) + "WORD"}
	for _, o := range d.Options {
		out := journal.Option{Name: o.Name, Says: o.Says}
		if o.Opens != nil {
			out.Opens = o.Opens.Key
		}
		if o.Again != nil {
			out.Again = o.Again.Times
		}
		q.Options = append(q.Options, out)
	}
	if d.Quorum > 0 {
		q.Voting = &journal.Voting{Needed: d.Quorum, Majority: body.Majority, Says: "3 of 5 members must vote; more than half of the votes cast must be for one answer"}
	}
	return q
}

// typedLine is where on a screen people typed, which ended the line.
var typedLine = regexp.MustCompile(`([:>]) {3,}`)

// put asks a question with what is typed, on a screen of 80 columns, and returns
// the answer and what was on the screen.
func put(t *testing.T, q engine.Question, typed string) (engine.Answer, string, error) {
	t.Helper()
	var out bytes.Buffer
	s := screen{out: &out, columns: 80}
	answer, err := (&asker{screen: s, keys: newKeyboard(strings.NewReader(typed), s)}).Decide(context.Background(), q)
	for line := range strings.SplitSeq(typedLine.ReplaceAllString(out.String(), "$1\n  "), "\n") {
		require.LessOrEqual(t, len([]rune(line)), 80, "this line is broken by the terminal: %q", line)
	}
	return answer, out.String(), err
}

// flat is a screen without its line ends.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestAskForOneAnswer(t *testing.T) {
	t.Parallel()
	q := question(t, "S01", "confirm")
	answer, screen, err := put(t, q, "nonsense\n1\nthe number is on file\n")
	require.NoError(t, err)
	require.Equal(t, q.Options[0].Name, answer.Option)
	require.Equal(t, "the number is on file", answer.Reason)
	require.Equal(t, engine.ByMembers, answer.Answered)
	for _, want := range []string{q.Decision.Asks, "Answer by 1:10", "silence means: " + q.Decision.Silence, `"nonsense" is no option`, "record WORD-WORD", "2 " + q.Options[1].Name, "Reasons for the minutes (Enter for none):"} {
		require.Contains(t, flat(screen), want)
	}
	answer, _, err = put(t, q, strings.ToUpper(q.Options[1].Name)+"\n\n")
	require.NoError(t, err)
	require.Equal(t, q.Options[1].Name, answer.Option, "a name will do, in either case")
	require.Empty(t, answer.Reason)
	answer, _, err = put(t, q, "say nothing\n")
	require.NoError(t, err)
	require.True(t, answer.Silent)
	_, _, err = put(t, q, "")
	require.ErrorIs(t, err, errNobody, "a closed terminal is no answer")
}

// accepted are the keys that take every prepared finding over, one by one.
func accepted(q engine.Question) string {
	var b strings.Builder
	for _, f := range q.Decision.Factors {
		if f.Force == "shall" {
			b.WriteString("accept\n")
		} else {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// The PMA votes; the screen says how many votes are needed and for what, and the
// answer says how each member voted and why.
func TestAskThePMA(t *testing.T) {
	t.Parallel()
	q := question(t, "S02", "recovery key")
	answer, screen, err := put(t, q, accepted(q)+"1\n2\n1\n\n1\nit is being lost\n")
	require.NoError(t, err)
	require.Equal(t, "required", answer.Option)
	require.Equal(t, "it is being lost", answer.Reason)
	require.Len(t, answer.Votes, 4, "one member is absent")
	for _, want := range []string{
		"[opens the recovery key]", "sample, not the SEC's text", "VOTE: 3 of 5 members must vote; more than half of the votes cast must be for one answer.",
		`"required" opens the recovery key with that majority, and with nothing less.`, "REQUIRED: 3 for required, 1 for not required (chair: required, ",
	} {
		require.Contains(t, flat(screen), want)
	}

	answer, _, err = put(t, q, "all\nall 4\n\n")
	require.NoError(t, err)
	require.Equal(t, q.Options[3].Name, answer.Option)
	require.Len(t, answer.Votes, 5)

	answer, _, err = put(t, q, "all\n2\nsay nothing\n")
	require.NoError(t, err)
	require.True(t, answer.Silent)
	require.Empty(t, answer.Votes, "silence has no votes")
}

// A tie is no answer, whichever option was named first; and the vote that is taken
// again does not ask for the factors again.
func TestATieIsNoAnswer(t *testing.T) {
	t.Parallel()
	q := question(t, "S02", "recovery key")
	for _, typed := range []string{"1\n1\n2\n2\n\n", "1\n1\n2\n3\n4\n", "1\n1\n\n\n\n"} {
		answer, screen, err := put(t, q, "all\n"+typed)
		require.NoError(t, err)
		require.Empty(t, answer.Option, "nothing is decided by %q", typed)
		require.NotContains(t, screen, "Reasons", "there is nothing to give reasons for")
	}

	var out bytes.Buffer
	s := screen{out: &out, columns: 80}
	a := &asker{screen: s, keys: newKeyboard(strings.NewReader(accepted(q)+"1\n1\n2\n2\n\n"+"1\n1\n1\n2\n\nthe third was persuaded\n"), s)}
	first, err := a.Decide(context.Background(), q)
	require.NoError(t, err)
	require.Empty(t, first.Option)
	q.Refused = q.Count(first.Votes).Why
	second, err := a.Decide(context.Background(), q)
	require.NoError(t, err)
	require.Equal(t, "required", second.Option)
	require.Equal(t, first.Assessed, second.Assessed)
	require.Contains(t, flat(out.String()), `NOT DECIDED. 2 for required, 2 for not required`)
	require.Contains(t, flat(out.String()), `The question is put again; "say nothing" lets the time run out, and then "adjourn" holds.`)
}

// Every factor is offered. What the author prepared is taken over one by one, or
// all at once with the record saying that nobody discussed it; a factor that may
// be weighed can be left out.
func TestFactors(t *testing.T) {
	t.Parallel()
	q := question(t, "S02", "recovery key")
	shall, may := 0, 0
	for _, f := range q.Decision.Factors {
		if f.Force == "shall" {
			shall++
		} else {
			may++
		}
	}
	require.Positive(t, may)
	answer, screen, err := put(t, q, "\nwe have it in writing\naccept\n"+strings.Repeat("accept\n", shall-2)+"accept\nno\n"+strings.Repeat("\n", may-1)+"all 1\n\n")
	require.NoError(t, err)
	require.Contains(t, flat(screen), "This factor shall be weighed", "Enter is no finding")
	require.Contains(t, flat(screen), "There is no prepared finding: type one.")
	require.Contains(t, flat(screen), "(may; Enter skips it)")
	require.Len(t, answer.Assessed, shall+1)
	require.Equal(t, journal.Assessment{Factor: q.Decision.Factors[0].ID, Finding: "we have it in writing", Assessor: "members"}, answer.Assessed[0])
	require.Equal(t, "members, who took the author's text over", answer.Assessed[1].Assessor)
	require.Equal(t, "no", answer.Assessed[shall].Finding)

	answer, _, err = put(t, q, "accept\nall\nall 1\n\n")
	require.NoError(t, err)
	require.Len(t, answer.Assessed, shall)
	require.Equal(t, "members, who took the author's text over", answer.Assessed[0].Assessor)
	for _, x := range answer.Assessed[1:] {
		require.Equal(t, "author's text, not discussed", x.Assessor)
	}
}

// The question says which asking it is, what can bring it back, and when an answer
// is final.
func TestAskingIsTold(t *testing.T) {
	t.Parallel()
	q := question(t, "S02", "recovery key")
	_, screen, _ := put(t, q, "say nothing\n")
	require.Contains(t, flat(screen), "Asking 1. ")
	require.Contains(t, flat(screen), "adjourn [the question comes back; 2 times more by this answer]")
	require.NotContains(t, screen, "final")

	q.Asking, q.Last = 4, true
	var left []journal.Option
	for _, o := range q.Options {
		if o.Name == "adjourn" || o.Again == 0 {
			o.Again = 0
			left = append(left, o)
		}
	}
	q.Options = left
	answer, screen, err := put(t, q, "all\nall adjourn\n\n")
	require.NoError(t, err)
	require.Equal(t, "adjourn", answer.Option)
	require.Contains(t, flat(screen), "Asking 4, the last: your answer will be final.")
	require.Contains(t, flat(screen), "adjourn [FINAL this time: the question does not come back]")

	_, screen, _ = put(t, question(t, "S01", "confirm"), "say nothing\n")
	require.Contains(t, screen, "Asked once: your answer will be final.")
}

// A drill that is broken off does not wait for the terminal.
func TestAskGivesUp(t *testing.T) {
	t.Parallel()
	silent, _ := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := screen{out: io.Discard}
	_, err := (&asker{screen: s, keys: newKeyboard(silent, s)}).Decide(ctx, question(t, "S01", "confirm"))
	require.ErrorIs(t, err, context.Canceled)
}

// What is shown of a start: what players may know, and what the words mean.
func TestIntroduction(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := library.Load("S01", verbs.Vocabulary(p))
	require.NoError(t, err)
	require.NotEmpty(t, s.About)
	var out bytes.Buffer
	st := &stage{screen: screen{out: &out, columns: 80}, about: s.About, terms: p.Terms}
	show := func(kind journal.Kind, body any, words string) {
		require.NoError(t, st.Present(context.Background(), engine.Moment{Kind: kind, Body: body, Words: words}))
	}
	words := strings.Repeat("ABSOLUTE-", 15) + "ABSOLUTE"
	show(journal.KindStart, journal.Start{Label: "AMBER", Scenario: s.ID, Title: s.Title, Devices: 2000, RecordKey: strings.Repeat("5f", 32)}, words)
	show(journal.KindInject, journal.Inject{As: "mail", From: "somebody with a long name and a long title", To: []string{"dcc service desk", "pma chair", "panel"}, Text: strings.Repeat("many words ", 40)}, "")
	show(journal.KindDecision, journal.Decision{Body: "pma", Decision: "recovery key", Chosen: "adjourn", Reason: "too early", Note: strings.Repeat("large-supplier: adjourn, ", 9),
		Options: []journal.Option{{Name: "adjourn", Again: 1}}}, words)
	for line := range strings.SplitSeq(out.String(), "\n") {
		require.LessOrEqual(t, len(line), 80, line)
	}
	text := flat(out.String())
	require.Contains(t, text, flat(s.About))
	for _, want := range []string{"Words that you will read (in our words, sample):", "Access Control Broker: ", "Relevant Device: ", "trust anchor: ", "counter: ", "handover: ", "Recovery key: ",
		strings.Repeat("5f", 32), "Reasons: too early", "This is not final: the question comes back."} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 2, strings.Count(strings.NewReplacer("\n", "", " ", "").Replace(out.String()), words), "the words are whole")
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, text string
		width     int
		want      []string
	}{
		{"at spaces", "one two three", 8, []string{"one two", "three"}},
		{"lines stay lines", "one\ntwo", 8, []string{"one", "two"}},
		{"what fits is left as it is", "a    b", 8, []string{"a    b"}},
		{"a long word breaks at a hyphen", "AAA-BBB-CCC", 8, []string{"AAA-BBB-", "CCC"}},
		{"and begins where there is room", "x AAA-BBB-CCC", 8, []string{"x AAA-", "BBB-CCC"}},
		{"or anywhere if it must", "abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"a word goes to the next line whole", "abc defgh", 6, []string{"abc", "defgh"}},
		{"characters are counted, not octets", "ééé ééé", 3, []string{"ééé", "ééé"}},
		{"nothing", "", 4, []string{""}},
	} {
		require.Equal(t, row.want, fold(row.text, row.width), row.why)
	}
}
