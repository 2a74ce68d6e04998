package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cloudflare/cfssl/api/signhandler"
	certsql "github.com/cloudflare/cfssl/certdb/sql"
	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer/local"
	"github.com/jmoiron/sqlx"
	_ "github.com/mattn/go-sqlite3" // the driver of cfssl's own database

	"smki.example/hsm"
	"smki.example/softhsm"
)

// cfsslTables are those of cfssl's certdb for SQLite.
const cfsslTables = `CREATE TABLE certificates (
	serial_number blob NOT NULL, authority_key_identifier blob NOT NULL, ca_label blob, status blob NOT NULL, reason int, expiry timestamp,
	revoked_at timestamp, pem blob NOT NULL, issued_at timestamp, not_before timestamp, metadata text, sans text, common_name text,
	PRIMARY KEY (serial_number, authority_key_identifier))`

// cfssl serves cfssl's own signing API with cfssl's local signer and its certificate
// database on SQLite, over a key in a SoftHSM token. It runs in this process, because
// its command reads keys from files only; its clients come through HTTP as to a server
// of its own.
func (r *run) cfssl(ctx context.Context) (_ row, err error) {
	log.Level = log.LevelError
	home, err := r.smkiHome(ctx, "cfssl-home") // for its token and the certificate of an authority
	if err != nil {
		return row{}, err
	}
	token, err := softhsm.Open(filepath.Join(home, "token"))
	if err != nil {
		return row{}, err
	}
	open, err := hsm.Open(ctx, hsm.FromSoftHSM(token))
	if err != nil {
		return row{}, err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	key, err := open.Key(ctx, hsm.Label("issuing-dca", 1))
	if err != nil {
		return row{}, err
	}
	authority, err := readCertificate(filepath.Join(home, "ca", "issuing-dca.pem"))
	if err != nil {
		return row{}, err
	}
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(home, "certdb.db")+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=30000")
	if err != nil {
		return row{}, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // else it answers "database is locked" after it has signed
	if _, err := db.ExecContext(ctx, cfsslTables); err != nil {
		return row{}, err
	}
	handler, err := cfsslHandler(key.Signer(ctx), authority, db)
	if err != nil {
		return row{}, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return row{}, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer server.Close()

	bodies := make([][]byte, r.n)
	for n, der := range r.der {
		if bodies[n], err = json.Marshal(map[string]any{"certificate_request": string(asPEM("CERTIFICATE REQUEST", der))}); err != nil {
			return row{}, err
		}
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: r.clients}}
	defer client.CloseIdleConnections()
	result, err := drive(ctx, r.clients, r.n, func(ctx context.Context, _, n int) error {
		return post(ctx, client, "http://"+listener.Addr().String(), "application/json", bodies[n], `"success":true`)
	})
	return row{product: "cfssl 1.6.5, signing API (SQLite)", key: "token", durable: "yes, synced", does: "proof of possession; an ordinary TLS certificate; plain HTTP", result: result}, err
}

func cfsslHandler(key crypto.Signer, authority *x509.Certificate, db *sql.DB) (http.Handler, error) {
	profile := config.DefaultConfig()
	profile.Usage, profile.Expiry, profile.ExpiryString = []string{"digital signature"}, 87600*time.Hour, "87600h"
	s, err := local.NewSigner(key, authority, x509.ECDSAWithSHA256, &config.Signing{Default: profile})
	if err != nil {
		return nil, err
	}
	s.SetDBAccessor(certsql.NewAccessor(sqlx.NewDb(db, "sqlite3")))
	return signhandler.NewHandlerFromSigner(s)
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(path + " is no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
