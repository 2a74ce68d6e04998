package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// requestFile writes a request and returns its path.
func requestFile(t *testing.T, kind string) string {
	t.Helper()
	der, err := makeRequest(kind, nextEntity())
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), kind+".csr")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
	return path
}

// done runs the command, which must end well, and returns its output.
func done(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := smki(t, args...)
	require.Equal(t, clikit.Done, code, "%s%s", out, errs)
	return out
}

// published is every list of a home, as a Repository has them.
func published(t *testing.T, home string) map[string][]byte {
	t.Helper()
	d, err := openLedger(context.Background(), home)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close(context.Background())) }()
	lists := map[string][]byte{}
	var record *revocation.CRLRecord
	for record, err = range d.register.CRLs(context.Background()) {
		require.NoError(t, err)
		lists["/crls/"+record.Issuer+".crl"] = record.DER
	}
	newest, err := iki.Current(context.Background(), d.store, iki.Name)
	require.NoError(t, err)
	lists["/crls/iki.crl"] = newest.DER
	return lists
}

// The lists of a Repository, the IKI authority's among them, tell a restored CA what
// it has forgotten; what they revoke is revoked again, and no number comes twice.
func TestRestoreFromARepository(t *testing.T) {
	t.Parallel()
	home, dir := newHome(t), t.TempDir()
	client := filepath.Join(dir, "client.pem")
	done(t, "issue", "--home", home, "--csr", requestFile(t, "iki"), "--type", "iki", "--out", client)
	copied, to, id := filepath.Join(dir, "backup"), filepath.Join(dir, "to"), filepath.Join(dir, "id")
	done(t, "backup", "--home", home, "--out", copied, "--recipient-file", to, "--new-identity", id, "--with-token")

	content, err := os.ReadFile(client)
	require.NoError(t, err)
	block, _ := pem.Decode(content)
	serial := serialOf(t, block.Bytes)
	d, err := openCA(context.Background(), home, nil)
	require.NoError(t, err)
	_, err = iki.Revoke(context.Background(), d.issuer, iki.Withdrawal{Serial: serial, Reason: policy.ReasonKeyCompromise, By: "test"})
	require.NoError(t, err)
	last, err := d.iki.PublishCRL(context.Background())
	require.NoError(t, err)
	require.NoError(t, d.Close(context.Background()))
	lists := published(t, home)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if der, there := lists[r.URL.Path]; there {
			w.Write(der)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()

	back := filepath.Join(dir, "back")
	code, out, errs := smki(t, "restore", "--in", copied, "--identity", id, "--home", back, "--repository", server.URL)
	require.Equal(t, clikit.Failed, code, errs)
	require.Contains(t, out, "list 2 of iki-1")
	require.Contains(t, out, "revokes 1 certificates that the ledger holds in use: "+serial.String())
	require.Contains(t, out, "list 1 of issuing-oca-1 is no newer than the ledger's 1")
	key := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("ab", 32)), 0o600))
	for _, args := range [][]string{{"create", "--party", "a"}, {"adopt", "--party", "a", "--file", key}, {"revoke", "--cause", "c", "3f09c2a41b77"}} {
		code, out, errs = smki(t, append([]string{"apikey", args[0], "--home", back}, args[1:]...)...)
		require.Equal(t, clikit.Refused, code, "%s%s", out, errs)
		require.Empty(t, out)
	}
	require.NotContains(t, done(t, "apikey", "list", "--home", back, "--json"), `"id"`)
	done(t, "restore", "--home", back, "--repository", server.URL, "--accept-loss", "no later backup", "--by", "alice", "--witness", "bob")

	d, err = openCA(context.Background(), back, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close(context.Background())) }()
	again, err := iki.RevocationOf(context.Background(), d.store, serial)
	require.NoError(t, err)
	require.Equal(t, policy.ReasonKeyCompromise, again.Reason)
	next, err := d.iki.PublishCRL(context.Background())
	require.NoError(t, err)
	require.Greater(t, next.Number, last.Number)
	require.Equal(t, 1, next.Entries)
}

func serialOf(t *testing.T, der []byte) policy.Serial {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return policy.Serial(cert.SerialNumber.FillBytes(make([]byte, 16)))
}

// A backup taken while certificates are issued is of one moment: whatever is in it
// has its intent, the log is whole, and the CA never waited for it.
func TestBackupDuringWork(t *testing.T) {
	t.Parallel()
	home, dir := newHome(t), t.TempDir()
	batch := filepath.Join(dir, "batch.jsonl")
	text, err := makeBatch(600)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(batch, text, 0o600))
	copied, to, id := filepath.Join(dir, "backup"), filepath.Join(dir, "to"), filepath.Join(dir, "id")

	var working sync.WaitGroup
	working.Go(func() {
		code, _, errs := smki(t, "batch", "--home", home, "--in", batch, "--out", filepath.Join(dir, "out"))
		if code != clikit.Done {
			t.Errorf("the batch: %s", errs)
		}
	})
	for n := range 3 {
		name := copied + string(rune('a'+n))
		args := []string{"backup", "--home", home, "--out", name, "--recipient-file", to, "--with-token"}
		if n == 0 {
			args = append(args, "--new-identity", id)
		}
		done(t, args...)
	}
	working.Wait()
	done(t, "audit", "checkpoint", "--home", home, "--out", filepath.Join(dir, "late.txt"))
	for n := range 3 {
		name := string(rune('a' + n))
		back := filepath.Join(dir, "back-"+name)
		_, out, errs := smki(t, "restore", "--in", copied+name, "--identity", id, "--home", back, "--checkpoint", filepath.Join(dir, "late.txt"))
		require.Regexp(t, "BEHIND|goes on", out, errs)
		require.Contains(t, done(t, "audit", "verify", "--home", back), "intact")
		lines := strings.Split(done(t, "export", "--home", back, "--out", filepath.Join(dir, "export-"+name)), "\n")
		require.NotEmpty(t, lines)
		hex := func(file string) string {
			b, err := os.ReadFile(filepath.Join(dir, "export-"+name, file))
			require.NoError(t, err)
			return string(b)
		}
		intents := hex("intents.hex")
		for cert := range strings.Lines(hex("certs.hex")) {
			// Outer SEQUENCE of two octets of length, then the to-be-signed bytes.
			require.Contains(t, intents, cert[8:8+512])
		}
	}
	left, err := filepath.Glob(filepath.Join(home, backupPrefix+"*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// With a register, names are not enough: two managers sign for what is lost, over the
// very octets, and what they signed stands in the audit log.
func TestLossIsSignedFor(t *testing.T) {
	t.Parallel()
	home, a := newAuthority(t)
	dir := t.TempDir()
	copied, to, id := filepath.Join(dir, "backup"), filepath.Join(dir, "to"), filepath.Join(dir, "id")
	done(t, "backup", "--home", home, "--out", copied, "--recipient-file", to, "--new-identity", id, "--with-token")
	for _, issuer := range []string{"issuing-oca", "issuing-dca", "root-oca", "iki"} {
		done(t, "crl", "--home", home, "--issuer", issuer)
	}
	lists := filepath.Join(dir, "lists")
	require.NoError(t, os.Mkdir(lists, 0o700))
	for path, der := range published(t, home) {
		require.NoError(t, os.WriteFile(filepath.Join(lists, filepath.Base(path)), der, 0o600))
	}
	back := filepath.Join(dir, "back")
	code, out, errs := smki(t, "restore", "--in", copied, "--identity", id, "--home", back, "--repository", lists)
	require.Equal(t, clikit.Failed, code, errs)
	require.Contains(t, out, "BEHIND")

	statement := filepath.Join(dir, "loss.json")
	accept := func(more ...string) (clikit.Code, string, string) {
		return smki(t, append([]string{"restore", "--home", back, "--repository", lists, "--accept-loss", "disk lost"}, more...)...)
	}
	sign := func(n int, over string) string { return a.signed(t, n, over) }
	code, _, errs = accept("--by", "alice", "--witness", "bob")
	require.Equal(t, clikit.Usage, code, errs)
	code, _, errs = accept("--statement", statement)
	require.Equal(t, clikit.Refused, code, errs)
	require.Contains(t, errs, "openssl dgst -sha256 -sign")
	other := filepath.Join(dir, "other.json")
	require.NoError(t, os.WriteFile(other, []byte("{}"), 0o600))
	for what, signatures := range map[string][]string{
		"one alone":         {sign(0, statement)},
		"the same twice":    {sign(0, statement), sign(0, statement)},
		"over other octets": {sign(0, statement), sign(1, other)},
	} {
		args := []string{"--statement", statement}
		for _, s := range signatures {
			args = append(args, "--signature", s)
		}
		code, _, errs = accept(args...)
		require.Equal(t, clikit.Refused, code, "%s: %s", what, errs)
	}
	code, _, errs = smki(t, "restore", "--home", back, "--repository", lists, "--accept-loss", "another reason", "--statement", statement, "--signature", sign(0, statement), "--signature", sign(1, statement))
	require.Equal(t, clikit.Refused, code, errs)
	require.Contains(t, errs, "is not what would be done now")
	code, out, errs = accept("--statement", statement, "--signature", sign(0, statement), "--signature", sign(1, statement))
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, "the CA goes on")
	done(t, "audit", "verify", "--home", back)
	d, err := openLedger(context.Background(), back)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close(context.Background())) }()
	recorded := false
	for r, err := range d.issuer.Log().Records(context.Background(), 0) {
		require.NoError(t, err)
		if r.Kind == "accepted-loss" {
			recorded = true
			require.Equal(t, "ra/manager-1 (person person-1)", r.By)
			require.Contains(t, string(r.Body), `"witness":"ra/manager-2 (person person-2)"`)
			require.Contains(t, string(r.Body), `"signatures":[{"certificate":`)
		}
	}
	require.True(t, recorded)
}
