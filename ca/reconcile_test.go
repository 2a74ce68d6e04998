package ca_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
)

// While one process is at work on an intent, another reconciles: it leaves the
// living alone. When the process is gone, its intent is settled at once.
func TestReconcileLeavesTheLivingAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.open(t)
	worker.SetProbe(func(point string) error {
		if point != "signed" {
			return nil
		}
		report, err := w.issuer.Reconcile(t.Context())
		require.NoError(t, err)
		require.Empty(t, report.Settled)
		require.Equal(t, 1, report.Living)
		report, err = worker.Reconcile(t.Context())
		require.NoError(t, err)
		require.Empty(t, report.Settled, "its own work in hand is alive too")
		return nil
	})
	_, err := worker.Issue(t.Context(), supplier(t, 1))
	require.NoError(t, err)
	require.Equal(t, states{recorded: 1}, w.accounts(t))
}

// A process that loses its lease while it works (its lease file was removed)
// must not hand out a certificate whose serial others have written off.
func TestTakenForDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.open(t)
	worker.SetProbe(func(point string) error {
		if point != "signed" {
			return nil
		}
		require.NoError(t, worker.Close(t.Context())) // gives the lease up, too early
		report, err := w.issuer.Reconcile(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Settled, 1)
		require.True(t, report.Settled[0].OnCRL)
		return nil
	})
	_, err := worker.Issue(t.Context(), supplier(t, 1))
	require.ErrorIs(t, err, ca.ErrUncertain)
	require.ErrorContains(t, err, "another process has written the serial off")
	require.Equal(t, states{writtenOff: 1}, w.accounts(t))
}

// A panic between intent and record is a bug that leaves an open intent behind in
// a living process; the next Reconcile of that process settles it.
func TestReconcileOwnForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tap.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
		_, _ = sign()
		panic("a bug in a driver")
	})
	require.Panics(t, func() { _, _ = w.issuer.Issue(t.Context(), device(t, 1)) })
	require.Equal(t, states{open: 1}, w.accounts(t))
	w.tap.setFail(nil)
	report, err := w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Settled, 1)
	require.Equal(t, states{writtenOff: 1}, w.accounts(t))
	report, err = w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Settled, "once is enough")
}

// A request whose intent belongs to a process that has died since this CA was
// opened is issued at once: nobody will make anything of the old intent.
func TestIssueAfterAnOwnerDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doomed := w.open(t)
	request := supplier(t, 1)
	doomed.SetProbe(func(point string) error {
		if point == "before-record" {
			require.NoError(t, doomed.Close(t.Context()))
			w.faults.FailBeforeCommit(0, inject) // nor can it settle
		}
		if point == "before-record" {
			return errors.New("dying")
		}
		return nil
	})
	_, err := doomed.Issue(t.Context(), request)
	require.ErrorIs(t, err, ca.ErrUncertain)
	require.Equal(t, states{open: 1}, w.accounts(t))

	_, err = w.issuer.Issue(t.Context(), request)
	require.NoError(t, err)
	report, err := w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Settled, 1)
	require.Equal(t, states{recorded: 1, writtenOff: 1}, w.accounts(t))
}

func TestPublishesCRL(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		environment, issuer string
		publishes           bool
	}{
		{"exercise", "issuing-oca", true},
		{"exercise", "issuing-oca-3", true},
		{"exercise", "root-oca-1", true},
		{"exercise", "issuing-dca-1", true},
		{"exercise", "root-dca-1", false},
		{"drill", "issuing-dca-1", false},
		{"drill", "issuing-oca-1", true},
		{"exercise", "recovery-1", false},
	} {
		require.Equal(t, row.publishes, newWorldIn(t, row.environment).issuer.PublishesCRL(row.issuer), "%+v", row)
	}
}

func TestSplitID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]struct {
		name       string
		generation int
	}{
		"issuing-oca-1":  {"issuing-oca", 1},
		"issuing-oca-12": {"issuing-oca", 12},
		"issuing-oca":    {"issuing-oca", 0},
		"issuing-oca-0":  {"issuing-oca-0", 0},
		"":               {"", 0},
	} {
		name, generation := ca.SplitID(id)
		require.Equal(t, want.name, name)
		require.Equal(t, want.generation, generation)
	}
}
