package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/smkiws"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// adHocClients is how many connections ask at once, each with one request at a time.
const adHocClients = 64

// A rider is a client that costs the machine as little as a client can: one connection
// with a certificate, requests that were written before.
type rider struct {
	conn *tls.Conn
	in   *bufio.Reader
}

func (s *site) ride(t testing.TB, h *holder) *rider {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.secure, "https://"), &tls.Config{
		Certificates: []tls.Certificate{h.certificate}, InsecureSkipVerify: true, // the fingerprint is the check
		VerifyConnection: func(state tls.ConnectionState) error {
			if sum := sha256.Sum256(state.PeerCertificates[0].Raw); hex.EncodeToString(sum[:]) != s.fingerprint {
				return errors.New("another server")
			}
			return nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &rider{conn, bufio.NewReader(conn)}
}

// post writes one request and requires that its answer has a text in it.
func (r *rider) post(request []byte, want string) error {
	if _, err := r.conn.Write(request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(r.in, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(want))) {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

func rawPost(body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/xml;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s",
		smkiws.DefaultAdHocPath, len(body), body)
}

// rush has all riders post requests 0 to n-1 and returns how long each took, sorted.
func rush(t testing.TB, riders []*rider, n int, request func(int) []byte, want string) (took []time.Duration, all time.Duration) {
	t.Helper()
	took = make([]time.Duration, n)
	var next atomic.Int64
	var wait sync.WaitGroup
	failed := make(chan error, len(riders))
	begun := time.Now()
	for _, r := range riders {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(n); k = next.Add(1) - 1 {
				one := time.Now()
				if err := r.post(request(int(k)), want); err != nil {
					failed <- err
					return
				}
				took[k] = time.Since(one)
			}
		})
	}
	wait.Wait()
	all = time.Since(begun)
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	slices.Sort(took)
	return took, all
}

// processor is the time of all processors that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A stand is what the benchmarks ride on: a CA on a SoftHSM token whose devices have
// their first certificates.
type stand struct {
	home    string
	devices []policy.EntityID
}

func newStand(b *testing.B, where string, devices int) *stand {
	b.Helper()
	needSoftHSM(b)
	s := &stand{home: filepath.Join(b.TempDir(), "ca")}
	arguments := []string{"init", "--home", s.home}
	if where == "PostgreSQL" {
		arguments = append(arguments, "--store", storetest.NewServer(b, true).Database(b))
	}
	code, _, errs := smki(b, arguments...)
	require.Equal(b, clikit.Done, code, errs)
	var lines bytes.Buffer
	for n := range devices {
		s.devices = append(s.devices, nextEntity())
		der, err := makeRequest("device", s.devices[n])
		require.NoError(b, err)
		fmt.Fprintf(&lines, "{\"id\":\"d%d\",\"csr\":%q}\n", n, base64.StdEncoding.EncodeToString(der))
	}
	in := filepath.Join(b.TempDir(), "first.jsonl")
	require.NoError(b, os.WriteFile(in, lines.Bytes(), 0o600))
	code, _, errs = smki(b, "batch", "--home", s.home, "--in", in, "--out", b.TempDir())
	require.Equal(b, clikit.Done, code, errs)
	return s
}

// requests are documents of new keys of the stand's devices, ten each at most, so that
// none comes near its limit.
func (s *stand) requests(b *testing.B, n int) (all [][]byte) {
	b.Helper()
	require.LessOrEqual(b, n, 10*len(s.devices))
	for k := range n {
		all = append(all, rawPost(adHoc(deviceRequest(b, s.devices[k%len(s.devices)]))))
	}
	return all
}

// signatures is how many requests a second the machine can do at this moment that are
// proved, signed by the token and verified, and nothing else.
func (s *stand) signatures(b *testing.B, n int) float64 {
	b.Helper()
	d, err := openCA(b.Context(), s.home, nil)
	require.NoError(b, err)
	defer func() { require.NoError(b, d.Close(context.Background())) }()
	authority, err := d.issuer.Authority("issuing-dca")
	require.NoError(b, err)
	requests := make([][]byte, n)
	for k := range requests {
		requests[k], err = makeRequest("device", s.devices[0])
		require.NoError(b, err)
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	begun := time.Now()
	for range adHocClients {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(n); k = next.Add(1) - 1 {
				r, err := policy.ParseRequest(requests[k])
				if err == nil {
					err = r.CheckSignature()
				}
				digest := sha256.Sum256(requests[k])
				var signature []byte
				if err == nil {
					signature, err = authority.Signer(b.Context()).Sign(nil, digest[:], crypto.SHA256)
				}
				if err == nil {
					err = policy.VerifyTBS(authority.Certificate.PublicKey, requests[k], signature)
				}
				if err != nil {
					b.Errorf("signing: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
	return float64(n) / time.Since(begun).Seconds()
}

// Single certificates over HTTPS with mutual TLS, 64 clients that keep their
// connections, the whole server behind: what `smki serve` does, on a SoftHSM token and
// with commits on disk. The ceiling is measured in the same run, on the same cores, with
// the same clients: as many requests as the machine can take, refuse and answer, and as
// many as it can prove, sign and verify, one after the other.
// Times of the processor (clients included) say the same on a machine that others use as
// well.
func BenchmarkAdHoc(b *testing.B) {
	for _, where := range []string{"SQLite", "PostgreSQL"} {
		b.Run(where, func(b *testing.B) {
			const sample = 4000
			s := newStand(b, where, max(400, (b.N+sample)/10+1))
			before := processor(b)
			signed := s.signatures(b, sample)
			signing := (processor(b) - before) / sample
			system := newHolder(b, s.home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc)
			site := serveHome(b, s.home)
			var riders []*rider
			for range adHocClients {
				riders = append(riders, site.ride(b, system))
			}
			refused := rawPost(strings.Replace(adHoc("AAAA"), "ID=", "Id=", 1))
			before = processor(b)
			_, exchange := rush(b, riders, sample, func(int) []byte { return refused }, "FORMAT_ERROR")
			exchanged, exchanging := sample/exchange.Seconds(), (processor(b)-before)/sample
			requests := s.requests(b, b.N)
			before = processor(b)
			b.ResetTimer()
			took, all := rush(b, riders, b.N, func(k int) []byte { return requests[k] }, "SUCCESS")
			b.StopTimer()
			issuing := (processor(b) - before) / time.Duration(b.N)
			rate, ceiling := float64(b.N)/all.Seconds(), 1/(1/signed+1/exchanged)
			b.ReportMetric(rate, "certificates/s")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(ceiling, "ceiling/s")
			b.ReportMetric(exchanged, "exchanges/s")
			b.ReportMetric(signed, "signatures/s")
			b.ReportMetric(100*rate/ceiling, "%ofceiling")
			b.ReportMetric(float64(issuing.Microseconds()), "cpu-us/certificate")
			b.ReportMetric(float64((signing + exchanging).Microseconds()), "cpu-us/ceiling")
			require.Equal(b, clikit.Done, site.stop())
		})
	}
}
