package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/policy"
	"smki.example/policy/policytest"
	"smki.example/softhsm"
)

// These tests are inside the package because a command cannot be imported. What
// they see of it is its command line.

// asCommand has this test binary be the command, in another process: testscript does
// the same for scripts, kill tests do it by this variable.
const asCommand = "SMKI_TEST_RUN_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "1" {
		main()
	}
	if path := os.Getenv(profileTo); path != "" {
		os.Exit(profiled(path))
	}
	testscript.Main(m, map[string]func(){"smki": main})
}

// needSoftHSM skips, or fails where nothing may be skipped.
func needSoftHSM(t testing.TB) { softhsm.ForTest(t, "EXERCISE probe") }

func TestScripts(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"csr": scriptCSR, "jsonl": scriptJSONL, "serial": scriptSerial, "corrupt": scriptCorrupt, "lines": scriptLines,
			"batchxml": scriptBatchXML,
		},
	})
}

// scriptCSR makes a request: csr device|organisation|iki FILE [ENTITY].
func scriptCSR(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: csr device|organisation|iki FILE [ENTITY]")
	}
	entity := nextEntity()
	if len(args) == 3 {
		var err error
		entity, err = policy.ParseEntityID(args[2])
		ts.Check(err)
	}
	der, err := makeRequest(args[0], entity)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
}

// scriptJSONL makes a batch: jsonl N FILE.
func scriptJSONL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonl N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text, err := makeBatch(n)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// scriptSerial puts the serial number of a PEM certificate into a variable: serial
// NAME FILE.
func scriptSerial(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serial NAME FILE")
	}
	block, rest := pem.Decode([]byte(ts.ReadFile(args[1])))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		ts.Fatalf("%s is not one PEM certificate", args[1])
	}
	if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
		ts.Setenv(args[0], policy.Serial(cert.SerialNumber.FillBytes(make([]byte, 16))).String())
		return
	}
	cert, err := policy.ParseCertificate(block.Bytes)
	ts.Check(err)
	ts.Setenv(args[0], cert.Serial.String())
}

// scriptCorrupt replaces a text in a file, of the same length: corrupt FILE OLD NEW.
func scriptCorrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: corrupt FILE OLD NEW, OLD and NEW of one length")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !bytes.Contains(b, []byte(args[1])) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.ReplaceAll(b, []byte(args[1]), []byte(args[2])), 0o600))
}

// scriptLines checks how many lines a file has: lines N FILE.
func scriptLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines N FILE")
	}
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s has %d lines, want %s", args[1], got, args[0])
	}
}

var entities atomic.Uint64

func nextEntity() policy.EntityID {
	var entity policy.EntityID
	binary.BigEndian.PutUint64(entity[:], 0x90B3D51F30000000+entities.Add(1))
	return entity
}

var ikiUsage = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x07, 0x80}}

func makeRequest(kind string, entity policy.EntityID) ([]byte, error) {
	if kind == "iki" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject:            pkix.Name{Organization: []string{"Exercise Supplier A"}, OrganizationalUnit: []string{"02"}, CommonName: entity.Hex()},
			SignatureAlgorithm: x509.SHA256WithRSA, ExtraExtensions: []pkix.Extension{ikiUsage},
		}, key)
	}
	key, err := ecdsa.GenerateKey(p256, rand.Reader)
	if err != nil {
		return nil, err
	}
	template := policy.RequestTemplate{PublicKey: &key.PublicKey, Usage: policy.UsageDigitalSignature, EntityID: entity}
	switch kind {
	case "device":
		template.HardwareType = policytest.HardwareType
	case "organisation":
		template.Role, template.CN = policy.RoleSupplier, "Exercise Supplier A"
	default:
		return nil, fmt.Errorf("a request of kind %q", kind)
	}
	return signRequest(template, key)
}

func signRequest(template policy.RequestTemplate, key crypto.Signer) ([]byte, error) {
	tbs, err := policy.TBSRequest(template)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return policy.Assemble(tbs, signature)
}

func makeBatch(n int) ([]byte, error) {
	var text bytes.Buffer
	for k := range n {
		der, err := makeRequest("device", nextEntity())
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "{\"id\":\"meter-%d\",\"csr\":%q}\n", k, base64.StdEncoding.EncodeToString(der))
	}
	return text.Bytes(), nil
}

// smki runs the command in this process and returns its exit code, output and
// errors.
func smki(t testing.TB, args ...string) (clikit.Code, string, string) {
	t.Helper()
	return smkiWith(t, context.Background(), &bytes.Buffer{}, args...)
}

func smkiWith(t testing.TB, ctx context.Context, out *bytes.Buffer, args ...string) (clikit.Code, string, string) {
	t.Helper()
	var errs lockedBuffer
	app := application()
	app.Writer, app.ErrWriter, app.Reader = out, &errs, strings.NewReader("")
	code := clikit.Run(ctx, app, append([]string{"smki"}, args...), meanings()...)
	return code, out.String(), errs.String()
}

// A lockedBuffer takes what several goroutines of a server log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newHome makes a CA.
func newHome(t testing.TB) string {
	t.Helper()
	needSoftHSM(t)
	home := filepath.Join(t.TempDir(), "ca")
	code, _, errs := smki(t, "init", "--home", home)
	require.Equal(t, clikit.Done, code, errs)
	return home
}
