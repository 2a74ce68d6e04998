package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const opensslConfig = `[ca]
default_ca = here
[here]
dir = .
database = index.txt
serial = serial
new_certs_dir = certs
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 3650
policy = anything
copy_extensions = copyall
unique_subject = no
x509_extensions = device
[anything]
commonName = optional
[device]
[req]
distinguished_name = none
[none]
`

// opensslCA runs openssl ca over all requests in one process, which is the fastest way
// to use it.
func (r *run) opensslCA(ctx context.Context) (row, error) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		return row{product: "openssl ca", missing: "not installed here: apt-get install openssl"}, nil
	}
	dir, err := r.folder("openssl")
	if err != nil {
		return row{}, err
	}
	for name, text := range map[string]string{"ca.cnf": opensslConfig, "index.txt": "", "serial": "1000000000000000000000000000000A\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return row{}, err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "certs"), 0o700); err != nil {
		return row{}, err
	}
	_, err = command(ctx, dir, program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=comparison", "-days", "3650")
	if err != nil {
		return row{}, err
	}
	args := []string{"ca", "-config", "ca.cnf", "-batch", "-notext", "-subj", "/CN=device", "-out", "out.pem", "-infiles"}
	for n, der := range r.der {
		name := fmt.Sprintf("%06d.csr", n)
		if err := os.WriteFile(filepath.Join(dir, name), asPEM("CERTIFICATE REQUEST", der), 0o600); err != nil {
			return row{}, err
		}
		args = append(args, name)
	}
	version, err := command(ctx, dir, program, "version")
	if err != nil {
		return row{}, err
	}
	began := time.Now()
	if _, err := command(ctx, dir, program, args...); err != nil {
		return row{}, err
	}
	took := time.Since(began)
	index, err := os.ReadFile(filepath.Join(dir, "index.txt"))
	if err != nil {
		return row{}, err
	}
	n := strings.Count(string(index), "\n")
	words := strings.Fields(version)
	return row{product: "openssl ca, one process (" + strings.Join(words[:min(2, len(words))], " ") + ")", key: "file", durable: "a text file at the end, not synced",
		does: "proof of possession; a file for each", result: result{certificates: n, took: took, failed: r.n - n}}, nil
}

// openBao says that this program does not measure it.
func (r *run) openBao(context.Context) (row, error) {
	if _, err := exec.LookPath("bao"); err != nil {
		return row{product: "OpenBao", missing: "not installed here: packages at openbao.org"}, nil
	}
	return row{product: "OpenBao", missing: "installed, and not driven by this program yet"}, nil
}
