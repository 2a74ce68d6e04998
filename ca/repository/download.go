package repository

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/policy"
)

// maxAge bounds how long an answer is cached. A certificate never changes, but its
// status stands beside it; and a revocation must be seen soon after its list,
// however long lists are valid. Asking again costs little: the tag tells whether
// anything changed.
const maxAge = 5 * time.Minute

// Handler returns the public part of the read side of a CA. Of cfg it uses Issuer,
// Register, Transitions, Acceptance and Logger. It may be used concurrently.
func Handler(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Transitions == nil {
		cfg.Transitions = embeddedTransitions()
	}
	h := &download{Config: cfg, lists: listBodies{kept: make(map[string]keptBody)}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /certificates/{serial}", h.certificate)
	mux.HandleFunc("GET /crls/{file}", h.list)
	mux.HandleFunc("GET /authorities/{file}", h.authority)
	return mux
}

type download struct {
	Config
	lists listBodies
}

// certificate answers with one certificate, in the form of the extension, or of the
// Accept header, or in DER.
func (h *download) certificate(w http.ResponseWriter, r *http.Request) {
	name, form := cutForm(r.PathValue("serial"))
	serial, err := policy.ParseSerial(name)
	if err != nil {
		http.Error(w, "want /certificates/SERIAL, the serial number in hex, with .cer, .der or .pem behind it or nothing", http.StatusBadRequest)
		return
	}
	c, err := h.Issuer.BySerial(r.Context(), serial)
	if err != nil {
		h.failed(w, r, err, "no certificate has this serial number")
		return
	}
	if form == "" && accepts(r, "application/x-pem-file") {
		form = "pem"
	}
	if _, bare := cutForm(r.PathValue("serial")); bare == "" {
		w.Header().Set("Vary", "Accept")
	}
	w.Header().Set("Smki-Status", string(h.Transitions.StatusAt(c, h.Issuer.Now(), h.Acceptance)))
	cache(w, maxAge)
	answer(w, r, bodyOf(c.DER, form, "CERTIFICATE", "application/pkix-cert", c.RecordedAt))
}

// list answers with the newest list of an authority.
func (h *download) list(w http.ResponseWriter, r *http.Request) {
	name, form := cutForm(r.PathValue("file"))
	if form == "" {
		http.Error(w, "want /crls/NAME.crl or /crls/NAME.pem", http.StatusNotFound)
		return
	}
	record, err := h.Register.Current(r.Context(), name)
	if err != nil {
		h.failed(w, r, err, "no list of this authority")
		return
	}
	cache(w, max(0, min(maxAge, record.NextUpdate.Sub(h.Issuer.Now()))))
	w.Header().Set("Expires", record.NextUpdate.Format(http.TimeFormat))
	w.Header().Set("Smki-Crl-Number", strconv.FormatInt(record.Number, 10))
	answer(w, r, h.lists.of(record, form))
}

// authority answers with the newest certificate of an authority.
func (h *download) authority(w http.ResponseWriter, r *http.Request) {
	name, form := cutForm(r.PathValue("file"))
	if profile := policy.ProfileName(name); !profile.Authority() || form == "" {
		http.Error(w, "want /authorities/NAME.pem or .cer, NAME being root-oca, issuing-oca, root-dca or issuing-dca", http.StatusNotFound)
		return
	}
	var newest *ca.Certificate
	err := h.Issuer.Store().Read(r.Context(), func(tx store.Tx) error {
		found, err := few(r.Context(), tx, policy.ProfileName(name), `seq > $2 ORDER BY seq DESC LIMIT 1`, int64(0))
		if err == nil && len(found) == 1 {
			newest = found[0]
		}
		return err
	})
	switch {
	case err != nil:
		h.failed(w, r, err, "")
		return
	case newest == nil:
		http.Error(w, "no certificate of this authority", http.StatusNotFound)
		return
	}
	cache(w, maxAge)
	answer(w, r, bodyOf(newest.DER, form, "CERTIFICATE", "application/pkix-cert", newest.RecordedAt))
}

// few returns certificates of a profile other than device. The words of the query
// are those of the index certificate_few, so that they are found among ten million
// without looking at those; rest uses $2 and on.
func few(ctx context.Context, tx store.Tx, profile policy.ProfileName, rest string, args ...any) ([]*ca.Certificate, error) {
	rows, err := tx.Query(ctx, `SELECT serial FROM certificate WHERE profile <> 'device' AND profile = $1 AND `+rest, append([]any{string(profile)}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var serials []policy.Serial
	for rows.Next() {
		var serial []byte
		if err := rows.Scan(&serial); err != nil {
			return nil, err
		}
		serials = append(serials, policy.Serial(serial))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var found []*ca.Certificate
	for _, serial := range serials {
		c, err := ca.CertificateIn(ctx, tx, serial)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, nil
}

// cutForm takes the extension off a name.
func cutForm(name string) (string, string) {
	stem, ext, found := strings.Cut(name, ".")
	switch ext {
	case "pem":
		return stem, "pem"
	case "crl", "cer", "der":
		return stem, "der"
	}
	if found {
		return name, "" // the look-up will say that there is none
	}
	return stem, ""
}

func accepts(r *http.Request, kind string) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		if name, _, _ := strings.Cut(part, ";"); strings.TrimSpace(name) == kind {
			return true
		}
	}
	return false
}

// cache lets an answer be kept for a while. What may not be kept must be asked for
// again each time, tag in hand.
func cache(w http.ResponseWriter, age time.Duration) {
	if age <= 0 {
		w.Header().Set("Cache-Control", "no-cache")
		return
	}
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(age.Seconds())))
}

// A body is an answer in one form, with its tag.
type body struct {
	bytes     []byte
	kind, tag string
	modified  time.Time
}

func bodyOf(der []byte, form, label, kind string, modified time.Time) body {
	b := body{bytes: der, kind: kind, modified: modified}
	if form == "pem" {
		b.bytes, b.kind = pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), "application/x-pem-file"
	}
	digest := sha256.Sum256(b.bytes)
	b.tag = `"` + hex.EncodeToString(digest[:16]) + `"`
	return b
}

// answer writes a body: whole, in the ranges that are asked for, or not at all if the
// reader has it (RFC 9110, 13 and 14).
func answer(w http.ResponseWriter, r *http.Request, b body) {
	header := w.Header()
	header.Set("ETag", b.tag)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", b.kind)
	http.ServeContent(w, r, "", b.modified, bytes.NewReader(b.bytes))
}

// listBodies keeps the newest list of each authority in the forms that were asked for:
// one of a million entries has fifty megabytes, and hashing them for each of those who
// poll would be most of what the server does.
type listBodies struct {
	mu   sync.Mutex
	kept map[string]keptBody // by authority and form
}

type keptBody struct {
	number int64
	body   body
}

// keepFrom is from what size on a body is kept.
const keepFrom = 64 << 10

func (l *listBodies) of(record *revocation.CRLRecord, form string) body {
	name := record.Issuer + "." + form
	l.mu.Lock()
	defer l.mu.Unlock()
	if k, there := l.kept[name]; there && k.number == record.Number {
		return k.body
	}
	b := bodyOf(record.DER, form, "X509 CRL", "application/pkix-crl", record.PublishedAt)
	if len(b.bytes) >= keepFrom {
		l.kept[name] = keptBody{record.Number, b}
	}
	return b
}

// failed tells what was not found apart from what could not be looked up.
func (h *download) failed(w http.ResponseWriter, r *http.Request, err error, missing string) {
	w.Header().Set("Cache-Control", "no-store")
	if errors.Is(err, ca.ErrNotFound) {
		http.Error(w, missing, http.StatusNotFound)
		return
	}
	h.Logger.Error("answering from the ledger", "path", r.URL.Path, "error", err)
	http.Error(w, "the ledger does not answer", http.StatusServiceUnavailable)
}
