package smkiws_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

// A world is a CA with web services on a real database, whose keys are in software
// behind a tap.
type world struct {
	hierarchy *policytest.Hierarchy
	address   string // of the database
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	register  *register
	service   *smkiws.Service
	url       string

	mu     sync.Mutex
	now    time.Time
	signed int
	fail   func() error
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var errInjected = errors.New("injected fault")

func inject() error { return errInjected }

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// failing has every signature fail, until it is called with nil.
func (w *world) failing(f func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = f
}

type tapped struct {
	*ecdsa.PrivateKey
	w *world
}

func (t tapped) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	t.w.mu.Lock()
	fail := t.w.fail
	t.w.signed++
	t.w.mu.Unlock()
	if fail != nil {
		if err := fail(); err != nil {
			return nil, err
		}
	}
	return t.PrivateKey.Sign(random, digest, opts)
}

// register is a register of parties that tests change.
type register struct {
	mu       sync.Mutex
	eligible func(requester string, r *policy.Request) error
}

func (r *register) Eligible(_ context.Context, requester string, req *policy.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.eligible == nil {
		return nil
	}
	return r.eligible(requester, req)
}

func (r *register) set(f func(requester string, r *policy.Request) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.eligible = f
}

func newWorld(t testing.TB, change ...func(*smkiws.Config)) *world {
	t.Helper()
	w := &world{hierarchy: policytest.NewHierarchy(t), address: storetest.Fresh(t), faults: &store.Faults{}, register: &register{}, now: noon}
	var err error
	w.store, err = store.Open(context.Background(), store.Config{URL: w.address, Faults: w.faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.issuer = w.openCA(t)
	w.service = w.open(t, w.config(change...))
	w.url = w.serve(t, w.service)
	return w
}

func (w *world) openCA(t testing.TB) *ca.Issuer {
	t.Helper()
	dca := w.hierarchy.IssuingDCA
	i, err := ca.Open(context.Background(), ca.Config{
		Store: w.store, Environment: w.hierarchy.Environment, Clock: w.clock, Eligibility: w.register,
		LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		Authorities: []ca.Authority{{Name: "issuing-dca", Generation: 1, Certificate: dca.Certificate,
			Signer: func(context.Context) crypto.Signer { return tapped{dca.Key, w} }}},
	})
	require.NoError(t, err)
	return i
}

func (w *world) config(change ...func(*smkiws.Config)) smkiws.Config {
	cfg := smkiws.Config{
		Store: w.store, Issuer: w.issuer, Environment: w.hierarchy.Environment, Build: "1.2.3 <test>", AutoApprove: true,
		Identify: byHeader, IdentifyPortal: byHeader, Clock: w.clock,
	}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

// open opens a service; a second one on the world stands for another process.
func (w *world) open(t testing.TB, cfg smkiws.Config) *smkiws.Service {
	t.Helper()
	s, err := smkiws.New(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (w *world) serve(t testing.TB, s *smkiws.Service) string {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server.URL
}

// byHeader stands for mutual TLS: a request says which Party it is of.
func byHeader(r *http.Request) (smkiws.Client, error) {
	party := r.Header.Get("Party")
	switch party {
	case "":
		return smkiws.Client{}, errors.New("no certificate")
	case "register down":
		return smkiws.Client{}, fmt.Errorf("asking the register: %w", ca.ErrOutage)
	case "network":
		return smkiws.Client{Party: party, Requester: party, Roles: []smkiws.UserRole{"Electricity Distributor"}}, nil
	}
	return smkiws.Client{Party: party, Requester: party + " system", Roles: []smkiws.UserRole{smkiws.ImportSupplier}}, nil
}

// call sends a request of a Party and returns status, headers and body.
func (w *world) call(t testing.TB, method, path, party, contentType string, body []byte) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, w.url+path, bytes.NewReader(body))
	require.NoError(t, err)
	if party != "" {
		r.Header.Set("Party", party)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, b
}

const xmlType = "application/xml;charset=UTF-8"

// exchange calls a web service and requires what holds for each answer: status 200,
// the type, the declaration, and that it is valid under its schema.
func (w *world) exchange(t testing.TB, method, path, party string, body []byte, into any) {
	t.Helper()
	status, headers, answer := w.call(t, method, path, party, xmlType, body)
	require.Equal(t, http.StatusOK, status, "%s", answer)
	require.Equal(t, xmlType, headers.Get("Content-Type"))
	require.True(t, strings.HasPrefix(string(answer), `<?xml version="1.0" encoding="utf-8"?>`))
	valid(t, answer)
	require.NoError(t, xml.Unmarshal(answer, into))
}

type problem struct{ ErrorCode, ErrorText string }

type adHocAnswer struct {
	XMLName       xml.Name `xml:"DeviceCertificateSigningResponse"`
	ID            *string  `xml:"ID,attr"`
	Version       string
	Build         string
	TransactionId int64
	Status        string
	Certificate   string
	Error         problem
}

type submitAnswer struct {
	XMLName     xml.Name `xml:"SubmitCSRBatchStatus"`
	ID          *string  `xml:"ID,attr"`
	BatchStatus string
	BatchId     int64
	Error       problem
}

type resultAnswer struct {
	XMLName           xml.Name `xml:"CSRBatchResult"`
	ID                *string  `xml:"ID,attr"`
	BatchStatus       string
	BatchId           int64
	Error             problem
	DeviceCertificate []struct {
		ID          string `xml:"ID,attr"`
		Status      string
		Certificate string
		Error       problem
	}
}

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F40000000+uint64(n))
	return id
}

// device is a request for a new key of device n.
func device(t testing.TB, n int) []byte {
	return policytest.DeviceRequest(t, policytest.NewKey(t), entity(n), policy.UsageDigitalSignature)
}

func text(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

func adHocDocument(id, csr string) []byte {
	return []byte(`<?xml version="1.0" encoding="utf-8"?><DeviceCertificateSigningRequest ID="` + id + `"><Version>1.0</Version><CertificateSigningRequest>` +
		csr + `</CertificateSigningRequest></DeviceCertificateSigningRequest>`)
}

func batchDocument(id string, csrs ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<SubmitCSRBatch ID="` + id + `"><Version>1.0</Version>`)
	for n, csr := range csrs {
		fmt.Fprintf(&b, `<DeviceCSR ID="d%d">%s</DeviceCSR>`, n+1, csr)
	}
	b.WriteString(`</SubmitCSRBatch>`)
	return []byte(b.String())
}

func (w *world) adHoc(t testing.TB, der []byte) adHocAnswer {
	t.Helper()
	var a adHocAnswer
	w.exchange(t, "POST", smkiws.DefaultAdHocPath, "supplier", adHocDocument("ref-1", text(der)), &a)
	return a
}

func (w *world) submit(t testing.TB, party string, document []byte) submitAnswer {
	t.Helper()
	var a submitAnswer
	w.exchange(t, "POST", smkiws.SubmitPath, party, document, &a)
	return a
}

func (w *world) result(t testing.TB, party string, id int64) resultAnswer {
	t.Helper()
	var a resultAnswer
	w.exchange(t, "GET", fmt.Sprintf("%s?BatchId=%d", smkiws.ResultPath, id), party, nil, &a)
	return a
}

// workAll works until nothing is left.
func workAll(t testing.TB, s *smkiws.Service) {
	t.Helper()
	for {
		did, err := s.Work(t.Context())
		require.NoError(t, err)
		if !did {
			return
		}
	}
}

// issued gives device n a certificate, as if by a batch.
func (w *world) issued(t testing.TB, n int) {
	t.Helper()
	results, err := w.issuer.IssueBatch(t.Context(), []ca.Request{{DER: device(t, n), Requester: "manufacturer"}})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
}

func decode(t testing.TB, certificate string) *policy.Certificate {
	t.Helper()
	der, err := base64.StdEncoding.Strict().DecodeString(certificate)
	require.NoError(t, err)
	c, err := policy.ParseCertificate(der)
	require.NoError(t, err)
	return c
}
