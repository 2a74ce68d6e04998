package main

import (
	"io"
	"net/http"
	"time"
)

// A lane is what one service may take of the server: requests at once, octets of a
// body, the time a client has to send it, and the time the answer may take from its
// beginning. Services with short requests are not held up by those with long ones.
type lane struct {
	atOnce      int
	body        int64
	read, write time.Duration
}

// The lanes. A batch of 50,000 requests has 20 MB, and its results 60 MB; reading
// either from a slow line takes minutes, which nothing else here does.
var (
	publicLane  = lane{atOnce: 256, body: 4 << 10, read: readTime, write: writeTime}
	filesLane   = lane{atOnce: 16, body: 4 << 10, read: readTime, write: time.Hour}
	adHocLane   = lane{atOnce: 256, body: 128 << 10, read: readTime, write: time.Minute}
	consoleLane = lane{atOnce: 64, body: 1 << 20, read: 30 * time.Second, write: time.Minute}
	cfsslLane   = lane{atOnce: 64, body: 64 << 10, read: readTime, write: time.Minute}
)

// batchLane is that of whole batches. Package smkiws bounds the document itself; what
// is beyond that bound is the envelope of a form.
func batchLane(octets int64, send time.Duration) lane {
	return lane{atOnce: 32, body: octets + 1<<20, read: send, write: 4 * send}
}

// drainOctets is how much of a body is read, and thrown away, after the answer was made
// without the rest of it. A server that ends an HTTP/2 stream before the client has
// sent everything tells it to stop, and clients, curl 7.88 among them, drop the answer
// with it.
const drainOctets = 64 << 20

// bound keeps requests to the lane, and answers 503 when it is full. The deadlines are
// set anew with each request, because a connection may come from another lane.
func (l lane) bound(next http.Handler) http.Handler {
	slots := make(chan struct{}, l.atOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		// A writer that knows no deadlines, as in a test, has none.
		c, now := http.NewResponseController(w), time.Now()
		_ = c.SetWriteDeadline(now.Add(l.write))
		if r.Body == nil || r.Body == http.NoBody {
			_ = c.SetReadDeadline(time.Time{})
		} else {
			_ = c.SetReadDeadline(now.Add(l.read))
			lift := func() { _ = c.SetReadDeadline(time.Time{}) }
			all := &arriving{ReadCloser: r.Body}
			r.Body = &timedBody{ReadCloser: http.MaxBytesReader(w, all, l.body), lift: lift}
			defer func() {
				if all.worthReading(r) {
					_ = c.SetReadDeadline(time.Now().Add(l.read))
					_, _ = io.CopyN(io.Discard, all, drainOctets)
					lift()
				}
			}()
		}
		next.ServeHTTP(w, r)
	})
}

// A timedBody lifts the deadline for reading once the body was read. If it stayed, it
// would end the request's context while the answer is being made.
type timedBody struct {
	io.ReadCloser
	lift func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.lift()
	}
	return n, err
}

// arriving is a body as the client sends it.
type arriving struct {
	io.ReadCloser
	octets int64 // that were read
	ended  bool
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.octets += int64(n)
	a.ended = a.ended || err != nil
	return n, err
}

// worthReading tells whether there may be a rest that the client is sending, and that
// is not too long. A client that waits to be told to send is not told.
func (a *arriving) worthReading(r *http.Request) bool {
	return !a.ended && r.ContentLength-a.octets <= drainOctets && (a.octets > 0 || r.Header.Get("Expect") == "")
}
