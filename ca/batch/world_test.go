package batch_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/batch"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A plan is what a parent tells a helper process: which CA to open, which batch to
// work, and where to die.
type plan struct {
	Dir         string               // batch.jsonl, out/, and a .tap file for each helper
	Store       string               // address of the database
	Name        string               // of the helper
	Authorities map[string][2]string // name: certificate and key, hex

	DieAtCommit    int // counted from 1; 0: nowhere
	AfterCommit    bool
	DieAtSignature int // counted from 1; 0: nowhere
	Lanes          int
}

// chunk makes three rounds of the batches here, so that there is a before and an
// after to every point.
const chunk = 16

// silence is how long a helper that was killed counts as alive on PostgreSQL, where
// nobody sees it die: long enough for one that is alive on a busy machine.
const silence = 3 * time.Second

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

var logKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func TestMain(m *testing.M) {
	if file := os.Getenv("BATCH_TEST_PLAN"); file != "" {
		if err := help(file); err != nil {
			fmt.Fprintln(os.Stderr, "helper:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// die is kill -9 by the process itself: nothing is cleaned up by us.
func die() error {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// help works the batch as the command does.
func help(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	t := &tap{dieAt: p.DieAtSignature}
	if t.file, err = os.OpenFile(filepath.Join(p.Dir, p.Name+".tap"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	faults := &store.Faults{}
	if p.DieAtCommit > 0 && p.AfterCommit {
		faults.FailAfterCommit(p.DieAtCommit-1, die)
	} else if p.DieAtCommit > 0 {
		faults.FailBeforeCommit(p.DieAtCommit-1, die)
	}
	return p.work(context.Background(), t, faults)
}

func (p plan) open(ctx context.Context, t *tap, faults *store.Faults) (*ca.Issuer, error) {
	env, err := policy.LoadEnvironment("exercise")
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, store.Config{URL: p.Store, LeaseTerm: silence, Faults: faults})
	if err != nil {
		return nil, err
	}
	cfg := ca.Config{Store: s, Environment: env, LogKey: logKey}
	for name, parts := range p.Authorities {
		der, _ := hex.DecodeString(parts[0])
		cert, err := policy.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		der, _ = hex.DecodeString(parts[1])
		key, err := x509.ParseECPrivateKey(der)
		if err != nil {
			return nil, err
		}
		cfg.Authorities = append(cfg.Authorities, ca.Authority{Name: name, Generation: 1, Certificate: cert,
			Signer: func(context.Context) crypto.Signer { return tapped{t, key} }})
	}
	return ca.Open(ctx, cfg)
}

func (p plan) work(ctx context.Context, t *tap, faults *store.Faults) error {
	items, err := batch.Read(filepath.Join(p.Dir, "batch.jsonl"))
	if err != nil {
		return err
	}
	issuer, err := p.open(ctx, t, faults)
	if err != nil {
		return err
	}
	out, err := batch.NewOutput(filepath.Join(p.Dir, "out"))
	if err != nil {
		return err
	}
	b, err := batch.Enrol(ctx, batch.Config{Issuer: issuer, Requester: "test", Chunk: chunk, Lanes: p.Lanes, Issued: out.Certificate}, items)
	if err != nil {
		return err
	}
	err = b.Work(ctx)
	if err == nil {
		_, err = out.Finish(ctx, b)
	}
	return errors.Join(err, b.Close(), issuer.Close(ctx), issuer.Store().Close())
}

// A tap writes down every signature that was made, before the CA hears of it.
type tap struct {
	file  *os.File
	mu    sync.Mutex
	made  int
	dieAt int
	fail  func() error // an outage, if it returns an error
}

type tapped struct {
	tap *tap
	key *ecdsa.PrivateKey
}

func (s tapped) Public() crypto.PublicKey { return s.key.Public() }

func (s tapped) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.tap.mu.Lock()
	defer s.tap.mu.Unlock()
	if s.tap.fail != nil {
		if err := s.tap.fail(); err != nil {
			return nil, err
		}
	}
	sig, err := s.key.Sign(random, digest, opts)
	if s.tap.file != nil {
		if _, err := fmt.Fprintf(s.tap.file, "%x\n", digest); err != nil {
			return nil, err
		}
	}
	if s.tap.made++; s.tap.made == s.tap.dieAt {
		return nil, die()
	}
	return sig, err
}

// newPlan makes a CA's folder with a batch of good requests and some bad ones.
func newPlan(t *testing.T, good int) plan {
	t.Helper()
	h := policytest.NewHierarchy(t)
	p := plan{Dir: t.TempDir(), Store: storetest.Fresh(t), Authorities: map[string][2]string{}}
	for name, a := range map[string]policytest.Authority{"issuing-oca": h.IssuingOCA, "issuing-dca": h.IssuingDCA} {
		key, err := x509.MarshalECPrivateKey(a.Key)
		require.NoError(t, err)
		p.Authorities[name] = [2]string{hex.EncodeToString(a.Certificate.Raw), hex.EncodeToString(key)}
	}
	var text strings.Builder
	for n := range good {
		fmt.Fprintf(&text, "{\"id\":\"good-%d\",\"csr\":%q}\n", n, base64.StdEncoding.EncodeToString(request(t, n)))
		if n == good/2 {
			fmt.Fprintf(&text, "{\"id\":\"bad-%d\",\"csr\":\"no base64\"}\n", n)
		}
	}
	twin := base64.StdEncoding.EncodeToString(request(t, good))
	fmt.Fprintf(&text, "{\"id\":\"twin-1\",\"csr\":%q}\n{\"id\":\"twin-2\",\"csr\":%q}\n", twin, twin)
	require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "batch.jsonl"), []byte(text.String()), 0o600))
	return p
}

func request(t *testing.T, n int) []byte {
	t.Helper()
	var entity policy.EntityID
	binary.BigEndian.PutUint64(entity[:], 0x90B3D51F30000000+uint64(n))
	return policytest.DeviceRequest(t, policytest.NewKey(t), entity, policy.UsageDigitalSignature)
}

// helper is the command that runs the plan in another process.
func (p plan) helper(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	p.Name = name
	text, err := json.Marshal(p)
	require.NoError(t, err)
	file := filepath.Join(p.Dir, name+".plan")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	executable, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(executable)
	command.Env = append(os.Environ(), "BATCH_TEST_PLAN="+file)
	command.Stderr = os.Stderr
	return command
}

// audit is what must hold of a finished batch, whatever happened on the way. It
// reads files and the ledger, and shares no code with what wrote them.
func (p plan) audit(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	issuer, err := p.open(ctx, &tap{}, nil)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, issuer.Close(ctx))
		require.NoError(t, issuer.Store().Close())
	}()

	// Every signature that a token made has an intent.
	intents := map[string]*ca.Intent{}
	for in, err := range issuer.Intents(ctx) {
		require.NoError(t, err)
		digest := sha256.Sum256(in.TBS)
		intents[hex.EncodeToString(digest[:])] = in
		require.NotEqual(t, ca.StateOpen, in.State, "nothing is left open")
	}
	taps, err := filepath.Glob(filepath.Join(p.Dir, "*.tap"))
	require.NoError(t, err)
	for _, file := range taps {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, digest := range strings.Fields(string(text)) {
			require.Contains(t, intents, digest, "a signature without an intent")
		}
	}

	// Every request has one certificate at most, and the results say which.
	f, err := os.Open(filepath.Join(p.Dir, "out", "results.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	items, err := batch.Read(filepath.Join(p.Dir, "batch.jsonl"))
	require.NoError(t, err)
	require.Equal(t, []string{"id", "status", "serial", "error_code", "detail"}, rows[0])
	require.Len(t, rows, len(items)+1)
	certificates := map[ca.KeyHash]int{}
	recorded := 0
	for c, err := range issuer.List(ctx, ca.Filter{}) {
		require.NoError(t, err)
		certificates[c.Key]++
		require.Equal(t, 1, certificates[c.Key], "one key, one certificate")
		recorded++
	}
	succeeded, twins := 0, 0
	for n, item := range items {
		row := rows[n+1]
		require.Equal(t, item.ID, row[0], "in the order of the input")
		if strings.HasPrefix(item.ID, "bad") {
			require.Equal(t, []string{"error", "", batch.CodeCSR}, row[1:4])
			require.NoFileExists(t, filepath.Join(p.Dir, "out", "certs", item.ID+".pem"))
			continue
		}
		if strings.HasPrefix(item.ID, "twin") && row[1] != "success" {
			require.Equal(t, []string{"anomaly", "", batch.CodeAnomaly}, row[1:4])
			twins++
			continue
		}
		require.Equal(t, "success", row[1], "item %s: %s", item.ID, row[4])
		succeeded++
		text, err := os.ReadFile(filepath.Join(p.Dir, "out", "certs", item.ID+".pem"))
		require.NoError(t, err)
		block, _ := pem.Decode(text)
		cert, err := policy.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		require.Equal(t, row[2], cert.Serial.String())
		der, err := base64.StdEncoding.DecodeString(string(item.Request))
		require.NoError(t, err)
		req, err := policy.ParseRequest(der)
		require.NoError(t, err)
		require.True(t, req.PublicKey.Equal(cert.PublicKey), "the certificate is the request's")
		ledger, err := issuer.BySerial(ctx, cert.Serial)
		require.NoError(t, err)
		require.Equal(t, block.Bytes, ledger.DER)
	}
	require.Equal(t, 1, twins, "of two requests with one key, one is refused")
	require.Equal(t, succeeded, recorded, "no certificate that no item has")
	_, err = issuer.Log().Verify(ctx)
	require.NoError(t, err)
}
