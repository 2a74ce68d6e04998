package repository

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// orgCerts keeps the archive of the organisations' certificates for as long as a
// reader may, so that those who ask often cost no more than one who does.
type orgCerts struct {
	mu      sync.Mutex
	at      time.Time
	archive []byte
	newest  time.Time
}

// organisations answers with the archive. A test system of the industry gives it to
// everybody, as this does: what is in it is public.
func (r *Repository) organisations(w http.ResponseWriter, req *http.Request) {
	o := &r.orgCerts
	o.mu.Lock()
	now := r.Issuer.Now()
	if o.archive == nil || now.Sub(o.at) >= maxAge || now.Before(o.at) {
		// The answer is everybody's: one reader who leaves must not spoil it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), r.Timeout)
		var b bytes.Buffer
		newest, err := r.writeOrganisations(ctx, &b)
		cancel()
		if err != nil {
			o.mu.Unlock()
			f := r.fault(w, req, r.reference(), err)
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, f.text, f.status)
			return
		}
		o.at, o.archive, o.newest = now, b.Bytes(), newest
	}
	archive, newest, left := o.archive, o.newest, maxAge-now.Sub(o.at)
	o.mu.Unlock()
	cache(w, left)
	answer(w, req, bodyOf(archive, "", "", "application/zip", newest))
}

// WriteOrganisations writes the archive of the organisations' certificates that are
// in use: the folder cert with one PEM file each, named
// EUI-ISSUER-ROLE-ds.pem or -ka.pem, with the serial number behind it where an
// organisation has several of a kind. The layout is that of a public test system
// (T), which has a folder of private keys beside it; here there is none, ever.
func (r *Repository) WriteOrganisations(ctx context.Context, w io.Writer) error {
	_, err := r.writeOrganisations(ctx, w)
	return err
}

func (r *Repository) writeOrganisations(ctx context.Context, w io.Writer) (newest time.Time, err error) {
	archive := zip.NewWriter(w)
	taken := map[string]bool{}
	now := r.Issuer.Now()
	for after := int64(0); ; {
		var page []*ca.Certificate
		err := r.Issuer.Store().Read(ctx, func(tx store.Tx) (err error) {
			page, err = few(ctx, tx, policy.ProfileOrganisation, fmt.Sprintf(`seq > $2 ORDER BY seq LIMIT %d`, pageSize), after)
			return err
		})
		if err != nil {
			return newest, fmt.Errorf("reading organisation certificates: %w", err)
		}
		for _, c := range page {
			after = c.Seq
			if r.Transitions.StatusAt(c, now, r.Acceptance) != ca.StatusInUse {
				continue
			}
			cert, name, err := named(c)
			if err != nil {
				return newest, err
			}
			if taken[name] {
				name += "-" + strings.ToLower(c.Serial.String())
			}
			taken[name] = true
			out, err := archive.CreateHeader(&zip.FileHeader{Name: "cert/" + name + ".pem", Method: zip.Deflate, Modified: c.RecordedAt})
			if err != nil {
				return newest, err
			}
			if _, err := out.Write(cert.PEM()); err != nil {
				return newest, err
			}
			newest = c.RecordedAt
		}
		if len(page) < pageSize {
			return newest, archive.Close()
		}
	}
}

// named is how an organisation's certificate is called where people read it.
func named(c *ca.Certificate) (*policy.Certificate, string, error) {
	cert, err := c.Parse()
	if err != nil {
		return nil, "", err
	}
	entity, _ := cert.EntityID()
	role, _ := cert.Role()
	return cert, strings.Join([]string{entity.Hex(), plain(cert.Issuer.CN), plain(role.String()), strings.ToLower(usage(cert.Usage))}, "-"), nil
}

// plain makes a name out of one that a certificate gives, in which anything may be.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, s)
}
