package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"smki.example/bench/synthetic"
)

const smkiDoes = "proof of possession, profile and key rules, lint, intent and audit record before the signature, signature verified"

// smkiHome makes a CA on a SoftHSM token of its own.
func (r *run) smkiHome(ctx context.Context, name string) (string, error) {
	home := filepath.Join(r.dir, name)
	_, err := command(ctx, r.dir, r.smki, "init", "--home", home)
	return home, err
}

func (r *run) jsonl(name string, requests [][]byte) (string, error) {
	var b bytes.Buffer
	for n, der := range requests {
		fmt.Fprintf(&b, "{\"id\":\"r%d\",\"csr\":%q}\n", n, base64.StdEncoding.EncodeToString(der))
	}
	path := filepath.Join(r.dir, name)
	return path, os.WriteFile(path, b.Bytes(), 0o600)
}

// smkiBatch runs the command line's batch, from the start of the process to its end.
func (r *run) smkiBatch(ctx context.Context) (row, error) {
	home, err := r.smkiHome(ctx, "batch-home")
	if err != nil {
		return row{}, err
	}
	in, err := r.jsonl("batch.jsonl", r.der)
	if err != nil {
		return row{}, err
	}
	began := time.Now()
	if _, err := command(ctx, r.dir, r.smki, "batch", "--home", home, "--in", in, "--out", filepath.Join(r.dir, "batch-out")); err != nil {
		return row{}, err
	}
	return row{product: "smki batch (SQLite)", key: "token", durable: "yes, synced", does: smkiDoes + "; a file for each",
		result: result{certificates: r.n, took: time.Since(began)}}, nil
}

// smkiServe asks the ad hoc web service over mutual TLS, for devices that have a
// certificate already, as the service demands.
func (r *run) smkiServe(ctx context.Context) (row, error) {
	home, err := r.smkiHome(ctx, "serve-home")
	if err != nil {
		return row{}, err
	}
	// The first half of the requests are the devices' first certificates. What is
	// measured are requests of new keys for the same devices.
	first, err := r.jsonl("serve.jsonl", r.der)
	if err != nil {
		return row{}, err
	}
	if _, err := command(ctx, r.dir, r.smki, "batch", "--home", home, "--in", first, "--out", filepath.Join(r.dir, "serve-out")); err != nil {
		return row{}, err
	}
	bodies := make([][]byte, r.n)
	for n := range bodies {
		der, err := synthetic.Request(int64(n))
		if err != nil {
			return row{}, err
		}
		bodies[n] = fmt.Appendf(nil, `<?xml version="1.0" encoding="utf-8"?><DeviceCertificateSigningRequest ID="r%d"><Version>1.0</Version><CertificateSigningRequest>%s</CertificateSigningRequest></DeviceCertificateSigningRequest>`,
			n, base64.StdEncoding.EncodeToString(der))
	}
	certificate, err := r.smkiClient(ctx, home)
	if err != nil {
		return row{}, err
	}
	s, out, err := start(r.dir, r.smki, "serve", "--home", home, "--listen", "127.0.0.1:0", "--public", "127.0.0.1:0", "--json")
	if err != nil {
		return row{}, err
	}
	defer s.stop()
	var said struct{ Listening, Fingerprint string }
	decoder := json.NewDecoder(out)
	if err := decoder.Decode(&said); err != nil {
		return row{}, fmt.Errorf("reading where it listens: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, io.MultiReader(decoder.Buffered(), out)) }()
	clients, err := secureClients(r.clients, certificate, said.Fingerprint)
	if err != nil {
		return row{}, err
	}
	result, err := drive(ctx, r.clients, r.n, func(ctx context.Context, client, n int) error {
		return post(ctx, clients[client], "https://"+said.Listening+"/1.0/AdHocDeviceCSR/SubmitDeviceCSR", "application/xml;charset=UTF-8", bodies[n], "SUCCESS")
	})
	return row{product: "smki serve, ad hoc (SQLite)", key: "token", durable: "yes, synced", does: smkiDoes + "; mutual TLS", result: result}, err
}

// smkiClient issues the certificate of a system that may use the ad hoc service.
func (r *run) smkiClient(ctx context.Context, home string) (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	usage := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x07, 0x80}}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:            pkix.Name{Organization: []string{"Exercise Supplier A"}, OrganizationalUnit: []string{"02"}, CommonName: "adhoc-1"},
		SignatureAlgorithm: x509.SHA256WithRSA, ExtraExtensions: []pkix.Extension{usage},
	}, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	csr, out := filepath.Join(r.dir, "client.csr"), filepath.Join(r.dir, "client.pem")
	if err := os.WriteFile(csr, der, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	if _, err := command(ctx, r.dir, r.smki, "issue", "--home", home, "--csr", csr, "--type", "iki", "--interface", "ad-hoc", "--out", out); err != nil {
		return tls.Certificate{}, err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return tls.Certificate{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return tls.Certificate{}, errors.New("the client's certificate is no PEM")
	}
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, nil
}

// secureClients are clients that know the server by its fingerprint and keep one
// connection each.
func secureClients(n int, certificate tls.Certificate, fingerprint string) ([]*http.Client, error) {
	var clients []*http.Client
	for range n {
		clients = append(clients, &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true, // the fingerprint is the check
			VerifyConnection: func(state tls.ConnectionState) error {
				if sum := sha256.Sum256(state.PeerCertificates[0].Raw); hex.EncodeToString(sum[:]) != fingerprint {
					return errors.New("another server")
				}
				return nil
			},
		}}})
	}
	return clients, nil
}

// post asks once and requires an answer that has a text in it.
func post(ctx context.Context, client *http.Client, url, kind string, body []byte, want string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", kind)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(bufio.NewReader(answer.Body))
	if err == nil && (answer.StatusCode/100 != 2 || !bytes.Contains(text, []byte(want))) {
		err = fmt.Errorf("%s: %.300s", answer.Status, text)
	}
	return err
}
