package smkiws_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
)

func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", clock)
	if err != nil {
		panic(err)
	}
	return t
}

// The night is from 20:00 to 08:00; a window may also lie within a day, and the zero
// window is always open.
func TestWindowOpen(t *testing.T) {
	t.Parallel()
	for clock, open := range map[string]bool{"2026-11-24 19:59:59": false, "2026-11-24 20:00:00": true, "2026-11-25 00:00:00": true, "2026-11-25 07:59:59": true, "2026-11-25 08:00:00": false} {
		require.Equal(t, open, smkiws.NightWindow.Open(at(clock)), clock)
		require.True(t, smkiws.Window{}.Open(at(clock)))
	}
	day := smkiws.Window{Opens: 9 * time.Hour, Closes: 17 * time.Hour, Location: time.FixedZone("BST", 3600)}
	for clock, open := range map[string]bool{"2026-06-01 07:59:59": false, "2026-06-01 08:00:00": true, "2026-06-01 15:59:59": true, "2026-06-01 16:00:00": false} {
		require.Equal(t, open, day.Open(at(clock)), clock)
	}
}

// One ad hoc request of a Party in any 0.8 s by day and in any 4 s by night; notice lifts
// it; Parties do not count for each other (AppN 3.1.2).
func TestAdHocDemand(t *testing.T) {
	t.Parallel()
	d, err := smkiws.NewDemand(smkiws.Limits{Enforce: true}, smkiws.Notice{Party: "c", From: at("2026-11-24 00:00:00"), Until: at("2026-11-25 00:00:00")})
	require.NoError(t, err)
	day, night := at("2026-11-24 07:00:00"), at("2026-11-24 20:00:00")
	require.Zero(t, d.AdHoc("a", day))
	require.Equal(t, 300*time.Millisecond, d.AdHoc("a", day.Add(500*time.Millisecond)))
	require.Zero(t, d.AdHoc("b", day.Add(500*time.Millisecond)))
	require.Zero(t, d.AdHoc("a", day.Add(800*time.Millisecond)), "what was refused does not count")
	require.Zero(t, d.AdHoc("a", night))
	require.Equal(t, 3*time.Second, d.AdHoc("a", night.Add(time.Second)))
	require.Zero(t, d.AdHoc("a", night.Add(4*time.Second)))
	for range 3 {
		require.Zero(t, d.AdHoc("c", day))
	}

	d, err = smkiws.NewDemand(smkiws.Limits{})
	require.NoError(t, err)
	require.Zero(t, d.AdHoc("a", day))
	require.NotZero(t, d.AdHoc("a", day.Add(500*time.Millisecond)))
	require.NotZero(t, d.AdHoc("a", day.Add(900*time.Millisecond)), "what was answered counts")
}

// When a Party may fetch a result (AppN 3.1.3, read as "the following night").
func TestFetchTimes(t *testing.T) {
	t.Parallel()
	d, err := smkiws.NewDemand(smkiws.Limits{})
	require.NoError(t, err)
	early := smkiws.Batch{ID: 1, SubmittedAt: at("2026-11-24 19:59:00")}
	require.Contains(t, d.Early(early, at("2026-11-25 07:59:59")), "before the time")
	require.Empty(t, d.Early(early, at("2026-11-25 09:00:00")))
	require.Contains(t, d.Early(early, at("2026-11-25 09:59:00")), "twice within an hour")
	require.Empty(t, d.Early(early, at("2026-11-25 11:00:00")))
	d.Delivered(1)
	require.Contains(t, d.Early(early, at("2026-11-26 11:00:00")), "again after")

	late := smkiws.Batch{ID: 2, SubmittedAt: at("2026-11-24 20:00:00")}
	require.Contains(t, d.Early(late, at("2026-11-25 21:59:59")), "before the time")
	require.Empty(t, d.Early(late, at("2026-11-25 23:00:00")))
}

// Enforced, a result that is fetched too early is not given; by default it is.
func TestFetchEnforced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Limits.Enforce = true })
	id := w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId
	workAll(t, w.service)
	path := fmt.Sprintf("%s?BatchId=%d", smkiws.ResultPath, id)
	status, headers, _ := w.call(t, "GET", path, "supplier", "", nil)
	require.Equal(t, http.StatusTooManyRequests, status)
	require.NotEmpty(t, headers.Get("Retry-After"))
	w.pass(20 * time.Hour)
	require.Len(t, w.result(t, "supplier", id).DeviceCertificate, 1)
}

// A Party that sends more than it gave notice of through the portal waits behind all
// others (AppN 3.1.1).
func TestPortalDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) {
		c.Limits.PortalDay = 2
		c.Notices = []smkiws.Notice{{Party: "told", From: noon, Until: noon.Add(time.Hour)}}
	})
	send := func(party string, devices ...int) smkiws.Batch {
		var files []file
		for _, n := range devices {
			files = append(files, file{fmt.Sprintf("%d.csr", n), text(device(t, n))})
		}
		b, err := w.service.SubmitArchive(t.Context(), smkiws.Client{Party: party, Requester: party}, "b.zip", strings.NewReader(string(zipped(t, files...))))
		require.NoError(t, err)
		return b
	}
	require.False(t, send("busy", 1, 2).Excess)
	excess := send("busy", 3)
	require.True(t, excess.Excess)
	require.False(t, send("told", 4, 5, 6).Excess)
	last := send("other", 7)
	require.False(t, last.Excess)
	for range 4 { // four batches parsed
		did, err := w.service.Work(t.Context())
		require.NoError(t, err)
		require.True(t, did)
	}
	for range 3 {
		did, err := w.service.Work(t.Context())
		require.NoError(t, err)
		require.True(t, did)
	}
	now, err := w.service.Batch(t.Context(), last.ID)
	require.NoError(t, err)
	require.Equal(t, smkiws.Completed, now.State)
	now, err = w.service.Batch(t.Context(), excess.ID)
	require.NoError(t, err)
	require.Equal(t, smkiws.Queued, now.State, "sent second, and taken last")
	w.pass(25 * time.Hour)
	require.False(t, send("busy", 8).Excess, "a day later")
}

// A number of a request is never given twice, also when the clock stands or goes back.
func TestTransactionNumbers(t *testing.T) {
	t.Parallel()
	next := smkiws.NextTransaction()
	last := int64(0)
	for n := range 1000 {
		number := next(noon.Add(-time.Duration(n) * time.Second))
		require.Greater(t, number, last)
		last = number
	}
}
