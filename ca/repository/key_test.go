package repository_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	secret, key, err := w.CreateKey(ctx, repository.NewKey{Party: "supplier-a", Note: "head-end", By: "officer-1"})
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{64}$", secret, "256 random bits")
	require.Regexp(t, "^[0-9a-f]{12}$", key.ID)
	require.NotContains(t, secret, key.ID, "what people call it tells nothing of it")
	second, _, err := w.CreateKey(ctx, repository.NewKey{Party: "network-b", By: "officer-1"})
	require.NoError(t, err)
	require.NotEqual(t, secret, second)

	got, err := w.Authenticate(ctx, secret)
	require.NoError(t, err)
	require.Equal(t, key, got)
	for _, wrong := range []string{"", secret[:63], secret + "0", strings.ToUpper(secret), key.ID, "' OR ''='"} {
		_, err := w.Authenticate(ctx, wrong)
		require.ErrorIs(t, err, repository.ErrForbidden, wrong)
	}

	var keys []repository.Key
	for k, err := range w.Keys(ctx, "supplier-a") {
		require.NoError(t, err)
		keys = append(keys, k)
	}
	require.Equal(t, []repository.Key{key}, keys)

	w.pass(time.Hour)
	revoked, err := w.RevokeKey(ctx, key.ID, "officer-2", "the head-end was replaced")
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Hour), revoked.RevokedAt)
	_, err = w.Authenticate(ctx, secret)
	require.ErrorIs(t, err, repository.ErrForbidden)
	require.NotContains(t, err.Error(), secret)
	again, err := w.RevokeKey(ctx, key.ID, "officer-3", "again")
	require.NoError(t, err)
	require.Equal(t, revoked, again, "the first revocation stands")
	_, err = w.RevokeKey(ctx, "ffffffffffff", "officer-2", "")
	require.ErrorIs(t, err, ca.ErrNotFound)

	records := w.records(t, repository.KindKey)
	require.Len(t, records, 3)
	require.Contains(t, records[0], `"act":"created"`)
	require.Contains(t, records[2], `"act":"revoked"`)

	// A key is nowhere: not in the database, its journal, the audit log or the log.
	for _, suffix := range []string{"", "-wal"} {
		if storetest.OnPostgres() {
			break // whose files are not ours to read
		}
		b, err := os.ReadFile(w.database + suffix)
		require.NoError(t, err)
		require.NotContains(t, string(b), secret)
		require.NotContains(t, string(b), second)
	}
	require.NotContains(t, w.logged()+fmt.Sprint(records), secret)
}

func TestWhatIsWrittenOfAKeyStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	_, key, err := w.CreateKey(ctx, repository.NewKey{Party: "supplier-a", By: "officer-1"})
	require.NoError(t, err)
	_, err = w.RevokeKey(ctx, key.ID, "officer-1", "")
	require.NoError(t, err)
	for _, statement := range []string{`UPDATE repository_key SET party = 'x'`, `UPDATE repository_key SET revoked_at = NULL`, `DELETE FROM repository_key`} {
		require.Error(t, w.store.Write(ctx, func(tx store.Tx) error { _, err := tx.Exec(ctx, statement); return err }), statement)
	}
}

// A key that was not written is no key, and one that was, though we were told it was
// not, is never handed out: nobody knows it.
func TestKeyThatWasNotWritten(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	for name, arm := range map[string]func(*store.Faults){
		"it failed":                              func(f *store.Faults) { f.FailBeforeCommit(0, func() error { return broken }) },
		"it happened but we were told it failed": func(f *store.Faults) { f.FailAfterCommit(0, func() error { return broken }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise", nil)
			arm(w.faults)
			secret, _, err := w.CreateKey(context.Background(), repository.NewKey{Party: "supplier-a", By: "officer-1"})
			require.ErrorIs(t, err, broken)
			require.Empty(t, secret)
			n := 0
			for _, err := range w.Keys(context.Background(), "") {
				require.NoError(t, err)
				n++
			}
			require.Len(t, w.records(t, repository.KindKey), n, "an act and its audit record are one")
		})
	}
}

type parties map[string]error

func (p parties) Active(_ context.Context, party string) error {
	if err, known := p[party]; known {
		return err
	}
	return repository.ErrForbidden
}

func TestKeyOfAPartyThatIsNoMore(t *testing.T) {
	t.Parallel()
	register := parties{"supplier-a": nil}
	w := newWorld(t, "exercise", func(c *repository.Config) { c.Parties = register })
	ctx := context.Background()
	_, _, err := w.CreateKey(ctx, repository.NewKey{Party: "stranger", By: "officer-1"})
	require.ErrorIs(t, err, repository.ErrForbidden)
	c := w.client(t)
	_, err = c.results("CertificateSubjectName", "90-B3-D5-1F-30-01-00-00")
	require.NoError(t, err)
	register["supplier-a"] = repository.ErrForbidden
	_, err = c.results("CertificateSubjectName", "90-B3-D5-1F-30-01-00-00")
	require.ErrorContains(t, err, "403")
	register["supplier-a"] = errors.New("the register does not answer")
	_, err = c.results("CertificateSubjectName", "90-B3-D5-1F-30-01-00-00")
	require.ErrorContains(t, err, "503", "what cannot be told is not allowed, and is no refusal")
}

func TestAdoptedKeys(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	chosen := "built-in-test-key"
	w := newWorld(t, "dcc-test", nil)
	key, err := w.AdoptKey(ctx, repository.NewKey{Party: "supplier-a", By: "officer-1"}, chosen)
	require.NoError(t, err)
	require.True(t, key.Adopted)
	got, err := w.Authenticate(ctx, chosen)
	require.NoError(t, err)
	require.Equal(t, key, got)
	_, err = w.AdoptKey(ctx, repository.NewKey{Party: "network-b", By: "officer-1"}, chosen)
	require.ErrorIs(t, err, ca.ErrConflict)
	_, err = w.AdoptKey(ctx, repository.NewKey{Party: "network-b", By: "officer-1"}, "short")
	require.ErrorIs(t, err, ca.ErrRefused)

	production := newWorld(t, "production", nil)
	_, err = production.AdoptKey(ctx, repository.NewKey{Party: "supplier-a", By: "officer-1"}, chosen)
	require.ErrorIs(t, err, ca.ErrRefused)
}

func TestDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", func(c *repository.Config) {
		c.Demand = repository.Demand{Rate: 2, Burst: 4, Forecasts: map[string]repository.Forecast{
			"supplier-a": {Daily: 10, Shares: [4]float64{0.1, 0.1, 0.7, 0.1}, FullDownload: time.Sunday},
		}}
	})
	c := w.client(t)
	ask := func(client *client) error {
		_, err := client.results("CertificateSubjectName", "90-B3-D5-1F-30-01-00-00")
		return err
	}
	for range 4 {
		require.NoError(t, ask(c))
	}
	require.ErrorContains(t, ask(c), "429")
	answer, _ := get(t, c.base+"files/index.json?apikey="+c.key)
	require.Equal(t, http.StatusTooManyRequests, answer.StatusCode, "everything that needs a key shares its limit")
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	require.NoError(t, ask(newClient(c.base, w.key(t, "network-b"))), "one key's limit is nobody else's")
	w.pass(time.Second)
	require.NoError(t, ask(c))
	require.NoError(t, ask(c))

	// The forecast has 7 for 08 to 20, and a fifth more is tolerated: 8.4. What was
	// refused was asked for all the same.
	require.NotContains(t, w.logged(), "demand above the forecast")
	require.ErrorContains(t, ask(c), "429")
	require.Contains(t, w.logged(), `party=supplier-a day=2026-11-24 period=08-20 requests=9 forecast=7`)
	for range 5 {
		w.pass(time.Minute)
		require.NoError(t, ask(c))
	}
	require.Contains(t, w.logged(), `period=day requests=13 forecast=10`)
	require.Equal(t, 2, strings.Count(w.logged(), "demand above the forecast"), "once is enough")
	require.NotContains(t, w.logged(), "network-b", "who has given no forecast exceeds none")
	require.Equal(t, []repository.Use{
		{Party: "network-b", Day: "2026-11-24", Requests: [4]int{2: 1}},
		{Party: "supplier-a", Day: "2026-11-24", Requests: [4]int{2: 14}, Forecast: 10},
	}, w.Uses())
}

func TestDemandThatMakesNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	for says, d := range map[string]repository.Demand{
		"a negative rate":           {Rate: -1},
		"less than what is told":    {Tolerance: 0.5},
		"no requests at all":        {Forecasts: map[string]repository.Forecast{"a": {}}},
		"shares of half a day":      {Forecasts: map[string]repository.Forecast{"a": {Daily: 1, Shares: [4]float64{0.5}}}},
		"shares that cancel out":    {Forecasts: map[string]repository.Forecast{"a": {Daily: 1, Shares: [4]float64{2, -1}}}},
		"an eighth day of the week": {Forecasts: map[string]repository.Forecast{"a": {Daily: 1, FullDownload: 7}}},
	} {
		cfg := w.config
		cfg.Demand = d
		_, err := repository.New(cfg)
		require.ErrorContains(t, err, "Demand", says)
	}
}

// No audit record, no key, no revocation of one, and no file that is published.
func TestNoActWithoutItsRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	secret, key, err := w.CreateKey(ctx, repository.NewKey{Party: "supplier-a", By: "officer-1"})
	require.NoError(t, err)
	storetest.Forbid(t, w.store, "audit_record", "")
	_, _, err = w.CreateKey(ctx, repository.NewKey{Party: "supplier-a", By: "officer-1"})
	require.ErrorContains(t, err, "injected fault")
	_, err = w.RevokeKey(ctx, key.ID, "officer-1", "")
	require.ErrorContains(t, err, "injected fault")
	_, err = w.Authenticate(ctx, secret)
	require.NoError(t, err, "it was not revoked")
	_, err = w.Publish(ctx, repository.Publication{Kind: repository.DeltaFile, By: "officer-1"})
	require.ErrorContains(t, err, "injected fault")
	files, err := w.Files(ctx)
	require.NoError(t, err)
	require.Empty(t, files)
	storetest.Allow(t, w.store, "audit_record")
	f, err := w.Publish(ctx, repository.Publication{Kind: repository.DeltaFile, By: "officer-1"})
	require.NoError(t, err)
	require.EqualValues(t, 1, f.Number, "what was begun is finished")
}
