package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/iki"
)

// listAge bounds how long a list of the IKI authority is cached: a client that was
// revoked is cut off by the gate in less.
const listAge = time.Minute

// ikiList answers with the newest list of the IKI authority, of one generation or of
// the newest, DER or PEM by the path.
func (d *desk) ikiList(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	record, err := iki.Current(r.Context(), d.store, strings.TrimSuffix(name, path.Ext(name)))
	switch {
	case errors.Is(err, ca.ErrNotFound):
		http.Error(w, "no list of this authority", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "the ledger does not answer", http.StatusServiceUnavailable)
		return
	}
	age := max(0, min(listAge, record.NextUpdate.Sub(d.issuer.Now())))
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(age.Seconds())))
	w.Header().Set("Expires", record.NextUpdate.Format(http.TimeFormat))
	w.Header().Set("Smki-Crl-Number", fmt.Sprint(record.Number))
	body, kind := record.DER, "application/pkix-crl"
	if strings.HasSuffix(r.URL.Path, ".pem") {
		body, kind = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: record.DER}), "application/x-pem-file"
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%s-%d"`, record.Issuer, record.Number))
	serveBytes(w, r, body, kind, record.PublishedAt)
}

// ikiAuthority answers with the IKI authority's own certificate.
func (d *desk) ikiAuthority(w http.ResponseWriter, r *http.Request) {
	if d.iki == nil {
		http.Error(w, "this CA has no IKI authority", http.StatusNotFound)
		return
	}
	serveBytes(w, r, certificatePEM(d.iki.Certificate()), "application/x-pem-file", time.Time{})
}

func serveBytes(w http.ResponseWriter, r *http.Request, body []byte, kind string, modified time.Time) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", modified, bytes.NewReader(body))
}

// settleEvery is how often executions that a dead process has left are looked for.
const settleEvery = time.Minute

// settle finds out what became of the registration authority's executions whose process
// died, at once and from time to time, until ctx ends.
func (d *desk) settle(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for {
		settled, err := d.registry.Settle(ctx)
		if err != nil && ctx.Err() == nil {
			logger.Error("settling executions of the registration authority", "error", err)
		}
		for _, s := range settled {
			logger.Warn("execution settled", "approval", s.Approval.ID, "act", s.Approval.Act, "subject", s.Approval.Subject, "done", s.Done)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
