package verbs_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
	"smki.example/hsm"
	"smki.example/softhsm"
)

// shardSize is how many devices are in memory at once: a larger estate is played
// shard after shard, so that a million devices need the memory of one shard.
const shardSize = 100_000

var replaceDevices = flag.Int("replace.devices", 10_000, "how many devices BenchmarkReplace replaces three cells on")

// BenchmarkReplace measures a supplier's replacement of its three cells by method
// 1 as a drill does it: commands signed by the token, MACs, devices that check
// everything, answers that are checked, shards in the journal. Beside it stands the
// ceiling: the signatures, verifications and key agreements alone that so many
// devices need (a token's signature, two agreements, two verifications and the
// device's signature each), on the same cores in the same run. Memory is the heap
// that is live when the world stands, and the most the process ever held.
//
//	go test -run '^$' -bench Replace -benchtime 1x ./drills/verbs -replace.devices 100000
func BenchmarkReplace(b *testing.B) {
	if _, err := softhsm.Find(); err != nil {
		b.Skip(err)
	}
	devices := *replaceDevices
	for b.Loop() {
		b.StopTimer()
		var took, cpu time.Duration
		var live uint64
		for first := 0; first < devices; first += shardSize {
			shard := min(shardSize, devices-first)
			before := heap()
			world := benchWorld(b, verbs.Config{Estate: devices, First: first, Devices: shard})
			if first == 0 {
				live = (heap() - before) / uint64(shard)
			}
			act := engine.Action{Verb: "replace", Object: "supplier", Params: map[string]string{"by": "method 1"}}
			require.NoError(b, world.Act(b.Context(), 0, act))
			b.StartTimer()
			start, spent := time.Now(), processorTime()
			for at, more := world.Next(); more; at, more = world.Next() {
				require.NoError(b, world.Advance(b.Context(), at))
			}
			took, cpu = took+time.Since(start), cpu+processorTime()-spent
			b.StopTimer()
			sum := world.Sum()
			require.Equal(b, shard, sum.Ends["recovered"], "every device is reached, and holds the new keys")
			require.Zero(b, sum.Ends["unreachable"])
			require.NoError(b, world.Close())
		}
		ceiling, ceilingCPU := ceilingRate(b, min(devices, 4000))
		rate := float64(devices) / took.Seconds()
		b.ReportMetric(rate, "devices/s")
		b.ReportMetric(ceiling, "ceiling-devices/s")
		// What other work on the machine takes does not show in processor time.
		b.ReportMetric(float64(cpu.Microseconds())/float64(devices), "cpu-µs/device")
		b.ReportMetric(float64(ceilingCPU.Microseconds())/float64(min(devices, 4000)), "ceiling-cpu-µs/device")
		b.ReportMetric(float64(live), "B/device")
		b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
		b.StartTimer()
	}
}

// benchWorld is a world in which every message arrives at once.
func benchWorld(b *testing.B, c verbs.Config) *verbs.World {
	p, err := procedure.Sample()
	require.NoError(b, err)
	text := strings.Replace(plot, "estate: {devices: 20, unreachable: 10%, late: 10%, prepayment: 50%, rate: 10 an hour (sample)}",
		"estate: {devices: 2000, prepayment: 30%, rate: 700 an hour (sample)}", 1)
	s, err := scenario.Parse("plot.yaml", []byte(text), verbs.Vocabulary(p))
	require.NoError(b, err)
	key, err := journal.LoadKey(filepath.Join(b.TempDir(), "record.key"))
	require.NoError(b, err)
	pack := b.TempDir()
	record, err := journal.Create(filepath.Join(pack, journal.FileName), journal.Config{Key: key, RunID: "bench", Clock: time.Now})
	require.NoError(b, err)
	b.Cleanup(func() { record.Close() })
	c.Scenario, c.Procedure, c.Journal, c.Pack, c.Scratch = s, p, record, pack, b.TempDir()
	c.Seed, c.Epoch = 3, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	world, err := verbs.New(b.Context(), c)
	require.NoError(b, err)
	return world
}

// ceilingRate is how many devices a second the cryptography alone allows, and the
// processor time that it takes.
func ceilingRate(b *testing.B, devices int) (float64, time.Duration) {
	c := hsm.FromSoftHSM(softhsm.ForTest(b, "EXERCISE ceiling"))
	token, err := hsm.Open(b.Context(), c)
	require.NoError(b, err)
	defer token.Close()
	party, err := token.Generate(b.Context(), hsm.KeySpec{Label: "signing-1", Use: hsm.Sign, Modifiable: true})
	require.NoError(b, err)
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	agree, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(b, err)
	signer := party.Signer(b.Context())
	digest := sha256.Sum256([]byte("a command"))
	var next atomic.Int64
	var workers sync.WaitGroup
	var failed atomic.Bool
	start, spent := time.Now(), processorTime()
	for range 2 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for int(next.Add(1)) <= devices {
				command, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
				ok := err == nil && ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest[:], command)
				for range 2 {
					_, err = agree.ECDH(agree.PublicKey())
					ok = ok && err == nil
				}
				answer, err := device.Sign(nil, digest[:], crypto.SHA256)
				if !ok || err != nil || !ecdsa.VerifyASN1(&device.PublicKey, digest[:], answer) {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	took, cpu := time.Since(start), processorTime()-spent
	require.False(b, failed.Load())
	return float64(devices) / took.Seconds(), cpu
}

// processorTime is what the process has used of all cores.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// peak is the most memory that the process held so far, in octets; 0 where the
// system does not tell.
func peak() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kB << 10
			}
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return 0
}
