package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// process is the command in a process of its own.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(executable, args...)
	command.Env = append(os.Environ(), asCommand+"=1")
	command.Stderr = &bytes.Buffer{}
	return command
}

// A batch on a real token is killed at random moments, with one process at work and
// with two, and given again until it is done. Package batch visits every point one by
// one, with keys in software; here the points are those that a token makes.
func TestBatchKilledAtRandom(t *testing.T) {
	t.Parallel()
	const items = 1500
	for _, processes := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d processes", processes), func(t *testing.T) {
			t.Parallel()
			home, dir := newHome(t), t.TempDir()
			text, err := makeBatch(items)
			require.NoError(t, err)
			in, out := filepath.Join(dir, "batch.jsonl"), filepath.Join(dir, "out")
			require.NoError(t, os.WriteFile(in, text, 0o600))

			deaths := 0
			for range 8 {
				var running []*exec.Cmd
				for range processes {
					command := process(t, "batch", "--home", home, "--in", in, "--out", out)
					require.NoError(t, command.Start())
					running = append(running, command)
				}
				// The moment is random and not waited for: only whom it meets matters.
				victim := running[0]
				timer := time.AfterFunc(time.Duration(20+rand.IntN(700))*time.Millisecond, func() { _ = victim.Process.Kill() })
				for n, command := range running {
					err := command.Wait()
					if state, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
						require.Zero(t, n, "only the first is killed")
						deaths++
						continue
					}
					require.NoError(t, err, "%s", command.Stderr)
				}
				timer.Stop()
			}
			code, printed, errs := smki(t, "batch", "--home", home, "--in", in, "--out", out)
			require.Equal(t, clikit.Done, code, errs)
			require.Contains(t, printed, fmt.Sprintf("%d items: %d certificates, 0 refused", items, items))
			t.Logf("killed %d times", deaths)

			exported := filepath.Join(dir, "exported")
			code, _, errs = smki(t, "export", "--home", home, "--out", exported)
			require.Equal(t, clikit.Done, code, errs)
			certificates := accounted(t, exported)
			require.Equal(t, items, certificates, "one certificate a request")
			code, _, errs = smki(t, "audit", "verify", "--home", home)
			require.Equal(t, clikit.Done, code, errs)
			results, err := os.ReadFile(filepath.Join(out, "results.csv"))
			require.NoError(t, err)
			require.Equal(t, items+1, strings.Count(string(results), "\n"))
			files, err := os.ReadDir(filepath.Join(out, "certs"))
			require.NoError(t, err)
			written := 0
			for _, f := range files {
				if !strings.HasPrefix(f.Name(), ".new-") { // what a killed process was writing
					written++
				}
			}
			require.Equal(t, items, written)
		})
	}
}

// accounted reads exported files as an auditor does: every certificate and list is an
// intent with a signature, no serial stands twice, every signature verifies. It
// returns the number of certificates issued on request.
func accounted(t *testing.T, dir string) int {
	t.Helper()
	intents := map[string]bool{}
	for _, tbs := range hexFile(t, filepath.Join(dir, "intents.hex")) {
		intents[string(tbs)] = true
	}
	authority := func(name string) *policy.Certificate {
		text, err := os.ReadFile(filepath.Join(dir, "ca", name+".pem"))
		require.NoError(t, err)
		block, _ := pem.Decode(text)
		c, err := policy.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		return c
	}
	issuers := map[policy.ProfileName]*policy.Certificate{policy.ProfileDevice: authority("issuing-dca"), policy.ProfileOrganisation: authority("issuing-oca")}
	serials := map[policy.Serial]bool{}
	asked := hexFile(t, filepath.Join(dir, "certs.hex"))
	for _, der := range append(asked, hexFile(t, filepath.Join(dir, "certs-own.hex"))...) {
		c, err := policy.ParseCertificate(der)
		require.NoError(t, err)
		require.True(t, intents[string(c.RawTBS)], "certificate %s has no intent", c.Serial)
		require.False(t, serials[c.Serial], "serial %s stands twice", c.Serial)
		serials[c.Serial] = true
		require.NoError(t, policy.VerifyTBS(issuers[c.Kind()].PublicKey, c.RawTBS, c.Signature))
	}
	for _, der := range hexFile(t, filepath.Join(dir, "crls.hex")) {
		list, err := policy.ParseCRL(der)
		require.NoError(t, err)
		require.True(t, intents[string(list.RawTBS)], "list %d of %s has no intent", list.Number, list.Issuer.CN)
	}
	return len(asked)
}

func hexFile(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var all [][]byte
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		der, err := hex.DecodeString(scanner.Text())
		require.NoError(t, err)
		all = append(all, der)
	}
	require.NoError(t, scanner.Err())
	return all
}

// A single issue is killed at random moments; afterwards every serial that was given
// out is a certificate or written off, and the CA works.
func TestIssueKilledAtRandom(t *testing.T) {
	t.Parallel()
	home, dir := newHome(t), t.TempDir()
	for n := range 12 {
		file := filepath.Join(dir, fmt.Sprint(n))
		kind := []string{"device", "organisation", "iki"}[n%3]
		der, err := makeRequest(kind, nextEntity())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, der, 0o600))
		if kind != "iki" {
			kind = "auto"
		}
		command := process(t, "issue", "--home", home, "--csr", file, "--type", kind)
		require.NoError(t, command.Start())
		timer := time.AfterFunc(time.Duration(rand.IntN(120))*time.Millisecond, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		timer.Stop()
		code, _, errs := smki(t, "issue", "--home", home, "--csr", file, "--type", kind)
		if code != clikit.Done {
			require.Contains(t, errs, "key-reuse", "the killed process had finished")
		}
	}
	exported := filepath.Join(dir, "exported")
	code, _, errs := smki(t, "export", "--home", home, "--out", exported)
	require.Equal(t, clikit.Done, code, errs)
	require.Equal(t, 8, accounted(t, exported))
	code, out, errs := smki(t, "reconcile", "--home", home, "--json")
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, `"settled": []`)
	code, _, errs = smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, errs)
}

// An init is killed at random moments: the folder is then a home, or nothing, or says
// what to do, and a new one can be made beside it. Of two inits at once, one makes the
// home.
func TestInitKilledAtRandom(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	for n := range 8 {
		home := filepath.Join(t.TempDir(), "ca")
		command := process(t, "init", "--home", home)
		require.NoError(t, command.Start())
		timer := time.AfterFunc(time.Duration(50+rand.IntN(60*n+50))*time.Millisecond, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		timer.Stop()
		code, _, errs := smki(t, "list", "--home", home)
		if code == clikit.Done {
			continue
		}
		code, _, again := smki(t, "init", "--home", home)
		if code != clikit.Done {
			require.Equal(t, clikit.Refused, code, again)
			require.Contains(t, again, "remove the folder", errs)
			require.NoError(t, os.RemoveAll(home))
			code, _, errs = smki(t, "init", "--home", home)
			require.Equal(t, clikit.Done, code, errs)
		}
	}

	home := filepath.Join(t.TempDir(), "ca")
	first, second := process(t, "init", "--home", home), process(t, "init", "--home", home)
	require.NoError(t, first.Start())
	require.NoError(t, second.Start())
	_, _ = first.Wait(), second.Wait()
	require.ElementsMatch(t, []int{0, 3}, []int{first.ProcessState.ExitCode(), second.ProcessState.ExitCode()}, "%s%s", first.Stderr, second.Stderr)
	code, _, errs := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, errs)
}
