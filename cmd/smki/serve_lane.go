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
			r.Body = &timedBody{ReadCloser: http.MaxBytesReader(w, r.Body, l.body), lift: func() { _ = c.SetReadDeadline(time.Time{}) }}
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
