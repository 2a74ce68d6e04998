package main

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// What anybody is told was looked up after he had asked, and those who ask at one moment
// make few looks.
func TestLooks(t *testing.T) {
	t.Parallel()
	var l looks[int64]
	var version, made atomic.Int64
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for range 300 {
				asked := version.Add(1)
				got, err := l.share("one", func() (int64, error) { made.Add(1); return version.Load(), nil })
				if err != nil || got < asked {
					t.Errorf("asked at %d and was told what held at %d: %v", asked, got, err)
				}
			}
		})
	}
	wait.Wait()
	require.LessOrEqual(t, made.Load(), int64(64*300))
	require.Empty(t, l.running)
	require.Empty(t, l.next)

	begun, goOn := make(chan struct{}), make(chan struct{})
	looked := 0
	first := func() (int64, error) { close(begun); <-goOn; return 1, nil }
	second := func() (int64, error) { looked++; return 2, nil }
	wait.Go(func() {
		got, err := l.share("one", first)
		require.NoError(t, err)
		require.EqualValues(t, 1, got)
	})
	<-begun
	for range 10 {
		wait.Go(func() {
			got, err := l.share("one", second)
			require.NoError(t, err)
			require.EqualValues(t, 2, got, "who comes while a look is in progress shares the next")
		})
	}
	got, err := l.share("another", func() (int64, error) { return 3, nil })
	require.NoError(t, err)
	require.EqualValues(t, 3, got, "another key waits for nobody")
	close(goOn)
	wait.Wait()
	require.Positive(t, looked)

	require.Panics(t, func() { _, _ = l.share("one", func() (int64, error) { panic("a bug") }) })
	_, err = l.share("one", func() (int64, error) { return 0, nil })
	require.NoError(t, err, "a bug does not stay")
}
