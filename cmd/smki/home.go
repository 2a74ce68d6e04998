package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/policy"
	"smki.example/softhsm"
)

// Names in a home. Whoever can write to the folder can stop the CA; what else
// follows for each is in docs/operations.md.
const (
	homeFile       = "home.json"       // written last by init: a folder without it is no home
	unfinishedFile = "init-unfinished" // stands while init is at work
	storeFile      = "smki.db"
	logKeyFile     = "audit.key" // private; whoever has it can sign a false head of the log
	tokenDir       = "token"     // SoftHSM, exercise only; whoever copies it has the keys
	ceremonyDir    = "ceremony"
	authorityDir   = "ca"
)

// homeVersion is the version of home.json that this program writes and reads.
const homeVersion = 1

// A home is the folder of one CA. Its file is the manual of its settings; it is
// decoded strictly, and every path in it is relative to the folder unless it is
// absolute.
type home struct {
	dir string
	env *policy.Environment
	// chosen is the generation of an authority ("issuing-oca-1") that this command
	// issues from, where the newest should not.
	chosen string
	// leaseTerm is how long this process may be silent on PostgreSQL; zero: as package
	// store has it.
	leaseTerm time.Duration

	Version     int    `json:"version"`
	Environment string `json:"environment"`
	// Store is the path of the database, or its address (postgres://…, without a
	// password, which belongs in a file).
	Store string `json:"store"`
	// Token says where the keys are.
	Token homeToken `json:"token"`
	// Authorities are the CAs whose certificates are in the ledger.
	Authorities []homeAuthority `json:"authorities"`
	// IKI is the CA of the people and systems that use the web services, if its key
	// is on the token.
	IKI *homeAuthority `json:"iki,omitempty"`
	// IKIBefore are its generations before that, oldest first. Their clients are let in
	// as long as their certificates run, and their lists go on.
	IKIBefore []homeAuthority `json:"iki_before,omitempty"`
}

// homeToken is a PKCS#11 token: SoftHSM names a folder made by this program, and
// the other fields are then unused.
type homeToken struct {
	SoftHSM string `json:"softhsm,omitempty"`
	Module  string `json:"module,omitempty"`
	Label   string `json:"label,omitempty"`
	Serial  string `json:"serial,omitempty"`
	PINFile string `json:"pin_file,omitempty"`
}

// homeAuthority is one CA key in one generation. Its label on the token is
// NAME-GENERATION.
type homeAuthority struct {
	Name        string `json:"name"`
	Generation  int    `json:"generation"`
	Certificate string `json:"certificate"` // PEM file
	// Offline says that the key is not on this token, as a root's should not be:
	// such an authority signs nothing here.
	Offline bool `json:"offline,omitempty"`
	// Retired says that this generation issues no certificates any more. Its lists go
	// on.
	Retired bool `json:"retired,omitempty"`
}

// ikis are the generations of the IKI authority, the newest last.
func (h *home) ikis() []homeAuthority {
	if h.IKI == nil {
		return nil
	}
	return append(h.IKIBefore[:len(h.IKIBefore):len(h.IKIBefore)], *h.IKI)
}

func (a homeAuthority) label() hsm.KeyLabel { return hsm.Label(a.Name, a.Generation) }

// openHome reads home.json and the environment it names.
func openHome(dir string) (*home, error) {
	b, err := os.ReadFile(filepath.Join(dir, homeFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(dir, unfinishedFile)); err == nil {
			return nil, unfinished(dir)
		}
		return nil, fmt.Errorf("opening home %q: there is no %s in it; make a CA with: smki init --home %s", dir, homeFile, dir)
	case err != nil:
		return nil, fmt.Errorf("opening home %q: %w", dir, err)
	}
	h := &home{dir: dir}
	err = ca.ReadStrict(b, h)
	if err == nil && h.Version != homeVersion {
		err = fmt.Errorf("version is %d and this program knows %d", h.Version, homeVersion)
	}
	if err == nil {
		h.env, err = policy.LoadEnvironment(h.Environment)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", filepath.Join(dir, homeFile), err)
	}
	return h, nil
}

// save writes home.json so that it is there whole or not at all.
func (h *home) save() error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // people read it, and an address has an & in it
	e.SetIndent("", "  ")
	if err := e.Encode(h); err != nil {
		return fmt.Errorf("writing home: %w", err)
	}
	return writeWhole(filepath.Join(h.dir, homeFile), b.Bytes(), 0o600)
}

// path resolves a path of home.json; the address of a database is left as it is.
func (h *home) path(p string) string {
	if filepath.IsAbs(p) || strings.Contains(p, "://") {
		return p
	}
	return filepath.Join(h.dir, p)
}

// tokenConfig says how the token is opened. An exercise home opens no token whose
// label does not begin with EXERCISE, and finds that out before it logs in.
func (h *home) tokenConfig() (hsm.Config, error) {
	var config hsm.Config
	if h.Token.SoftHSM != "" {
		token, err := softhsm.Open(h.path(h.Token.SoftHSM))
		if err != nil {
			return config, clikit.With(clikit.Unavailable, fmt.Errorf("opening the token of %q: %w", h.dir, err))
		}
		config = hsm.FromSoftHSM(token)
	} else {
		pin, err := h.pinFile()
		if err != nil {
			return config, clikit.With(clikit.Unavailable, err)
		}
		config = hsm.Config{Module: h.Token.Module, TokenLabel: h.Token.Label, Serial: h.Token.Serial, PINFile: pin}
	}
	if h.env.Exercise {
		config.RequireLabelPrefix = "EXERCISE"
	}
	return config, nil
}

// databaseThere refuses to open a finished home whose database is gone: a new, empty
// one would be made in its place, and the CA would have forgotten everything.
func (h *home) databaseThere() error {
	path := h.path(strings.TrimPrefix(h.Store, "sqlite:"))
	if _, err := os.Stat(filepath.Join(h.dir, unfinishedFile)); err == nil || strings.Contains(path, "://") {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return clikit.With(clikit.Unavailable, fmt.Errorf("the database is not available: %w; put it back from the last backup", err))
	}
	return nil
}

// certificate reads the certificate file of an authority.
func (h *home) certificate(a homeAuthority) ([]byte, error) {
	path := h.path(a.Certificate)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of %q: %w", a.label(), err)
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("reading the certificate of %q: %q holds no single PEM certificate", a.label(), path)
	}
	return block.Bytes, nil
}

// authorityCertificate reads and parses it.
func (h *home) authorityCertificate(a homeAuthority) (*policy.Certificate, error) {
	der, err := h.certificate(a)
	if err != nil {
		return nil, err
	}
	cert, err := policy.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of %q: %w", a.label(), err)
	}
	return cert, nil
}

// newLogKey makes the key of the audit log. It is no CA key and stays in a file.
func (h *home) newLogKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the audit log: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the key of the audit log: %w", err)
	}
	return key, writeWhole(filepath.Join(h.dir, logKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (h *home) logKey() (ed25519.PrivateKey, error) {
	path := filepath.Join(h.dir, logKeyFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the audit log: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("reading the key of the audit log: %q is not PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the audit log: %q: not a PKCS#8 key", path)
	}
	signer, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading the key of the audit log: %q: want an Ed25519 key", path)
	}
	return signer, nil
}

// writeWhole writes a file beside its place, syncs it and moves it there: a reader
// finds the old file, or the new one whole.
func writeWhole(path string, b []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("writing %q: %w", path, err)
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
