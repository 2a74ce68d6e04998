package iki_test

import (
	"bufio"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/store"
	"smki.example/hsm"
	"smki.example/policy"
	"smki.example/policy/policytest"
	"smki.example/softhsm"
)

// newTokenWorld is a world whose authority's key is in a SoftHSM token.
func newTokenWorld(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	token, err := hsm.Open(ctx, hsm.FromSoftHSM(softhsm.ForTest(t, "iki")))
	require.NoError(t, err)
	t.Cleanup(func() { _ = token.Close() })
	key, err := token.Generate(ctx, hsm.KeySpec{Label: hsm.Label(iki.Name, 1), Use: hsm.Sign})
	require.NoError(t, err)
	return newWorldOf(t, key.Signer)
}

// A client is a system with its key and its certificate.
type client struct {
	certificate *iki.Certificate
	pair        tls.Certificate
}

// clientKeys are made once: what a test needs of them is that they differ.
var clientKeys = func() func(n int) *rsa.PrivateKey {
	var mu sync.Mutex
	made := map[int]*rsa.PrivateKey{}
	return func(n int) *rsa.PrivateKey {
		mu.Lock()
		defer mu.Unlock()
		if made[n] == nil {
			made[n] = newRSA(2048)
		}
		return made[n]
	}
}()

func (w *world) client(t *testing.T, n int, cn string, i iki.Interface) client {
	t.Helper()
	key := clientKeys(n)
	c, err := w.authority.IssueFor(context.Background(), iki.Order{DER: request(t, key, named(cn)), Requester: "test", Interface: i})
	require.NoError(t, err)
	return client{c, tls.Certificate{Certificate: [][]byte{c.DER}, PrivateKey: key}}
}

var serverFile = sync.OnceValues(func() (tls.Certificate, error) {
	dir, err := os.MkdirTemp("", "iki")
	if err != nil {
		return tls.Certificate{}, err
	}
	defer os.RemoveAll(dir)
	return iki.MakeServer(filepath.Join(dir, "server.pem"), []string{"127.0.0.1", "localhost"}, time.Now())
})

// A site is a server behind a gate.
type site struct {
	gate    *iki.Gate
	address string
	roots   *x509.CertPool
	held    chan struct{} // told when a request to /hold has begun
}

func (w *world) site(t *testing.T, change func(*iki.GateConfig)) *site {
	t.Helper()
	server, err := serverFile()
	require.NoError(t, err)
	cfg := iki.GateConfig{Store: w.store, Authorities: [][]byte{w.authority.Certificate()}, Server: server, Clock: w.clock}
	if change != nil {
		change(&cfg)
	}
	s := &site{roots: x509.NewCertPool(), held: make(chan struct{}, 8)}
	leaf, err := x509.ParseCertificate(server.Certificate[0])
	require.NoError(t, err)
	s.roots.AddCert(leaf)
	s.gate, err = iki.NewGate(cfg)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		c, known := iki.ClientOf(r)
		if !known {
			_, _ = io.WriteString(w, "nobody")
			return
		}
		_, _ = io.WriteString(w, c.Organisation+"/"+c.Role.OU()+"/"+c.CN+"/"+c.Interface.String()+"/"+c.Serial.String())
	})
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		s.held <- struct{}{}
		<-r.Context().Done()
	})
	fine := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/batch", s.gate.For(fine, iki.Batched))
	mux.Handle("/any", s.gate.For(fine))
	mux.Handle("/adhoc", s.gate.For(fine, iki.AdHoc))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	httpServer := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- s.gate.Serve(httpServer, listener) }()
	t.Cleanup(func() {
		require.NoError(t, httpServer.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return s
}

// as is an HTTP client that shows certificates.
func (s *site) as(t *testing.T, h2 bool, pairs ...tls.Certificate) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "localhost", Certificates: pairs}, ForceAttemptHTTP2: h2}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// get returns status and answer, and whether an open connection was used.
func (s *site) get(c *http.Client, path string) (status int, body string, reused bool, err error) {
	r, err := http.NewRequest(http.MethodGet, "https://"+s.address+path, nil)
	if err != nil {
		return 0, "", false, err
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
	answer, err := c.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return 0, "", false, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), reused, err
}

func TestGate(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t)
	good, other := w.client(t, 1, "system 1", iki.AdHoc), w.client(t, 2, "system 2", iki.Batched)
	none, gone := w.client(t, 3, "system 3", iki.NoInterface), w.client(t, 4, "system 4", iki.AdHoc)
	w.revoke(t, gone.certificate.Serial)
	stranger := newWorld(t)
	foreign := stranger.client(t, 1, "system 1", iki.AdHoc)

	one := w.site(t, func(c *iki.GateConfig) { c.Interfaces = []iki.Interface{iki.AdHoc} })
	all := w.site(t, func(c *iki.GateConfig) { c.Optional = true })
	lax := w.site(t, func(c *iki.GateConfig) { c.Unassigned, c.TLS13 = true, true; c.Interfaces = []iki.Interface{iki.AdHoc} })
	for _, row := range []struct {
		name  string
		site  *site
		pairs []tls.Certificate
		in    bool
	}{
		{"a good certificate", one, []tls.Certificate{good.pair}, true},
		{"no certificate", one, nil, false},
		{"a certificate of another CA of the same name", one, []tls.Certificate{foreign.pair}, false},
		{"a certificate that was revoked before", one, []tls.Certificate{gone.pair}, false},
		{"a certificate for the other interface", one, []tls.Certificate{other.pair}, false},
		{"a certificate for no interface", one, []tls.Certificate{none.pair}, false},
		{"a certificate for no interface, where such are for all", lax, []tls.Certificate{none.pair}, true},
		{"a certificate for the other interface, where such with none are for all", lax, []tls.Certificate{other.pair}, false},
		{"no certificate, where none is needed", all, nil, true},
		{"a good certificate, where none is needed", all, []tls.Certificate{other.pair}, true},
		{"a revoked certificate, where none is needed", all, []tls.Certificate{gone.pair}, false},
		{"a foreign certificate, where none is needed", all, []tls.Certificate{foreign.pair}, false},
	} {
		for _, h2 := range []bool{false, true} {
			c := row.site.as(t, h2, row.pairs...)
			if len(row.pairs) > 0 {
				// Go's client leaves out a certificate whose issuer the server does not name.
				pair := row.pairs[0]
				c.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			status, _, _, err := row.site.get(c, "/who")
			if row.in {
				require.NoError(t, err, row.name)
				require.Equal(t, http.StatusOK, status, row.name)
			} else {
				require.Error(t, err, row.name)
			}
		}
	}

	// Who it is, and which paths are whose.
	_, body, _, err := one.get(one.as(t, true, good.pair), "/who")
	require.NoError(t, err)
	require.Equal(t, "Exercise Supplier A/02/system 1/ad-hoc/"+good.certificate.Serial.String(), body)
	_, body, _, err = all.get(all.as(t, true), "/who")
	require.NoError(t, err)
	require.Equal(t, "nobody", body)
	for path, want := range map[string][2]int{"/adhoc": {200, 403}, "/batch": {403, 200}, "/any": {200, 200}} {
		for n, c := range []client{good, other} {
			status, _, _, err := all.get(all.as(t, false, c.pair), path)
			require.NoError(t, err)
			require.Equal(t, want[n], status, "%s %d", path, n)
		}
		status, _, _, err := all.get(all.as(t, false), path)
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, status)
	}

	// The key must be the client's own.
	thief := tls.Certificate{Certificate: good.pair.Certificate, PrivateKey: clientKeys(5)}
	_, _, _, err = one.get(one.as(t, false, thief), "/who")
	require.Error(t, err)
}

// What is spoken: TLS 1.2 with GCM, and 1.3 where it is allowed.
func TestGateTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(t, 1, "system 1", iki.AdHoc)
	strict, modern := w.site(t, nil), w.site(t, func(c *iki.GateConfig) { c.TLS13 = true })
	dial := func(s *site, min, max uint16, suites ...uint16) (tls.ConnectionState, error) {
		conn, err := tls.Dial("tcp", s.address, &tls.Config{RootCAs: s.roots, ServerName: "localhost", Certificates: []tls.Certificate{c.pair},
			MinVersion: min, MaxVersion: max, CipherSuites: suites, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.ConnectionState(), nil
	}
	for _, suite := range []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} {
		state, err := dial(strict, tls.VersionTLS12, tls.VersionTLS12, suite)
		require.NoError(t, err)
		require.Equal(t, suite, state.CipherSuite)
		require.Equal(t, "h2", state.NegotiatedProtocol)
	}
	for _, suite := range []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256} {
		_, err := dial(strict, tls.VersionTLS12, tls.VersionTLS12, suite)
		require.Error(t, err, tls.CipherSuiteName(suite))
	}
	_, err := dial(strict, tls.VersionTLS10, tls.VersionTLS11)
	require.Error(t, err)
	_, err = dial(strict, tls.VersionTLS13, tls.VersionTLS13)
	require.Error(t, err)
	state, err := dial(modern, tls.VersionTLS12, tls.VersionTLS13)
	require.NoError(t, err)
	require.EqualValues(t, tls.VersionTLS13, state.Version)
}

// Connections that are open when a certificate is revoked are closed at the next
// look, with the request that is on them; those of others go on.
func TestCutOff(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t)
	ctx := context.Background()
	s := w.site(t, func(c *iki.GateConfig) { c.Every, c.TLS13 = 30*time.Second, true })
	good := w.client(t, 1, "system 1", iki.AdHoc)
	for n, h2 := range []bool{false, true} {
		bad := w.client(t, 2+n, "system 2", iki.AdHoc)
		goods, bads := s.as(t, h2, good.pair), s.as(t, h2, bad.pair)
		for _, c := range []*http.Client{goods, bads} {
			_, _, _, err := s.get(c, "/who")
			require.NoError(t, err)
			_, _, reused, err := s.get(c, "/who")
			require.NoError(t, err)
			require.True(t, reused, "the connection is kept")
		}
		hold, err := bads.Get("https://" + s.address + "/hold")
		require.NoError(t, err)
		defer hold.Body.Close()
		<-s.held
		require.Equal(t, h2, hold.ProtoMajor == 2)
		closed, err := s.gate.Look(ctx)
		require.NoError(t, err)
		require.Zero(t, closed, "nothing is revoked")

		w.revoke(t, bad.certificate.Serial)
		closed, err = s.gate.Look(ctx)
		require.NoError(t, err)
		require.NotZero(t, closed)
		_, err = io.ReadAll(hold.Body)
		require.Error(t, err, "the answer in progress ends")
		_, _, _, err = s.get(bads, "/who")
		require.Error(t, err, "no new connection")
		_, _, reused, err := s.get(goods, "/who")
		require.NoError(t, err)
		require.True(t, reused, "another's connection is untouched")
		closed, err = s.gate.Look(ctx)
		require.NoError(t, err)
		require.Zero(t, closed)
	}
}

// Serve looks by itself.
func TestServeLooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(t, func(c *iki.GateConfig) { c.Every = 10 * time.Millisecond })
	c := w.client(t, 1, "system 1", iki.AdHoc)
	conn, err := tls.Dial("tcp", s.address, &tls.Config{RootCAs: s.roots, ServerName: "localhost", Certificates: []tls.Certificate{c.pair}})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	w.revoke(t, c.certificate.Serial)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(iki.CutOff)))
	_, err = io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "cut off in time")
}

// A certificate that expires while connected ends the connection, and no new one is
// let in.
func TestExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(t, func(c *iki.GateConfig) { c.Every = 30 * time.Second })
	c := w.client(t, 1, "system 1", iki.AdHoc)
	kept := s.as(t, true, c.pair)
	_, _, _, err := s.get(kept, "/who")
	require.NoError(t, err)
	w.pass(iki.Validity - time.Minute)
	closed, err := s.gate.Look(context.Background())
	require.NoError(t, err)
	require.Zero(t, closed)
	_, _, reused, err := s.get(kept, "/who")
	require.NoError(t, err)
	require.True(t, reused)
	w.pass(2 * time.Minute)
	closed, err = s.gate.Look(context.Background())
	require.NoError(t, err)
	require.Equal(t, 1, closed)
	_, _, _, err = s.get(kept, "/who")
	require.Error(t, err)
}

// Without its ledger the gate lets nobody new in, and what is open is closed before
// the promise is broken.
func TestLedgerGone(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	c := w.client(t, 1, "system 1", iki.AdHoc)
	ledger, err := store.Open(ctx, store.Config{URL: w.url})
	require.NoError(t, err)
	s := w.site(t, func(c *iki.GateConfig) { c.Store, c.Every = ledger, 15*time.Second })
	kept := s.as(t, true, c.pair)
	_, _, _, err = s.get(kept, "/who")
	require.NoError(t, err)
	_, err = s.gate.Look(ctx)
	require.NoError(t, err)
	require.NoError(t, ledger.Close())

	closed, err := s.gate.Look(ctx)
	require.Error(t, err)
	require.Zero(t, closed, "one look may fail")
	_, _, reused, err := s.get(kept, "/who")
	require.NoError(t, err)
	require.True(t, reused)
	_, _, _, err = s.get(s.as(t, true, c.pair), "/who")
	require.Error(t, err, "nobody new")
	w.pass(50 * time.Second)
	closed, err = s.gate.Look(ctx)
	require.Error(t, err)
	require.Equal(t, 1, closed)
}

func TestNewGateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server, err := serverFile()
	require.NoError(t, err)
	c := w.issue(t, "a", iki.AdHoc)
	_, elliptic := policytest.NewHierarchy(t).Organisation(t, policy.RoleSupplier, policy.EntityID{1}, policy.UsageDigitalSignature)
	for name, change := range map[string]func(*iki.GateConfig){
		"Store is missing":       func(c *iki.GateConfig) { c.Store = nil },
		"Authorities is empty":   func(c *iki.GateConfig) { c.Authorities = nil },
		"is not one of a CA":     func(cfg *iki.GateConfig) { cfg.Authorities = [][]byte{c.DER} },
		"reading authority":      func(c *iki.GateConfig) { c.Authorities = [][]byte{{1}} },
		"certificate is missing": func(c *iki.GateConfig) { c.Server = tls.Certificate{} },
		"not RSA": func(c *iki.GateConfig) {
			c.Server = tls.Certificate{Certificate: [][]byte{w.authority.Certificate()}, PrivateKey: elliptic}
		},
		"keeps the promise": func(c *iki.GateConfig) { c.Every = time.Minute },
		"want some of":      func(c *iki.GateConfig) { c.Interfaces = []iki.Interface{iki.NoInterface} },
	} {
		cfg := iki.GateConfig{Store: w.store, Authorities: [][]byte{w.authority.Certificate()}, Server: server}
		change(&cfg)
		_, err := iki.NewGate(cfg)
		require.ErrorContains(t, err, name)
	}
}

func TestServerCertificate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "server.pem")
	certs := make([]tls.Certificate, 3)
	var wait sync.WaitGroup
	for n := range certs {
		wait.Go(func() { certs[n], _ = iki.MakeServer(file, []string{"127.0.0.1"}, time.Now()) })
	}
	wait.Wait()
	for _, c := range certs {
		require.Len(t, iki.Fingerprint(c), 64)
		require.Equal(t, iki.Fingerprint(certs[0]), iki.Fingerprint(c), "all who ask get the same")
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	later, err := iki.MakeServer(file, nil, time.Now().AddDate(2, 0, 0))
	require.NoError(t, err)
	require.NotEqual(t, iki.Fingerprint(certs[0]), iki.Fingerprint(later), "an expired one is replaced")
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, os.WriteFile(file, []byte("nonsense"), 0o600))
	_, err = iki.MakeServer(file, nil, time.Now())
	require.ErrorContains(t, err, "loading server certificate", "what somebody put there is not overwritten")
}
