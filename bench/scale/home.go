package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"smki.example/bench/synthetic"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A home is the CA that is measured.
type home struct {
	dir, smki  string
	issuingDCA string // serial number of its certificate

	// What of home.json is needed here.
	Environment string `json:"environment"`
	Store       string `json:"store"`
}

// openHome opens the CA in dir, and makes it first if it is not there.
func openHome(ctx context.Context, smki, dir, address string) (*home, error) {
	h := &home{dir: dir, smki: smki}
	if _, err := os.Stat(filepath.Join(dir, "home.json")); errors.Is(err, os.ErrNotExist) {
		args := []string{"init", "--home", dir}
		if address != "" {
			args = append(args, "--store", address)
		}
		if _, err := h.run(ctx, args...); err != nil {
			return nil, err
		}
		csr, err := synthetic.Request(0)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, "pattern.csr")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), 0o600); err != nil {
			return nil, err
		}
		if _, err := h.run(ctx, "issue", "--home", dir, "--csr", file); err != nil {
			return nil, err
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "home.json"))
	if err != nil {
		return nil, err
	}
	return h, json.Unmarshal(b, h)
}

func (h *home) run(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, h.smki, args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return out, fmt.Errorf("smki %s: %w: %s", args[0], err, strings.TrimSpace(string(failed.Stderr)))
	}
	return out, err
}

func (h *home) open(ctx context.Context) (*store.Store, error) {
	address := h.Store
	if !strings.Contains(address, "://") && !filepath.IsAbs(address) {
		address = filepath.Join(h.dir, address)
	}
	return store.Open(ctx, store.Config{URL: address})
}

// fill adds made-up certificates up to a number.
func (h *home) fill(ctx context.Context, certificates, revokeEvery int64) error {
	env, err := policy.LoadEnvironment(h.Environment)
	if err != nil {
		return err
	}
	s, err := h.open(ctx)
	if err != nil {
		return err
	}
	err = synthetic.Fill(ctx, synthetic.Config{Store: s, Environment: env, Certificates: certificates, RevokeEvery: revokeEvery,
		Progress: func(done int64) {
			if done%500_000 == 0 {
				fmt.Fprintf(os.Stderr, "%d of %d made-up certificates\n", done, certificates)
			}
		}})
	return errors.Join(err, s.Close())
}
