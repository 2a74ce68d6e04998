package ca_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// crashPoints are the places at which a process is killed, in the order in which
// it passes them. A point in a commit is reached with the transaction complete and
// not yet, or just, on disk.
var crashPoints = []string{
	"before-intent",
	"in the commit of the intent, before",
	"in the commit of the intent, after",
	"intent-committed",
	"before the token signs",
	"after the token has signed",
	"signed",
	"before-record",
	"in the commit of the certificate, before",
	"in the commit of the certificate, after",
	"recorded",
}

// silence is how long a helper that dies on PostgreSQL is taken for alive.
const silence = 4 * time.Second

// crashPlan is what a parent tells a helper process.
type crashPlan struct {
	Home        string // taps and requests are here
	Store       string // address of the database
	Name        string // of the helper
	Environment string
	Authorities map[string][2]string // name: certificate and key, hex
	Requests    []string             // hex
	Batch       bool
	Point       string // where to die; "": nowhere
	Survive     int    // how many issuances to finish before
}

// The helper process: a CA that issues until it is killed by its own hand.
func TestMain(m *testing.M) {
	if file := os.Getenv("CA_TEST_CRASH"); file != "" {
		if err := crash(file); err != nil {
			fmt.Fprintln(os.Stderr, "helper:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// die is kill -9 by the process itself: nothing is cleaned up, no buffer is
// written, no lock is given back by us.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func crash(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var plan crashPlan
	if err := json.Unmarshal(text, &plan); err != nil {
		return err
	}
	ctx := context.Background()
	env, err := policy.LoadEnvironment(plan.Environment)
	if err != nil {
		return err
	}
	var faults store.Faults
	s, err := store.Open(ctx, store.Config{URL: plan.Store, LeaseTerm: silence, Faults: &faults})
	if err != nil {
		return err
	}
	// What the token did is told to a file of the test's before the CA hears of it.
	tapFile, err := os.OpenFile(filepath.Join(plan.Home, plan.Name+".tap"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var armed atomic.Bool
	at := func(point string) {
		if armed.Load() && point == plan.Point {
			die()
		}
	}
	cfg := ca.Config{Store: s, Environment: env, LogKey: logKey, Clock: (&clock{now: noon}).Now}
	theTap := &tap{}
	theTap.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
		at("before the token signs")
		sig, err := sign()
		at("after the token has signed")
		return sig, err
	})
	theTap.told = func(digest []byte) error {
		_, err := fmt.Fprintf(tapFile, "%x\n", digest)
		return err
	}
	for name, parts := range plan.Authorities {
		a, err := decodeAuthority(parts)
		if err != nil {
			return err
		}
		cfg.Authorities = append(cfg.Authorities, authority(name, a, theTap))
	}
	i, err := ca.Open(ctx, cfg)
	if err != nil {
		return err
	}
	i.SetProbe(func(point string) error {
		at(point)
		return nil
	})
	issue := func(requests []ca.Request) error {
		if plan.Batch {
			results, err := i.IssueBatch(ctx, requests)
			for _, r := range results {
				if r.Err != nil && err == nil {
					err = r.Err
				}
			}
			return err
		}
		for _, r := range requests {
			if _, err := i.Issue(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
	var requests []ca.Request
	for _, text := range plan.Requests {
		der, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		requests = append(requests, ca.Request{DER: der, Requester: plan.Name})
	}
	if err := issue(requests[:plan.Survive]); err != nil {
		return err
	}
	armed.Store(true)
	atCommit := func(when, what string) func() error {
		return func() error {
			at("in the commit of the " + what + ", " + when)
			return nil
		}
	}
	for n, what := range []string{"intent", "certificate"} {
		faults.FailBeforeCommit(n, atCommit("before", what))
		faults.FailAfterCommit(n, atCommit("after", what))
	}
	return issue(requests[plan.Survive:])
}

func decodeAuthority(parts [2]string) (policytest.Authority, error) {
	certDER, err := hex.DecodeString(parts[0])
	if err != nil {
		return policytest.Authority{}, err
	}
	keyDER, err := hex.DecodeString(parts[1])
	if err != nil {
		return policytest.Authority{}, err
	}
	cert, err := policy.ParseCertificate(certDER)
	if err != nil {
		return policytest.Authority{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return policytest.Authority{}, err
	}
	return policytest.Authority{Certificate: cert, Key: key.(*ecdsa.PrivateKey)}, nil
}

func encodeAuthority(t *testing.T, a policytest.Authority) [2]string {
	key, err := x509.MarshalPKCS8PrivateKey(a.Key)
	require.NoError(t, err)
	return [2]string{hex.EncodeToString(a.Certificate.Raw), hex.EncodeToString(key)}
}

// start starts a helper with a plan.
func (plan crashPlan) start(t *testing.T) *exec.Cmd {
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	file := filepath.Join(plan.Home, plan.Name+".plan")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CA_TEST_CRASH="+file)
	cmd.Stderr = new(strings.Builder)
	require.NoError(t, cmd.Start())
	return cmd
}

// ended waits for a helper and checks that it came to the end it was to come to.
func (plan crashPlan) ended(t *testing.T, cmd *exec.Cmd) {
	err := cmd.Wait()
	if plan.Point == "" {
		require.NoError(t, err, "%s", cmd.Stderr)
		return
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal(), "%s was to die at %q: %v %s", plan.Name, plan.Point, err, cmd.Stderr)
}

// taps reads the digest of every signature that any helper's token made.
func taps(t *testing.T, home string) (digests [][32]byte) {
	files, err := filepath.Glob(filepath.Join(home, "*.tap"))
	require.NoError(t, err)
	for _, file := range files {
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			b, err := hex.DecodeString(lines.Text())
			require.NoError(t, err)
			digests = append(digests, [32]byte(b))
		}
	}
	return digests
}

// A process is killed at every point of an issuance. Whoever opens the home next
// finds every signature accounted for, and can issue to the same requests at once.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, batch := range []bool{false, true} {
		for _, point := range crashPoints {
			t.Run(fmt.Sprintf("%s, batch %t", point, batch), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				plan := newPlan(t, w, "killed", 6)
				plan.Batch, plan.Point, plan.Survive = batch, point, 3
				plan.ended(t, plan.start(t))
				settleAndResume(t, w, plan)
			})
		}
	}
}

// Three processes work on one home; one is killed in the middle. The two others
// notice nothing, finish, and are not reconciled away.
func TestKilledAmongOthers(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"in the commit of the intent, before", "intent-committed", "after the token has signed", "in the commit of the certificate, after"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			plans := []crashPlan{newPlan(t, w, "killed", 5), newPlan(t, w, "second", 20), newPlan(t, w, "third", 20)}
			plans[0].Point, plans[0].Survive = point, 2
			plans[2].Batch = true
			var cmds []*exec.Cmd
			for _, plan := range plans {
				cmds = append(cmds, plan.start(t))
			}
			for n, plan := range plans {
				plan.ended(t, cmds[n])
			}
			settleAndResume(t, w, plans...)
		})
	}
}

func newPlan(t *testing.T, w *world, name string, n int) crashPlan {
	plan := crashPlan{Home: w.home, Store: w.url, Name: name, Environment: "exercise", Authorities: map[string][2]string{
		"issuing-oca": encodeAuthority(t, w.hierarchy.IssuingOCA),
		"issuing-dca": encodeAuthority(t, w.hierarchy.IssuingDCA),
	}}
	for k := range n {
		request := device(t, k)
		if k%2 == 1 {
			request = supplier(t, k)
		}
		plan.Requests = append(plan.Requests, hex.EncodeToString(request.DER))
	}
	return plan
}

// settleAndResume opens the home after the dead, checks the books, and sends every
// request again.
func settleAndResume(t *testing.T, w *world, plans ...crashPlan) {
	w.tap.mu.Lock()
	w.tap.made = taps(t, w.home)
	w.tap.mu.Unlock()

	survivor := w.open(t)
	if w.store.Distributed() {
		// There a death is known when the dead has been silent for long enough.
		require.Eventually(t, func() bool {
			report, err := survivor.Reconcile(t.Context())
			return err == nil && report.Living == 0
		}, 20*silence, silence/10)
	}
	require.Zero(t, w.accounts(t)[open], "opening settled what the dead left behind")
	for _, plan := range plans {
		var requests []ca.Request
		for _, text := range plan.Requests {
			der, err := hex.DecodeString(text)
			require.NoError(t, err)
			requests = append(requests, ca.Request{DER: der, Requester: plan.Name})
		}
		results, err := survivor.IssueBatch(t.Context(), requests)
		require.NoError(t, err)
		finished := 0
		for _, r := range results {
			if r.Err == nil {
				continue
			}
			require.ErrorIs(t, r.Err, ca.ErrRefused)
			require.ErrorContains(t, r.Err, "key-reuse", "a request that is refused now has its certificate")
			finished++
		}
		require.GreaterOrEqual(t, finished, plan.Survive)
		if plan.Point == "" {
			require.Equal(t, len(requests), finished, "%s lived and finished", plan.Name)
		}
	}
	total := 0
	for _, plan := range plans {
		total += len(plan.Requests)
	}
	states := w.accounts(t)
	require.Equal(t, total, states[recorded], "everybody has one certificate")
	seen := make(map[[32]byte]bool)
	for in, err := range survivor.Intents(t.Context()) {
		require.NoError(t, err)
		seen[sha256.Sum256(in.TBS)] = true
	}
	for _, digest := range taps(t, w.home) {
		require.True(t, seen[digest], "every signature has its intent")
	}
}
