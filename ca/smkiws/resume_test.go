package smkiws_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// requests are n requests of devices 1 to n, and their text.
func requests(t testing.TB, n int) (csrs []string) {
	for k := range n {
		csrs = append(csrs, text(device(t, k+1)))
	}
	return csrs
}

// drive works until a batch is COMPLETED, whatever fails on the way, and lets the pauses
// between attempts pass.
func (w *world) drive(t testing.TB, s *smkiws.Service, id int64) {
	t.Helper()
	for range 200 {
		did, err := s.Work(t.Context())
		if err != nil || did {
			continue
		}
		b, err := s.Batch(t.Context(), id)
		require.NoError(t, err)
		if b.State.Final() {
			return
		}
		w.pass(time.Minute)
	}
	require.FailNow(t, "the batch does not come to its end")
}

// wholeBatch is what must hold at the end, whatever happened: every request has its own
// certificate, for its own key, and no key has two.
func (w *world) wholeBatch(t testing.TB, id int64, csrs []string) {
	t.Helper()
	r := w.result(t, "supplier", id)
	require.Equal(t, "COMPLETED", r.BatchStatus)
	require.Len(t, r.DeviceCertificate, len(csrs))
	serials := map[policy.Serial]bool{}
	for n, c := range r.DeviceCertificate {
		require.Equal(t, "SUCCESS", c.Status, "%s: %v", c.ID, c.Error)
		certificate := decode(t, c.Certificate)
		require.Equal(t, fmt.Sprintf("d%d", n+1), c.ID)
		require.Equal(t, entity(n+1), certificate.DeviceID)
		require.False(t, serials[certificate.Serial])
		serials[certificate.Serial] = true
	}
	recorded := 0
	for c, err := range w.issuer.List(t.Context(), ca.Filter{Profile: policy.ProfileDevice}) {
		require.NoError(t, err)
		require.True(t, serials[c.Serial], "certificate %s is in nobody's hands", c.Serial)
		recorded++
	}
	require.Equal(t, len(csrs), recorded, "no request was issued twice")
	_, err := w.issuer.Log().Verify(t.Context())
	require.NoError(t, err)
}

// A process that dies at any point of a batch's life leaves it to the next one.
func TestDeath(t *testing.T) {
	t.Parallel()
	points := map[string]int{"kept": 0, "items-written": 1, "parsed": 1, "claimed": 2, "issued": 2}
	for point, visits := range points {
		for visit := range max(visits, 1) {
			t.Run(fmt.Sprintf("%s-%d", point, visit+1), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				csrs := requests(t, 1003)
				document := batchDocument("b", csrs...)
				dead := w.open(t, w.config())
				seen := 0
				dead.SetProbe(func(p string) error {
					if p == point {
						if seen == visit {
							return errInjected
						}
						seen++
					}
					return nil
				})
				url := w.url
				w.url = w.serve(t, dead)
				a := w.submit(t, "supplier", document)
				w.url = url
				if point == "kept" {
					require.Equal(t, "WORKFLOW_ERROR", a.BatchStatus)
					require.Zero(t, w.count(t, `SELECT COUNT(*) FROM smkiws_batch`))
					w.pass(25 * time.Hour)
					require.NoError(t, w.service.Purge(t.Context()))
					require.Zero(t, w.count(t, `SELECT COUNT(*) FROM smkiws_upload`), "what no batch refers to is removed a day later")
					a = w.submit(t, "supplier", document)
				} else {
					var err error
					for did := true; did && err == nil; {
						did, err = dead.Work(t.Context())
					}
					require.ErrorIs(t, err, errInjected)
				}
				if point != "kept" {
					// While the first is alive nobody touches what it holds.
					workAll(t, w.service)
					require.NotEqual(t, "COMPLETED", w.result(t, "supplier", a.BatchId).BatchStatus)
				}
				require.NoError(t, dead.Close())
				w.drive(t, w.service, a.BatchId)
				w.wholeBatch(t, a.BatchId, csrs)
				require.Equal(t, 1003, w.signed)
			})
		}
	}
}

// A stop in the middle of a shard: what is signed is recorded and has its outcome, what
// is not goes on in the next process.
func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	csrs := requests(t, 200)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	w.failing(func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if n++; n == 100 {
			stop()
		}
		return nil
	})
	stopping := w.open(t, w.config())
	_, err := stopping.Work(ctx)
	require.NoError(t, err, "it parses")
	_, err = stopping.Work(ctx)
	require.NoError(t, err, "what was begun has been put down in order")
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.NoError(t, stopping.Close())
	done := w.count(t, `SELECT COUNT(*) FROM smkiws_outcome WHERE status = 'SUCCESS'`)
	require.GreaterOrEqual(t, done, 99)
	require.Less(t, done, 200)
	require.Equal(t, done, w.count(t, `SELECT COUNT(*) FROM smkiws_outcome`), "a stop is nobody's failure")
	w.failing(nil)
	w.drive(t, w.service, id)
	w.wholeBatch(t, id, csrs)
	require.Equal(t, 200, w.signed)
}

// Every commit of a batch's life fails in both ways: it did not happen, and it happened
// and we were told that it did not.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for commit := range 8 {
			t.Run(fmt.Sprintf("commit-%d-after-%v", commit, after), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				csrs := requests(t, 3)
				id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
				hit := false
				fail := func() error { hit = true; return errInjected }
				if after {
					w.faults.FailAfterCommit(commit, fail)
				} else {
					w.faults.FailBeforeCommit(commit, fail)
				}
				w.drive(t, w.service, id)
				w.faults.Disarm()
				w.wholeBatch(t, id, csrs)
				require.Equal(t, commit < 7, hit, "a quiet batch has 7 commits after its submission")
			})
		}
	}
}

// A token that fails for some time costs time and no request; one that never comes back
// gives every request its CA_ERROR.
func TestTokenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	csrs := requests(t, 5)
	w.failing(inject)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	for range 3 {
		workAll(t, w.service)
		w.pass(time.Minute)
	}
	require.Equal(t, smkiws.Processing, w.state(t, id))
	w.failing(nil)
	w.drive(t, w.service, id)
	w.wholeBatch(t, id, csrs)

	w = newWorld(t)
	w.failing(inject)
	id = w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	w.drive(t, w.service, id)
	r := w.result(t, "supplier", id)
	require.Len(t, r.DeviceCertificate, 5)
	for _, c := range r.DeviceCertificate {
		require.Equal(t, "CA_ERROR", c.Status)
		require.Equal(t, "CA:EE2", c.Error.ErrorCode)
	}
}

// A request that was signed and never recorded is told so, when that happens as often as
// it is tried.
func TestItemNeverRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Limits.Attempts = 1 })
	id := w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId
	w.failing(func() error {
		w.failing(nil)
		w.faults.FailBeforeCommit(0, inject)
		return nil
	})
	workAll(t, w.service)
	r := w.result(t, "supplier", id)
	require.Len(t, r.DeviceCertificate, 1)
	require.Equal(t, "WORKFLOW_ERROR", r.DeviceCertificate[0].Status)
	require.Equal(t, "WF:BB3", r.DeviceCertificate[0].Error.ErrorCode)
}

// A certificate that was there before the batch is no item's, even when the batch is
// taken over from a dead process.
func TestAdoptsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	der := device(t, 1)
	_, err := w.issuer.Issue(t.Context(), ca.Request{DER: der, Requester: "supplier system"})
	require.NoError(t, err)
	other := device(t, 2)
	_, err = w.issuer.Issue(t.Context(), ca.Request{DER: other, Requester: "somebody else"})
	require.NoError(t, err)
	w.pass(time.Hour)
	id := w.submit(t, "supplier", batchDocument("b", text(der), text(other), text(device(t, 3)))).BatchId
	dead := w.open(t, w.config())
	dead.SetProbe(func(p string) error {
		if p == "issued" {
			return errInjected
		}
		return nil
	})
	for err = nil; err == nil; {
		_, err = dead.Work(t.Context())
	}
	require.NoError(t, dead.Close())
	w.drive(t, w.service, id)
	var got []string
	for _, c := range w.result(t, "supplier", id).DeviceCertificate {
		got = append(got, c.Status)
	}
	require.Equal(t, []string{"ISSUANCE_ANOMALY", "ISSUANCE_ANOMALY", "SUCCESS"}, got)
}

// slow is a CA whose certificates come to light only after somebody has looked for them
// once: what a former owner that was slow and not dead does.
type slow struct {
	smkiws.Issuer
	looked map[ca.KeyHash]bool
}

func (s *slow) BySPKI(ctx context.Context, key ca.KeyHash) ([]*ca.Certificate, error) {
	if !s.looked[key] {
		s.looked[key] = true
		return nil, nil
	}
	return s.Issuer.BySPKI(ctx, key)
}

// A certificate that a former owner records late is adopted all the same.
func TestSlowOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	csrs := requests(t, 3)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	dead := w.open(t, w.config())
	dead.SetProbe(func(p string) error {
		if p == "issued" {
			return errInjected
		}
		return nil
	})
	var err error
	for err == nil {
		_, err = dead.Work(t.Context())
	}
	require.NoError(t, dead.Close())
	w.drive(t, w.open(t, w.config(func(c *smkiws.Config) { c.Issuer = &slow{w.issuer, map[ca.KeyHash]bool{}} })), id)
	w.wholeBatch(t, id, csrs)
}

// Several processes share the shards of several batches.
func TestShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	csrs := requests(t, 2500)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	var services []*smkiws.Service
	for range 2 {
		services = append(services, w.open(t, w.config(func(c *smkiws.Config) {
			c.Issuer = w.openCA(t)
		})))
	}
	var workers sync.WaitGroup
	for _, s := range services {
		for range 2 {
			workers.Go(func() {
				for {
					_, err := s.Work(t.Context())
					b, berr := s.Batch(t.Context(), id)
					if err != nil || berr != nil {
						t.Errorf("working: %v, %v", err, berr)
						return
					}
					if b.State == smkiws.Completed {
						return
					}
				}
			})
		}
	}
	workers.Wait()
	w.wholeBatch(t, id, csrs)
	require.Equal(t, 2500, w.signed)
}

// hierarchyOf is a hierarchy of which only the Issuing DCA is known, by its key and
// certificate.
func hierarchyOf(t testing.TB, key, certificate string) *policytest.Hierarchy {
	t.Helper()
	environment, err := policy.LoadEnvironment("exercise")
	require.NoError(t, err)
	k, err := hex.DecodeString(key)
	require.NoError(t, err)
	der, err := hex.DecodeString(certificate)
	require.NoError(t, err)
	h := &policytest.Hierarchy{Environment: environment}
	h.IssuingDCA.Key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), k)
	require.NoError(t, err)
	h.IssuingDCA.Certificate, err = policy.ParseCertificate(der)
	require.NoError(t, err)
	return h
}

// killedHome names the folder in which a child process works until it is killed.
const killedHome = "SMKIWS_KILLED_HOME"

// A process that is killed by the kernel in the middle of its work, at whatever
// instruction, again and again.
func TestKilled(t *testing.T) {
	t.Parallel()
	if storetest.OnPostgres() {
		t.Skip("a lease on PostgreSQL outlives its owner by half a minute; SQLite shows the same code")
	}
	w := newWorld(t)
	csrs := requests(t, 3000)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	key := filepath.Join(t.TempDir(), "key")
	dca := w.hierarchy.IssuingDCA
	require.NoError(t, os.WriteFile(key, []byte(fmt.Sprintf("%x\n%x\n%d", must(dca.Key.Bytes()), dca.Certificate.Raw, w.clock().UnixMicro())), 0o600))
	for kill := range 6 {
		command := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
		command.Env = append(os.Environ(), killedHome+"="+w.address, "SMKIWS_KILLED_KEY="+key)
		require.NoError(t, command.Start())
		// It is killed after some more outcomes than there were, whenever that is.
		goal := min(1, kill) + kill*400
		require.Eventually(t, func() bool {
			return w.count(t, `SELECT COUNT(*) FROM certificate`) >= goal || w.count(t, `SELECT COUNT(*) FROM smkiws_batch WHERE state = 'COMPLETED'`) == 1
		}, 60*time.Second, time.Millisecond)
		require.NoError(t, command.Process.Kill())
		require.Error(t, command.Wait())
	}
	_, err := w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	w.drive(t, w.service, id)
	w.wholeBatch(t, id, csrs)
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestKilledChild is the process that TestKilled kills; by itself it does nothing.
func TestKilledChild(t *testing.T) {
	home := os.Getenv(killedHome)
	if home == "" {
		return
	}
	b, err := os.ReadFile(os.Getenv("SMKIWS_KILLED_KEY"))
	require.NoError(t, err)
	parts := strings.Split(string(b), "\n")
	micro, err := strconv.ParseInt(parts[2], 10, 64)
	require.NoError(t, err)
	w := &world{hierarchy: hierarchyOf(t, parts[0], parts[1]), register: &register{}, now: time.UnixMicro(micro).UTC()}
	w.store, err = store.Open(t.Context(), store.Config{URL: home})
	require.NoError(t, err)
	w.issuer = w.openCA(t)
	s := w.open(t, w.config())
	for {
		_, _ = s.Work(t.Context())
	}
}
