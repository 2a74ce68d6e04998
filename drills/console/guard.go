package console

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// policy is what a browser may do with a page of ours: nothing but what this host
// serves as a file of its own. QR codes and figures are files too.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded sets what every answer says to the browser, and refuses names that are not
// this server's.
func (c *Console) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		// With no-referrer a browser would send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if c.secure {
			// For the life of an exercise; a self-signed certificate must not bind a host for longer.
			h.Set("Strict-Transport-Security", "max-age=86400")
		}
		if len(c.hosts) > 0 && !slices.Contains(c.hosts, hostOf(r.Host)) {
			http.Error(w, "This server has another name. Open "+c.url+" instead.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is a host without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return strings.ToLower(name)
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

const (
	// Wrong codes that an address may try in guessTime: enough for a room of people
	// behind one address who mistype, and so few that the 32^6 codes of six characters
	// would take centuries.
	guessMost = 20
	guessTime = 10 * time.Minute
	// Addresses that are remembered. When there are more, everybody shares one count,
	// so that many addresses are no way around it.
	guessAddresses = 4096
)

// guesses counts wrong codes by address.
type guesses struct {
	clock func() time.Time
	mu    sync.Mutex // guards wrong
	wrong map[netip.Prefix]wrong
}

// wrong is how many codes an address tried in vain, since when.
type wrong struct {
	since time.Time
	n     int
}

func newGuesses(clock func() time.Time) *guesses {
	return &guesses{clock: clock, wrong: make(map[netip.Prefix]wrong)}
}

// from is what counts as one address: of IPv6 the network that one customer is
// given.
func from(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits)
	return p
}

// wait is how long an address must wait before it may try a code; 0: it may now.
func (g *guesses) wait(r *http.Request) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.slot(from(r))
	if g.wrong[p].n < guessMost {
		return 0
	}
	return max(g.wrong[p].since.Add(guessTime).Sub(g.clock()), 0)
}

// mistaken counts a wrong code.
func (g *guesses) mistaken(r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.slot(from(r))
	tried, known := g.wrong[p]
	if !known {
		tried.since = g.clock()
	}
	tried.n++
	g.wrong[p] = tried
}

// slot is where an address is counted. Counts that are old enough are forgotten.
func (g *guesses) slot(p netip.Prefix) netip.Prefix {
	if tried, known := g.wrong[p]; known && g.clock().Sub(tried.since) < guessTime {
		return p
	}
	delete(g.wrong, p)
	if len(g.wrong) < guessAddresses {
		return p
	}
	for other, tried := range g.wrong {
		if g.clock().Sub(tried.since) >= guessTime {
			delete(g.wrong, other)
		}
	}
	if len(g.wrong) < guessAddresses {
		return p
	}
	return netip.Prefix{}
}
