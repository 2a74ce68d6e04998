package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/library"
	"smki.example/drills/procedure"
	"smki.example/drills/verbs"
)

// put asks a question of a shipped drill with what is typed, and returns the
// answer and what was on the screen.
func put(t *testing.T, id, decision, typed string) (engine.Answer, string, error) {
	t.Helper()
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := library.Load(id, verbs.Vocabulary(p))
	require.NoError(t, err)
	d, ok := s.Decision(decision)
	require.True(t, ok)
	body, ok := s.Body(d.Of)
	require.True(t, ok)
	var screen bytes.Buffer
	a := &asker{in: strings.NewReader(typed), out: &screen}
	answer, err := a.Decide(context.Background(), engine.Question{
		Decision: d, Body: *body, Scenario: s, Asked: 40 * time.Minute, Deadline: 70 * time.Minute, Asking: 1, Words: "ONE-TWO",
	})
	return answer, screen.String(), err
}

func TestAskForOneAnswer(t *testing.T) {
	t.Parallel()
	answer, screen, err := put(t, "S01", "confirm", "nonsense\n1\n")
	require.NoError(t, err)
	require.Equal(t, "call back", answer.Option)
	require.Equal(t, engine.ByMembers, answer.Answered)
	for _, want := range []string{"Is this report confirmed?", "answer by 1:10", "silence means: wait for writing", `"nonsense" is no option`, "record ONE-TWO", "2  accept the caller"} {
		require.Contains(t, screen, want)
	}
	answer, _, err = put(t, "S01", "confirm", "Accept The Caller\n")
	require.NoError(t, err)
	require.Equal(t, "accept the caller", answer.Option, "a name will do, in either case")
	answer, _, err = put(t, "S01", "confirm", "say nothing\n")
	require.NoError(t, err)
	require.True(t, answer.Silent)
	_, _, err = put(t, "S01", "confirm", "")
	require.ErrorIs(t, err, errNobody, "a closed terminal is no answer")
}

// The PMA assesses every "shall" factor and votes; what is written says who
// assessed and how each member voted.
func TestAskThePMA(t *testing.T) {
	t.Parallel()
	answer, screen, err := put(t, "S02", "recovery key", "we have it in writing\n\nall\n1\n2\n1\n\n1\n")
	require.NoError(t, err)
	require.Equal(t, "required", answer.Option)
	require.Len(t, answer.Votes, 4, "one member is absent")
	require.Len(t, answer.Assessed, 9)
	require.Equal(t, "we have it in writing", answer.Assessed[0].Finding)
	require.Equal(t, "members", answer.Assessed[0].Assessor)
	require.Contains(t, answer.Assessed[1].Assessor, "author")
	require.Contains(t, screen, "[opens the recovery key]")
	require.Contains(t, screen, "sample, not the SEC's text")

	answer, _, err = put(t, "S02", "recovery key", "all\nall 4\n")
	require.NoError(t, err)
	require.Equal(t, "adjourn", answer.Option)
	require.Len(t, answer.Votes, 5)

	answer, _, err = put(t, "S02", "recovery key", "all\n2\nsay nothing\n")
	require.NoError(t, err)
	require.True(t, answer.Silent)
	require.Empty(t, answer.Votes, "silence has no votes")
}

// A drill that is broken off does not wait for the terminal.
func TestAskGivesUp(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := library.Load("S01", verbs.Vocabulary(p))
	require.NoError(t, err)
	d, _ := s.Decision("confirm")
	body, _ := s.Body(d.Of)
	silent, _ := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = (&asker{in: silent, out: io.Discard}).Decide(ctx, engine.Question{Decision: d, Body: *body, Scenario: s, Asking: 1})
	require.ErrorIs(t, err, context.Canceled)
}
