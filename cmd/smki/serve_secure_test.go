package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/smkiws"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// How long a test waits for what a server does in the background, and how often it looks.
const (
	waitLong = 30 * time.Second
	waitStep = 50 * time.Millisecond
)

// A site is a server of a home, with its two sides.
type site struct {
	home           string
	secure, public string // addresses with their scheme
	fingerprint    string
	log            *lockedBuffer
	stop           func() clikit.Code
}

// serveHome starts the server of a home with both sides.
func serveHome(t testing.TB, home string) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, log := &firstLine{line: make(chan string, 1)}, &lockedBuffer{}
	ended := make(chan clikit.Code, 1)
	go func() {
		app := application()
		app.Writer, app.ErrWriter = &compact{w: out}, log
		ended <- clikit.Run(ctx, app, []string{"smki", "serve", "--home", home, "--listen", "127.0.0.1:0", "--public", "127.0.0.1:0", "--json"}, meanings()...)
	}()
	stop := sync.OnceValue(func() clikit.Code { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	select {
	case line := <-out.line:
		var said listening
		require.NoError(t, json.Unmarshal([]byte(line), &said), line)
		return &site{home: home, secure: "https://" + said.Listening, public: "http://" + said.Public, fingerprint: said.Fingerprint, log: log, stop: stop}
	case code := <-ended:
		ended <- code
		require.FailNow(t, "the server ended", "exit %d: %s", code, log)
		return nil
	}
}

// compact writes a JSON document in one line.
type compact struct {
	w io.Writer
	b bytes.Buffer
}

func (c *compact) Write(p []byte) (int, error) {
	c.b.Write(p)
	var line bytes.Buffer
	if json.Compact(&line, c.b.Bytes()) == nil {
		c.b.Reset()
		_, err := c.w.Write(append(line.Bytes(), '\n'))
		return len(p), err
	}
	return len(p), nil
}

// settings writes the services.json of a home.
func settings(t testing.TB, home, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(home, servicesFile), []byte(text), 0o600))
}

// A person, or a system, with an IKI certificate.
type holder struct {
	certificate tls.Certificate
	serial      policy.Serial
	file        string // PEM
}

// newHolder issues an IKI certificate on the command line.
func newHolder(t testing.TB, home, organisation, cn string, role policy.RemotePartyRole, i iki.Interface) *holder {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:            pkix.Name{Organization: []string{organisation}, OrganizationalUnit: []string{role.OU()}, CommonName: cn},
		SignatureAlgorithm: x509.SHA256WithRSA, ExtraExtensions: []pkix.Extension{ikiUsage},
	}, key)
	require.NoError(t, err)
	csr := filepath.Join(t.TempDir(), cn+".csr")
	require.NoError(t, os.WriteFile(csr, der, 0o600))
	h := &holder{file: strings.TrimSuffix(csr, ".csr") + ".pem"}
	code, _, errs := smki(t, "issue", "--home", home, "--csr", csr, "--type", "iki", "--interface", i.String(), "--out", h.file)
	require.Equal(t, clikit.Done, code, errs)
	text, err := os.ReadFile(h.file)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	cert.SerialNumber.FillBytes(h.serial[:])
	h.certificate = tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key, Leaf: cert}
	return h
}

// client speaks for a holder to a server that it knows by its fingerprint.
func (s *site) client(t testing.TB, h *holder) *http.Client {
	t.Helper()
	cfg := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error { // the fingerprint is the check
		if sum := sha256.Sum256(state.PeerCertificates[0].Raw); hex.EncodeToString(sum[:]) != s.fingerprint {
			return errors.New("another server")
		}
		return nil
	}}
	if h != nil {
		cfg.Certificates = []tls.Certificate{h.certificate}
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func call(t testing.TB, c *http.Client, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/xml")
	}
	answer, err := c.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func deviceRequest(t testing.TB, device policy.EntityID) string {
	t.Helper()
	der, err := makeRequest("device", device)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

func adHoc(csr string) string {
	return `<?xml version="1.0" encoding="utf-8"?><DeviceCertificateSigningRequest ID="r1"><Version>1.0</Version><CertificateSigningRequest>` + csr + `</CertificateSigningRequest></DeviceCertificateSigningRequest>`
}

type adHocAnswer struct {
	Status      string
	Certificate string
	Code        string `xml:"Error>ErrorCode"`
}

// askAdHoc sends one request to the ad hoc service.
func (s *site) askAdHoc(t testing.TB, c *http.Client, csr string) adHocAnswer {
	t.Helper()
	status, text := call(t, c, "POST", s.secure+smkiws.DefaultAdHocPath, adHoc(csr))
	require.Equal(t, http.StatusOK, status, text)
	var got adHocAnswer
	require.NoError(t, xml.Unmarshal([]byte(text), &got), text)
	return got
}

func batchXML(t testing.TB, n int) string {
	t.Helper()
	text, err := makeXML(n)
	require.NoError(t, err)
	return text + "</SubmitCSRBatch>"
}

// makeXML is a batch without its end.
func makeXML(n int) (string, error) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?><SubmitCSRBatch ID="batch-1"><Version>1.0</Version>`)
	for k := range n {
		der, err := makeRequest("device", nextEntity())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, `<DeviceCSR ID="d%d">%s</DeviceCSR>`, k+1, base64.StdEncoding.EncodeToString(der))
	}
	return b.String(), nil
}

// scriptBatchXML makes an XML batch, of which the last request cannot be read: batchxml
// N FILE.
func scriptBatchXML(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: batchxml N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text, err := makeXML(n - 1)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text+`<DeviceCSR ID="unreadable">no base64!</DeviceCSR></SubmitCSRBatch>`), 0o600))
}

type batchAnswer struct {
	ID          string `xml:"BatchId"`
	Status      string `xml:"BatchStatus"`
	Certificate []struct {
		ID     string `xml:"ID,attr"`
		Status string
	} `xml:"DeviceCertificate"`
}

func (s *site) submit(t testing.TB, c *http.Client, n int) string {
	t.Helper()
	status, text := call(t, c, "POST", s.secure+smkiws.SubmitPath, batchXML(t, n))
	require.Equal(t, http.StatusOK, status, text)
	var got batchAnswer
	require.NoError(t, xml.Unmarshal([]byte(text), &got), text)
	require.Equal(t, "PENDING", got.Status, text)
	return got.ID
}

// ask asks for a batch.
func (s *site) ask(t testing.TB, c *http.Client, id string) (got batchAnswer) {
	t.Helper()
	status, text := call(t, c, "GET", s.secure+smkiws.ResultPath+"?BatchId="+id, "")
	require.Equal(t, http.StatusOK, status, text)
	require.NoError(t, xml.Unmarshal([]byte(text), &got), text)
	return got
}

// result asks for a batch until it has a status, and returns the answer.
func (s *site) result(t testing.TB, c *http.Client, id, want string) (got batchAnswer) {
	t.Helper()
	require.Eventually(t, func() bool {
		got = s.ask(t, c, id)
		return got.Status == want
	}, waitLong, waitStep, "batch %s never was %s", id, want)
	return got
}

// The ad hoc service from outside: a device has its first certificate, a system
// replaces it, and whoever is not for this interface is told so.
func TestServeAdHoc(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	s := serveHome(t, home)
	system := newHolder(t, home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc)
	other := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
	network := newHolder(t, home, "Exercise Networks", "adhoc-2", policy.RoleNetworkOperator, iki.AdHoc)
	c, device := s.client(t, system), nextEntity()

	require.Equal(t, "UNKNOWN_DEVICE", s.askAdHoc(t, c, deviceRequest(t, device)).Status, "a device without a certificate has nothing to replace")
	first := filepath.Join(t.TempDir(), "first.csr")
	require.NoError(t, os.WriteFile(first, []byte(deviceRequest(t, device)), 0o600))
	code, _, errs := smki(t, "issue", "--home", home, "--csr", first)
	require.Equal(t, clikit.Done, code, errs)
	csr := deviceRequest(t, device)
	answer := s.askAdHoc(t, c, csr)
	require.Equal(t, "SUCCESS", answer.Status)
	der, err := base64.StdEncoding.DecodeString(answer.Certificate)
	require.NoError(t, err)
	cert, err := policy.ParseCertificate(der)
	require.NoError(t, err)
	require.Equal(t, device, cert.DeviceID)
	status, _ := fetch(t, s.public+"/certificates/"+cert.Serial.String())
	require.Equal(t, http.StatusOK, status, "what was issued is in the Repository")
	require.Equal(t, "ISSUANCE_ANOMALY", s.askAdHoc(t, c, csr).Status, "no key is certified twice")
	require.Equal(t, "FORMAT_ERROR", func() string {
		_, text := call(t, c, "POST", s.secure+smkiws.DefaultAdHocPath, `<!DOCTYPE a>`+adHoc(csr))
		var got adHocAnswer
		require.NoError(t, xml.Unmarshal([]byte(text), &got), text)
		return got.Status
	}())

	for name, row := range map[string]struct {
		who  *holder
		path string
	}{
		"a certificate for another interface":     {other, smkiws.DefaultAdHocPath},
		"a party that is no supplier":             {network, smkiws.DefaultAdHocPath},
		"an ad hoc system at the batched service": {system, smkiws.SubmitPath},
		"an ad hoc system at the portal":          {system, smkiws.PortalPath},
	} {
		status, text := call(t, s.client(t, row.who), "POST", s.secure+row.path, adHoc(csr))
		require.Equal(t, http.StatusForbidden, status, "%s: %s", name, text)
	}
	_, err = s.client(t, nil).Get(s.secure + smkiws.AdHocSchemaPath)
	require.Error(t, err, "nobody comes in without a certificate")
	status, text := call(t, c, "GET", s.secure+smkiws.AdHocSchemaPath, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "DeviceCertificateSigningRequest")
	status, _ = fetch(t, s.public+smkiws.AdHocSchemaPath)
	require.Equal(t, http.StatusNotFound, status, "the public side has no web services")
	require.Equal(t, clikit.Done, s.stop())
	require.NotContains(t, s.log.String(), `"level":"ERROR"`)
}

// Two servers on one home: a batch that one takes is finished, whoever works it, and
// its results come from the other.
func TestServeBatchOnTwoServers(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	first, second := serveHome(t, home), serveHome(t, home)
	require.Equal(t, first.fingerprint, second.fingerprint, "servers on one home have one certificate")
	system := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
	a, b := first.client(t, system), second.client(t, system)
	ids := []string{first.submit(t, a, 40), second.submit(t, b, 30)}
	for n, id := range ids {
		got := []*site{second, first}[n].result(t, []*http.Client{b, a}[n], id, "COMPLETED")
		require.Len(t, got.Certificate, []int{40, 30}[n])
		for _, one := range got.Certificate {
			require.Equal(t, "SUCCESS", one.Status, one.ID)
		}
	}
	stranger := newHolder(t, home, "Exercise Supplier B", "batched-2", policy.RoleSupplier, iki.Batched)
	_, text := call(t, first.client(t, stranger), "GET", first.secure+smkiws.ResultPath+"?BatchId="+ids[0], "")
	require.NotContains(t, text, "DeviceCertificate", "another party's batch is not to be seen")

	require.Equal(t, clikit.Done, first.stop())
	id := second.submit(t, b, 5)
	require.Len(t, second.result(t, b, id, "COMPLETED").Certificate, 5, "the other goes on")
	require.Equal(t, clikit.Done, second.stop())
	code, out, errs := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, "%s%s", out, errs)
}

// A client whose certificate is revoked is thrown out of the connection that it has,
// and not let in again.
func TestServeCutsOff(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	s := serveHome(t, home)
	system := newHolder(t, home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc)
	host := strings.TrimPrefix(s.secure, "https://")
	conn, err := tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{system.certificate}})
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", smkiws.AdHocSchemaPath, host)
	require.NoError(t, err)
	buffer := make([]byte, 15)
	_, err = io.ReadFull(conn, buffer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK", string(buffer))

	d, err := openLedger(context.Background(), home)
	require.NoError(t, err)
	_, err = iki.Revoke(context.Background(), d.issuer, iki.Withdrawal{Serial: system.serial, Reason: policy.ReasonKeyCompromise, By: "test"})
	require.NoError(t, err)
	require.NoError(t, d.Close(context.Background()))
	_, err = s.client(t, system).Get(s.secure + smkiws.AdHocSchemaPath)
	require.Error(t, err, "no new connection")
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(iki.CutOff)))
	_, err = io.Copy(io.Discard, conn)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "the open connection ends within %s", iki.CutOff)
	require.Eventually(t, func() bool {
		status, body := fetch(t, s.public+"/crls/iki.crl")
		list, err := x509.ParseRevocationList(body)
		return status == http.StatusOK && err == nil && len(list.RevokedCertificateEntries) == 1
	}, waitLong, waitStep, "the list follows")
}

// The public client of a test system works with a key that it has built in.
func TestServeRepository(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	device := nextEntity()
	csr := filepath.Join(t.TempDir(), "d.csr")
	require.NoError(t, os.WriteFile(csr, []byte(deviceRequest(t, device)), 0o600))
	code, _, errs := smki(t, "issue", "--home", home, "--csr", csr)
	require.Equal(t, clikit.Done, code, errs)
	secret := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(secret, []byte("built-in-key-of-a-client\n"), 0o600))
	code, out, errs := smki(t, "apikey", "adopt", "--home", home, "--party", "test-client", "--file", secret, "--json")
	require.Equal(t, clikit.Done, code, errs)
	require.NotContains(t, out, "built-in-key")
	var key struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(out), &key))

	url, _, _ := serving(t, home) // with --listen alone
	search := "<CertificateSearchRequest><CertificateSubjectAltName>" + device.String() + "</CertificateSubjectAltName></CertificateSearchRequest>"
	at := url + "/services/certificatesearch?apikey="
	status, text := call(t, http.DefaultClient, "POST", at+"built-in-key-of-a-client", search)
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, "<CertificateSerial>")
	status, _ = call(t, http.DefaultClient, "POST", at+"another-key-of-a-client", search)
	require.NotEqual(t, http.StatusOK, status)
	status, text = call(t, http.DefaultClient, "POST", at+"built-in-key-of-a-client", search+strings.Repeat(" ", 8<<10))
	require.NotEqual(t, http.StatusOK, status, text)
	status, _ = fetch(t, url+"/assets/crypto/org-certs.zip")
	require.Equal(t, http.StatusOK, status)
	require.Eventually(t, func() bool {
		status, index := fetch(t, url+"/files/index.json?apikey=built-in-key-of-a-client")
		return status == http.StatusOK && strings.Contains(string(index), "-full-") && strings.Contains(string(index), "-delta-")
	}, waitLong, waitStep, "the day's files are there")

	code, _, errs = smki(t, "apikey", "revoke", "--home", home, "--cause", "the client is public", key.ID)
	require.Equal(t, clikit.Done, code, errs)
	status, _ = call(t, http.DefaultClient, "POST", at+"built-in-key-of-a-client", search)
	require.NotEqual(t, http.StatusOK, status, "a revoked key is refused with the next request")
}
