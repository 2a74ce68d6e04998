package iki

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"smki.example/policy"
)

// A Client is who sent a request: the holder of an IKI certificate.
type Client struct {
	Serial       policy.Serial
	Organisation string
	Role         policy.RemotePartyRole
	CN           string
	Interface    Interface
	NotAfter     time.Time
	Certificate  []byte // DER
}

// ClientOf returns who sent a request that came through a [Gate], as the ledger knew
// him when the connection was opened. It reports false if he showed no certificate,
// or the request did not come through a gate.
func ClientOf(r *http.Request) (Client, bool) {
	c, is := r.Context().Value(connKey{}).(*conn)
	if !is {
		return Client{}, false
	}
	client := c.client.Load()
	if client == nil {
		return Client{}, false
	}
	return *client, true
}

// For lets through to next the clients of some interfaces, and answers everyone else
// with status 403. Without interfaces, every client is let through.
func (g *Gate) For(next http.Handler, interfaces ...Interface) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, known := ClientOf(r)
		switch {
		case !known:
			http.Error(w, "an IKI certificate is needed here", http.StatusForbidden)
		case len(interfaces) > 0 && !g.opens(client.Interface, interfaces):
			http.Error(w, "the IKI certificate is for another interface", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// connKey is under what a connection stands in the context of its requests.
type connKey struct{}

// remember puts the connection into the context of its requests.
func remember(ctx context.Context, c net.Conn) context.Context {
	if over, is := c.(*tls.Conn); is {
		if under, is := over.NetConn().(*conn); is {
			return context.WithValue(ctx, connKey{}, under)
		}
	}
	return ctx
}

// A conn is a connection of which the gate knows that it is open and whose it is.
type conn struct {
	net.Conn
	gate   *Gate
	client atomic.Pointer[Client] // nil: no handshake yet, or no certificate
}

// Close closes the connection under the TLS, with whatever is being sent on it.
func (c *conn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.open, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// A listener hands out conns.
type listener struct {
	net.Listener
	gate *Gate
}

func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, gate: l.gate}
	l.gate.mu.Lock()
	l.gate.open[c] = struct{}{}
	l.gate.mu.Unlock()
	return c, nil
}
