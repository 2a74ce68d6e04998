package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared is a screen that two goroutines write to.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The first Ctrl-C asks. Enter goes on, and is no answer to the question that
// stood there; the second Ctrl-C stops.
func TestCtrlCAsksFirst(t *testing.T) {
	t.Parallel()
	in, typed := io.Pipe()
	out := &shared{}
	k := newKeyboard(in, screen{out: out})
	answer := make(chan string)
	k.show("  Chair: ")
	require.False(t, k.interrupt())
	go func() {
		text, _ := k.ask(context.Background(), "  Chair: ")
		answer <- text
	}()
	_, err := io.WriteString(typed, "\n2\n")
	require.NoError(t, err)
	require.Equal(t, "2", <-answer, "the empty line was for the other question")
	require.Contains(t, out.String(), "Stop the drill? Press Ctrl-C again, or Enter to go on: ")
	require.Contains(t, out.String(), "The drill goes on.\n  Chair: ", "the question stands there again")

	require.False(t, k.interrupt(), "a later Ctrl-C asks again")
	require.True(t, k.interrupt())
	require.NoError(t, typed.Close())
}

// A terminal that is closed while it is asked whether to stop holds nothing up.
func TestClosedWhileAsked(t *testing.T) {
	t.Parallel()
	in, typed := io.Pipe()
	out := &shared{}
	k := newKeyboard(in, screen{out: out})
	require.False(t, k.interrupt())
	require.NoError(t, typed.Close())
	_, err := k.ask(context.Background(), "")
	require.ErrorIs(t, err, errNobody)
	require.Contains(t, out.String(), "The drill goes on.")
}

// Signals go to the process, so this test runs alone.
func TestWatch(t *testing.T) {
	in, _ := io.Pipe()
	k := newKeyboard(in, screen{out: io.Discard})
	parent, gone := context.WithCancel(context.Background())
	ctx, stop := k.watch(parent)
	defer stop()
	gone()
	require.NoError(t, ctx.Err(), "the first Ctrl-C ends the context of the command, not the drill")
	k.interrupt()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	<-ctx.Done()
	require.Equal(t, errKeyboard, context.Cause(ctx))

	ctx, stop = k.watch(context.Background())
	defer stop()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	<-ctx.Done()
	require.Equal(t, errSystem, context.Cause(ctx))
}

func TestUnattended(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{"interrupt signal received": errKeyboard, "terminated signal received": errSystem} {
		parent, cancel := context.WithCancelCause(context.Background())
		ctx, stop := unattended(parent)
		cancel(errText(text))
		<-ctx.Done()
		require.Equal(t, want, context.Cause(ctx))
		stop()
	}
}

type errText string

func (e errText) Error() string { return string(e) }
