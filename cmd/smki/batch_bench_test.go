package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/policy"
)

// profileTo names the file that a command in another process leaves a processor
// profile in.
const profileTo = "SMKI_TEST_PROFILE"

// profiled is the command with its profile written.
func profiled(path string) int {
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := run()
	pprof.StopCPUProfile()
	// The most memory it had; the kernel's own account begins with its parent's.
	status, err := os.ReadFile("/proc/self/status")
	if err := errors.Join(err, os.WriteFile(path+"-status", status, 0o600), f.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// benchItems is how many requests a batch of the benchmark has: as many as one may
// have, unless SMKI_BENCH_ITEMS says otherwise.
func benchItems(b *testing.B) int {
	if text := os.Getenv("SMKI_BENCH_ITEMS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		return n
	}
	if testing.Short() {
		return 2000
	}
	return 50000
}

// BenchmarkBatch is the command itself in a process of its own: from the file of
// requests to the certificates' files, with a SoftHSM token. Each run is set against
// its ceiling, which no pipeline can beat: proof of possession, a signature of the same
// key, and its verification, on all cores and with nothing else, in the same minute.
//
//	go test ./cmd/smki -run - -bench Batch -v
func BenchmarkBatch(b *testing.B) {
	n := benchItems(b)
	requests := make([][]byte, n)
	var next atomic.Int64
	together(runtime.GOMAXPROCS(0), func() {
		for k := int(next.Add(1)) - 1; k < n; k = int(next.Add(1)) - 1 {
			der, err := makeRequest("device", nextEntity())
			require.NoError(b, err)
			requests[k] = der
		}
	})
	var lines, document bytes.Buffer
	document.WriteString(`<?xml version="1.0" encoding="utf-8"?><SubmitCSRBatch ID="batch-1"><Version>1.0</Version>`)
	for k, der := range requests {
		text := base64.StdEncoding.EncodeToString(der)
		fmt.Fprintf(&lines, "{\"id\":\"meter-%d\",\"csr\":%q}\n", k, text)
		fmt.Fprintf(&document, `<DeviceCSR ID="meter-%d">%s</DeviceCSR>`, k, text)
	}
	document.WriteString(`</SubmitCSRBatch>`)
	// Nothing is removed until all is measured: a file system (ext4) that has just
	// deleted many files is slow to make new ones.
	all := b.TempDir()

	for _, row := range []struct {
		name, file string
		input      []byte
		database   func(b *testing.B) string // of the home; nil: its own file
	}{
		{"JSONL, SQLite", "batch.jsonl", lines.Bytes(), nil},
		{"XML, SQLite", "batch.xml", document.Bytes(), nil},
		{"JSONL, PostgreSQL", "batch.jsonl", lines.Bytes(), func(b *testing.B) string { return storetest.NewServer(b, true).Database(b) }},
	} {
		b.Run(row.name, func(b *testing.B) {
			dir, err := os.MkdirTemp(all, "")
			require.NoError(b, err)
			in := filepath.Join(dir, row.file)
			require.NoError(b, os.WriteFile(in, row.input, 0o600))
			var took, most time.Duration
			var used, memory float64
			var stages map[string]time.Duration
			runs := 0
			for b.Loop() {
				b.StopTimer()
				home, out := filepath.Join(dir, fmt.Sprintf("ca-%d", runs)), filepath.Join(dir, fmt.Sprintf("out-%d", runs))
				args := []string{"init", "--home", home}
				if row.database != nil {
					args = append(args, "--store", row.database(b))
				}
				code, _, errs := smki(b, args...)
				require.Equal(b, clikit.Done, code, errs)
				ceiling, ceilingUsed := benchCeiling(b, home, requests)
				most += ceiling
				b.StartTimer()

				began := time.Now()
				state, profile := benchCommand(b, dir, "batch", "--home", home, "--in", in, "--out", out)
				took += time.Since(began)

				b.StopTimer()
				used += (state.UserTime() + state.SystemTime()).Seconds() / ceilingUsed.Seconds()
				memory = max(memory, peakOf(b, profile))
				stages = stagesOf(b, profile)
				files, err := os.ReadDir(filepath.Join(out, "certs"))
				require.NoError(b, err)
				require.Len(b, files, n)
				runs++
				b.StartTimer()
			}
			b.ReportMetric(float64(n*runs)/took.Seconds(), "certs/s")
			b.ReportMetric(float64(n*runs)/most.Seconds(), "ceiling-certs/s")
			b.ReportMetric(100*most.Seconds()/took.Seconds(), "%ceiling")
			b.ReportMetric(100*float64(runs)/used, "%ceiling-cpu")
			b.ReportMetric(memory, "MiB")
			b.Logf("processor seconds of the last run, by stage:%s", stageTable(stages))
		})
	}
}

// together runs f on n goroutines and waits.
func together(n int, f func()) {
	var wait sync.WaitGroup
	for range n {
		wait.Go(f)
	}
	wait.Wait()
}

// benchCeiling does to every request what nobody can leave out, and says how long it
// took and how much of the processors. It signs requests, not certificates, with the
// key of a home that is thrown away.
func benchCeiling(b *testing.B, home string, requests [][]byte) (took, used time.Duration) {
	h, err := openHome(home)
	require.NoError(b, err)
	config, err := h.tokenConfig()
	require.NoError(b, err)
	token, err := hsm.Open(b.Context(), config)
	require.NoError(b, err)
	defer token.Close()
	key, err := token.Key(b.Context(), hsm.Label("issuing-dca", 1))
	require.NoError(b, err)
	var next atomic.Int64
	began, before := time.Now(), processorTime(b)
	together(2*runtime.GOMAXPROCS(0), func() {
		for k := int(next.Add(1)) - 1; k < len(requests); k = int(next.Add(1)) - 1 {
			request, err := policy.ParseRequest(requests[k])
			if err == nil {
				err = request.CheckSignature()
			}
			require.NoError(b, err)
			digest := sha256.Sum256(request.Raw)
			signature, err := key.Signer(b.Context()).Sign(nil, digest[:], crypto.SHA256)
			require.NoError(b, err)
			require.NoError(b, policy.VerifyTBS(key.Public(), request.Raw, signature))
		}
	})
	return time.Since(began), processorTime(b) - before
}

func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func benchCommand(b *testing.B, dir string, args ...string) (*os.ProcessState, string) {
	executable, err := os.Executable()
	require.NoError(b, err)
	profile := filepath.Join(dir, "profile")
	command := exec.Command(executable, args...)
	command.Env = append(os.Environ(), profileTo+"="+profile)
	text, err := command.CombinedOutput()
	require.NoError(b, err, "%s", text)
	return command.ProcessState, profile
}

var peak = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peakOf is the most memory that the command had, in MiB; 0 where the kernel does not
// tell.
func peakOf(b *testing.B, profile string) float64 {
	status, err := os.ReadFile(profile + "-status")
	require.NoError(b, err)
	found := peak.FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	require.NoError(b, err)
	return float64(kilobytes) / 1024
}

// stageMarks say which stage a sample of the profile belongs to: the first whose mark
// stands in its stack.
var stageMarks = []struct{ mark, stage string }{
	{"runtime.gcBgMarkWorker", "garbage collection"}, {"runtime.gcAssist", "garbage collection"}, {"runtime.bgsweep", "garbage collection"}, {"runtime.bgscavenge", "garbage collection"},
	{"CheckSignature", "ceiling: proof of possession"}, {"hsm.(*session)", "ceiling: token"}, {"policy.VerifyTBS", "ceiling: verification"},
	{"smki.readItems", "reading the input"}, {"smki.readXML", "reading the input"}, {"batch.(*reader)", "reading the input"}, {"batch.normalise", "reading the input"}, {"batch.Read", "reading the input"}, {"batch.(*Output)", "writing files"},
	{"LintTBS", "building, linting, reading back"}, {"(*Profile).TBS", "building, linting, reading back"}, {"policy.ParseCertificate", "building, linting, reading back"},
	{"policy.Assemble", "building, linting, reading back"}, {"policy.ParseRequest", "building, linting, reading back"},
	{"Tx).Commit", "database: commit"}, {"batch.(*Batch)", "database: items"}, {"ca.insertCertificates", "database: certificates"}, {"ca.insertIntents", "database: intents"},
	{"ca.(*Issuer).SettleIntents", "database: intents"}, {"ca.(*Issuer).admit", "database: admission"}, {"audit.Append", "database: audit log"}, {"store.(*committer)", "database: other"},
}

var sampleTime = regexp.MustCompile(`^\s*([0-9.]+)(ns|us|ms|s)\s`)

// stagesOf reads a profile with the go command's own tool.
func stagesOf(b *testing.B, profile string) map[string]time.Duration {
	executable, err := os.Executable()
	require.NoError(b, err)
	text, err := exec.Command("go", "tool", "pprof", "-traces", executable, profile).Output()
	if err != nil {
		b.Logf("no stages: %v", err)
		return nil
	}
	stages := make(map[string]time.Duration)
	for _, trace := range strings.Split(string(text), "-----------+-------------------------------------------------------\n")[1:] {
		found := sampleTime.FindString(trace)
		if found == "" {
			continue
		}
		spent, err := time.ParseDuration(strings.TrimSpace(found))
		require.NoError(b, err)
		k := slices.IndexFunc(stageMarks, func(m struct{ mark, stage string }) bool { return strings.Contains(trace, m.mark) })
		stage := "other"
		if k >= 0 {
			stage = stageMarks[k].stage
		}
		stages[stage] += spent
	}
	return stages
}

func stageTable(stages map[string]time.Duration) string {
	var all time.Duration
	names := make([]string, 0, len(stages))
	for name, spent := range stages {
		all += spent
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return int(stages[y] - stages[x]) })
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "\n%8.2f s %5.1f %%  %s", stages[name].Seconds(), 100*stages[name].Seconds()/all.Seconds(), name)
	}
	return text.String()
}
