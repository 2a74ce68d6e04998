package iki

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

const (
	// CutOff is how long the holder of a revoked certificate may keep a connection
	// that was open when it was revoked.
	CutOff = time.Minute

	// lookEvery is how often the ledger is asked by default: four looks in [CutOff],
	// so that two may fail.
	lookEvery = 15 * time.Second

	// askTime bounds one question to the ledger; a handshake waits for it.
	askTime = 5 * time.Second

	// maxIdle closes idle connections: a Go server does not renegotiate, and the
	// clients' time limit for that is 5 minutes (AppM, Appendix G).
	maxIdle = 5 * time.Minute
)

// suites are those of AppM 2.3 that Go has and that authenticate what they encrypt.
// The two with CBC are left out.
var suites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}

// GateConfig is what a Gate is made of.
type GateConfig struct {
	// Store has the ledger that says whose certificate is in use. No key is needed.
	Store *store.Store
	// Authorities are the certificates, in DER, of the generations of the IKI
	// authority whose clients are let in.
	Authorities [][]byte
	// Server is the server's own certificate and key, RSA of at least 2048 bit: see
	// [LoadServer] and [MakeServer].
	Server tls.Certificate
	// Interfaces are those behind the gate: a certificate for another one ends the
	// handshake. Empty: a certificate for any is let in, and [Gate.For] tells them
	// apart by path.
	Interfaces []Interface
	// Optional lets in who shows no certificate; his requests have no client. Who
	// shows one must show a good one all the same.
	Optional bool
	// Unassigned takes a certificate that was issued for no interface as one for each.
	// It is for exercises: leave it off where registration is not open.
	Unassigned bool
	// TLS13 allows TLS 1.3 beside 1.2. AppM leaves the version to guidance that is
	// not public, and its suites are of TLS 1.2.
	TLS13 bool
	// Every is how often the ledger is asked about the open connections. Zero: 15
	// seconds. More than 30 is refused, because one look may fail.
	Every time.Duration
	// Clock is the time by which certificates expire. Nil: time.Now.
	Clock func() time.Time
	// Logger hears of connections that were cut off. Nil: silence.
	Logger *slog.Logger
}

// A Gate lets the holders of IKI certificates into a server, knows who they are,
// and throws them out when their certificate is revoked or expires.
//
// A handshake ends with a refusal unless the certificate was issued by one of the
// authorities, is within its validity, stands in the ledger octet for octet and in
// use, and is for one of the gate's interfaces. While a connection is open the
// ledger is asked again and again: a look costs one short query for five hundred
// certificates, whatever the number of requests. If the ledger does not answer,
// nobody new is let in, and what is open is closed before [CutOff] has passed since
// the last answer.
//
// Sessions are not resumed, so that every connection is a handshake of its own.
type Gate struct {
	cfg    GateConfig
	roots  *x509.CertPool
	clock  func() time.Time
	every  time.Duration
	logger *slog.Logger

	mu       sync.Mutex
	open     map[*conn]struct{}
	answered time.Time // when the ledger last answered
}

// NewGate returns a gate that is not open yet: see [Gate.Serve].
func NewGate(cfg GateConfig) (*Gate, error) {
	g := &Gate{cfg: cfg, roots: x509.NewCertPool(), clock: cfg.Clock, every: cfg.Every, logger: cfg.Logger, open: make(map[*conn]struct{})}
	switch {
	case cfg.Store == nil:
		return nil, errors.New("making a gate: Store is missing")
	case len(cfg.Authorities) == 0:
		return nil, errors.New("making a gate: Authorities is empty; nobody could come in")
	case cfg.Every < 0 || cfg.Every > CutOff/2:
		return nil, fmt.Errorf("making a gate: Every is %s; at most %s keeps the promise of %s", cfg.Every, CutOff/2, CutOff)
	}
	if slices.ContainsFunc(cfg.Interfaces, func(i Interface) bool { return i == NoInterface || !i.known() }) {
		return nil, fmt.Errorf("making a gate: Interfaces is %q; want some of %q", cfg.Interfaces, Interfaces())
	}
	for n, der := range cfg.Authorities {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("making a gate: reading authority %d: %w", n+1, err)
		}
		if !cert.IsCA {
			return nil, fmt.Errorf("making a gate: certificate %d of Authorities is not one of a CA", n+1)
		}
		g.roots.AddCert(cert)
	}
	if err := checkServer(cfg.Server); err != nil {
		return nil, fmt.Errorf("making a gate: %w", err)
	}
	if g.clock == nil {
		g.clock = time.Now
	}
	if g.every == 0 {
		g.every = lookEvery
	}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	g.answered = g.clock()
	return g, nil
}

func checkServer(c tls.Certificate) error {
	if len(c.Certificate) == 0 {
		return errors.New("the server's certificate is missing")
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return fmt.Errorf("reading the server's certificate: %w", err)
	}
	if key, is := leaf.PublicKey.(*rsa.PublicKey); !is || key.N.BitLen() < 2048 {
		return errors.New("the server's key is not RSA of at least 2048 bit, which the cipher suites of the interfaces need (AppM 2.3)")
	}
	return nil
}

// Serve serves TLS on the listener until the server is shut down or closed, like
// [http.Server.ServeTLS], and watches the connections meanwhile. It sets the
// server's TLSConfig and ConnContext, and its IdleTimeout if that is longer than 5
// minutes or none. A gate serves any number of servers.
//
// After Shutdown the connections that still drain are watched no more: bound it by
// less than [CutOff].
func (g *Gate) Serve(server *http.Server, l net.Listener) error {
	server.TLSConfig = g.config()
	before := server.ConnContext
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, c)
		}
		return remember(ctx, c)
	}
	if server.IdleTimeout <= 0 || server.IdleTimeout > maxIdle {
		server.IdleTimeout = maxIdle
	}
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { g.watch(ctx) })
	err := server.ServeTLS(&listener{l, g}, "", "")
	stop()
	wait.Wait()
	return err
}

// config is what the TLS of a server is told. Each handshake gets a configuration of
// its own, which knows the connection, so that who is let in is known by it.
func (g *Gate) config() *tls.Config {
	base := &tls.Config{
		Certificates: []tls.Certificate{g.cfg.Server}, ClientCAs: g.roots, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suites,
		NextProtos: []string{"h2", "http/1.1"}, SessionTicketsDisabled: true, Time: g.clock,
	}
	if g.cfg.Optional {
		base.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if g.cfg.TLS13 {
		base.MaxVersion = tls.VersionTLS13
	}
	outer := base.Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, is := hello.Conn.(*conn)
		if !is {
			return nil, errors.New("the connection did not come through the gate's listener, so that nobody could cut it off")
		}
		inner := base.Clone()
		inner.VerifyConnection = func(state tls.ConnectionState) error { return g.admit(hello.Context(), c, state) }
		return inner, nil
	}
	return outer
}

// admit decides at the end of a handshake whether the peer comes in, and notes on
// the connection who he is. The chain has been verified.
func (g *Gate) admit(ctx context.Context, c *conn, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		if g.cfg.Optional {
			return nil
		}
		return errors.New("no client certificate")
	}
	shown := state.PeerCertificates[0]
	var serial policy.Serial
	if shown.SerialNumber.Sign() <= 0 || shown.SerialNumber.BitLen() > 8*len(serial) {
		return errors.New("the client certificate has a serial number that this CA never gives")
	}
	shown.SerialNumber.FillBytes(serial[:])
	if !g.watching() {
		return fmt.Errorf("client certificate %q: the ledger has not answered for %s, so that nobody is let in", serial, CutOff)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	cert, err := BySerial(ctx, g.cfg.Store, serial)
	switch {
	case err != nil:
		return fmt.Errorf("client certificate %q: %w", serial, err)
	case string(cert.DER) != string(shown.Raw) || cert.Profile != ProfileClient || cert.Role == nil:
		return fmt.Errorf("client certificate %q is not the one that was issued", serial)
	case cert.Status != ca.StatusInUse:
		return fmt.Errorf("client certificate %q is revoked", serial)
	case !g.clock().Before(cert.NotAfter):
		return fmt.Errorf("client certificate %q has expired", serial)
	case len(g.cfg.Interfaces) > 0 && !g.opens(cert.Interface, g.cfg.Interfaces):
		return fmt.Errorf("client certificate %q is for interface %q, which is not here", serial, cert.Interface)
	}
	c.client.Store(&Client{Serial: serial, Organisation: cert.Organisation, Role: *cert.Role, CN: cert.CN, Interface: cert.Interface,
		NotAfter: cert.NotAfter, Certificate: cert.DER})
	return nil
}

// opens tells whether a certificate for an interface opens one of those.
func (g *Gate) opens(i Interface, those []Interface) bool {
	return slices.Contains(those, i) || i == NoInterface && g.cfg.Unassigned
}
