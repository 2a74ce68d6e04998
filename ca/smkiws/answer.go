package smkiws

import (
	"bufio"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// contentType is that of every document, in both directions (AppM, App. A, C, D).
const contentType = "application/xml;charset=UTF-8"

// An answer writes a document element by element. The order of the calls is the order
// of the schema's sequence. It keeps the first error of its writer.
type answer struct {
	w   *bufio.Writer
	err error
}

// newAnswer begins a document with its root and the client's ID; an empty id is left
// out, as it is where the request was malformed (AppM, App. A, C).
func newAnswer(w io.Writer, root, id string, buffer int) *answer {
	a := &answer{w: bufio.NewWriterSize(w, buffer)}
	a.raw(`<?xml version="1.0" encoding="utf-8"?>` + "\n")
	a.open(root, id)
	return a
}

func (a *answer) raw(s string) {
	if a.err == nil {
		_, a.err = a.w.WriteString(s)
	}
}

// escaped writes s as character data; what XML has no way to write becomes U+FFFD.
func (a *answer) escaped(s string) {
	if a.err == nil {
		a.err = xml.EscapeText(a.w, []byte(s))
	}
}

func (a *answer) open(name, id string) {
	a.raw("<" + name)
	if id != "" {
		a.raw(` ID="`)
		a.escaped(id)
		a.raw(`"`)
	}
	a.raw(">")
}

func (a *answer) close(name string) { a.raw("</" + name + ">") }

func (a *answer) element(name, text string) {
	a.open(name, "")
	a.escaped(text)
	a.close(name)
}

// octets writes base64 in one piece.
func (a *answer) octets(name string, b []byte) {
	a.open(name, "")
	a.raw(base64.StdEncoding.EncodeToString(b))
	a.close(name)
}

// maxDetail bounds ErrorText, which is for people.
const maxDetail = 1000

// problem writes the element Error.
func (a *answer) problem(code, text string) {
	if text == "" {
		text = "no details"
	}
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + " …"
	}
	a.open("Error", "")
	a.element("ErrorCode", code)
	a.element("ErrorText", text)
	a.close("Error")
}

// end closes the root and sends what is left.
func (a *answer) end(root string) error {
	a.close(root)
	a.raw("\n")
	if a.err == nil {
		a.err = a.w.Flush()
	}
	return a.err
}

// send answers with a document that fits into memory. The status is 200 whatever the
// document says (AppM, App. A, C, D).
func send(w http.ResponseWriter, root, id string, body func(*answer)) {
	var b strings.Builder
	a := newAnswer(&b, root, id, 1<<10)
	body(a)
	if err := a.end(root); err != nil {
		panic(fmt.Sprintf("smkiws: internal error: writing an answer: %v", err)) // a Builder does not fail
	}
	header(w)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	io.WriteString(w, b.String())
}

func header(w http.ResponseWriter) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// sendAdHoc answers an ad hoc request (AppM, App. A, B).
func (s *Service) sendAdHoc(w http.ResponseWriter, id string, transaction int64, v Verdict, certificate []byte, detail string) {
	const root = "DeviceCertificateSigningResponse"
	send(w, root, id, func(a *answer) {
		a.element("Version", "1.0")
		a.element("Build", s.cfg.Build)
		a.element("TransactionId", strconv.FormatInt(transaction, 10))
		a.element("Status", v.Status)
		if certificate != nil {
			a.octets("Certificate", certificate)
		} else {
			a.problem(v.Code, detail)
		}
	})
}

// sendBatch answers a submission, or a query that has no list of certificates in its
// answer (AppM, App. C, D, E).
func (s *Service) sendBatch(w http.ResponseWriter, root, id string, v Verdict, batch int64, detail string) {
	send(w, root, id, func(a *answer) {
		a.element("Version", "1.0")
		a.element("Build", s.cfg.Build)
		a.element("BatchStatus", v.Status)
		if v.Code != "" {
			a.problem(v.Code, detail)
		} else {
			a.element("BatchId", strconv.FormatInt(batch, 10))
		}
	})
}

// transactions numbers ad hoc requests. A number is never given twice by one process,
// tells when the request came, and needs no database, because a request that meets a
// database that is down has one too.
type transactions struct {
	mu   sync.Mutex
	last int64
}

// next returns a positive number: microseconds since 1970 times 100, or one more than
// the last.
func (t *transactions) next(now time.Time) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = max(t.last+1, now.UnixMicro()*100)
	return t.last
}
