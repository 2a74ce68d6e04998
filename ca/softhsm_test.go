package ca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/hsm"
	"smki.example/policy"
	"smki.example/policy/policytest"
	"smki.example/softhsm"
)

// A tokenWorld is a CA whose issuing keys are in a SoftHSM token.
type tokenWorld struct {
	soft   *softhsm.Token
	token  *hsm.Token
	issuer *ca.Issuer
	keys   map[string]*hsm.Key
}

func newTokenWorld(t testing.TB) *tokenWorld {
	t.Helper()
	ctx := context.Background()
	w := &tokenWorld{soft: softhsm.ForTest(t, "ca"), keys: make(map[string]*hsm.Key)}
	var err error
	w.token, err = hsm.Open(ctx, hsm.FromSoftHSM(w.soft))
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.token.Close() })

	h := policytest.NewHierarchy(t)
	cfg := ca.Config{Environment: h.Environment, LogKey: logKey}
	for name, row := range map[string]struct {
		root policytest.Authority
		cn   string
	}{"issuing-oca": {h.RootOCA, "X9"}, "issuing-dca": {h.RootDCA, "D9"}} {
		key, err := w.token.Generate(ctx, hsm.KeySpec{Label: hsm.Label(name, 1), Use: hsm.Sign, Modifiable: true})
		require.NoError(t, err)
		w.keys[name] = key
		subject := &ecdsa.PrivateKey{PublicKey: *key.Public()}
		cert := h.Issue(t, policy.ProfileName(name), &row.root, subject, policy.CertificateTemplate{CN: row.cn})
		cfg.Authorities = append(cfg.Authorities, ca.Authority{Name: name, Generation: 1, Certificate: cert, Signer: key.Signer})
	}
	cfg.Store, err = store.Open(ctx, store.Config{URL: storetest.Fresh(t)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = cfg.Store.Close() })
	w.issuer, err = ca.Open(ctx, cfg)
	require.NoError(t, err)
	return w
}

func TestSoftHSM(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t)
	c, err := w.issuer.Issue(t.Context(), supplier(t, 1))
	require.NoError(t, err)
	cert, err := c.Parse()
	require.NoError(t, err)
	require.NoError(t, policy.VerifyTBS(w.keys["issuing-oca"].Public(), cert.RawTBS, cert.Signature))

	// The token goes away: an outage, with the serial written off because nobody can
	// know what the token did. It comes back: the same request is issued.
	request := device(t, 2)
	require.NoError(t, w.soft.Break())
	_, err = w.issuer.Issue(t.Context(), request)
	require.ErrorIs(t, err, ca.ErrUncertain)
	require.ErrorIs(t, err, hsm.ErrUnavailable, "the token's own word reaches the caller")
	results, err := w.issuer.IssueBatch(t.Context(), []ca.Request{device(t, 3), supplier(t, 4)})
	require.NoError(t, err)
	for _, r := range results {
		require.Error(t, r.Err)
		require.NotErrorIs(t, r.Err, ca.ErrRefused)
	}
	require.NoError(t, w.soft.Restore())
	_, err = w.issuer.Issue(t.Context(), request)
	require.NoError(t, err)

	var requests []ca.Request
	for n := range 100 {
		requests = append(requests, device(t, 100+n))
	}
	results, err = w.issuer.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	for _, r := range results {
		require.NoError(t, r.Err)
	}
}

// The benchmarks report certificates a second, and how much of the ceiling that is:
// what no pipeline can beat on the machine at that moment. The ceiling is proof of
// possession, a signature of the token and its verification, on the same goroutines,
// and nothing else, of as many other requests, before each measurement. It is told
// twice, by the clock and by the processors' time, which a busy machine distorts less.

func requestsFor(b *testing.B) []ca.Request {
	requests := make([]ca.Request, b.N)
	for n := range requests {
		requests[n] = device(b, n)
	}
	return requests
}

// against measures f, which issues to all requests, against its ceiling.
func against(b *testing.B, w *tokenWorld, goroutines int, f func([]ca.Request)) {
	requests := requestsFor(b)
	ceiling := measure(b, func() { mustDo(b, w, goroutines, requests) })
	b.ResetTimer()
	took := measure(b, func() { f(requests) })
	b.ReportMetric(float64(b.N)/took.wall.Seconds(), "certs/s")
	b.ReportMetric(float64(b.N)/ceiling.wall.Seconds(), "ceiling-certs/s")
	b.ReportMetric(100*ceiling.wall.Seconds()/took.wall.Seconds(), "%ceiling")
	b.ReportMetric(100*ceiling.processor.Seconds()/took.processor.Seconds(), "%ceiling-cpu")
}

type spent struct{ wall, processor time.Duration }

func measure(b *testing.B, f func()) spent {
	began, before := time.Now(), processorTime(b)
	f()
	return spent{time.Since(began), processorTime(b) - before}
}

// mustDo does what nobody can leave out.
func mustDo(b *testing.B, w *tokenWorld, goroutines int, requests []ca.Request) {
	key := w.keys["issuing-dca"]
	together(len(requests), goroutines, func(n int) {
		req, err := policy.ParseRequest(requests[n].DER)
		require.NoError(b, err)
		require.NoError(b, req.CheckSignature())
		digest := sha256.Sum256(req.Raw)
		sig, err := key.Signer(context.Background()).Sign(nil, digest[:], crypto.SHA256)
		require.NoError(b, err)
		require.NoError(b, policy.VerifyTBS(key.Public(), req.Raw, sig))
	})
}

func together(n, goroutines int, f func(int)) {
	next := make(chan int)
	var wait sync.WaitGroup
	for range goroutines {
		wait.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	for k := range n {
		next <- k
	}
	close(next)
	wait.Wait()
}

func BenchmarkIssue(b *testing.B) {
	w := newTokenWorld(b)
	for name, goroutines := range map[string]int{"one after the other": 1, "64 waiting": 64} {
		b.Run(name, func(b *testing.B) {
			against(b, w, goroutines, func(requests []ca.Request) {
				together(len(requests), goroutines, func(n int) {
					_, err := w.issuer.Issue(context.Background(), requests[n])
					require.NoError(b, err)
				})
			})
		})
	}
}

func BenchmarkIssueBatch(b *testing.B) {
	w := newTokenWorld(b)
	for name, lanes := range map[string]int{"1000 at a time": 1, "1000 at a time, four lanes": 4} {
		b.Run(name, func(b *testing.B) {
			against(b, w, 2*runtime.GOMAXPROCS(0), func(requests []ca.Request) {
				shares := (len(requests) + ca.MaxBatch - 1) / ca.MaxBatch
				together(shares, lanes, func(n int) {
					share := requests[n*ca.MaxBatch : min((n+1)*ca.MaxBatch, len(requests))]
					results, err := w.issuer.IssueBatch(context.Background(), share)
					require.NoError(b, err)
					for _, r := range results {
						require.NoError(b, r.Err)
					}
				})
			})
		})
	}
}
