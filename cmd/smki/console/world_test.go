package console_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"html"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/cmd/smki/console"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A world is a registration authority on a real database with somebody in every
// office, in front of a real CA whose keys are in software, and its console.
type world struct {
	ra      *ra.Registry
	ca      *ca.Issuer
	console *console.Console
	handler http.Handler
	iki     *x509.Certificate
	ikiKey  *ecdsa.PrivateKey
	batches waiting

	mu    sync.Mutex
	now   time.Time
	known map[ra.OfficerID]*tls.Certificate
}

// waiting are batches whose release nobody has proposed.
type waiting struct{ all []ra.ReleaseBatch }

func (b *waiting) Unreleased(_ context.Context, party ra.PartyID) ([]ra.ReleaseBatch, error) {
	var out []ra.ReleaseBatch
	for _, one := range b.all {
		if party == "" || one.Party == party {
			out = append(out, one)
		}
	}
	return out, nil
}

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

const (
	manager1   ra.OfficerID = "manager-1"
	manager2   ra.OfficerID = "manager-2"
	personnel1 ra.OfficerID = "personnel-1"
	personnel2 ra.OfficerID = "personnel-2"
	sroA       ra.OfficerID = "sro-a"
	aroA       ra.OfficerID = "aro-a"
	aroB       ra.OfficerID = "aro-b"
	systemA    ra.OfficerID = "system-a"
)

// holders is one officer in each role.
var holders = map[ra.Role]ra.OfficerID{
	ra.SRO: sroA, ra.ARO: aroA, ra.System: systemA, ra.RAManager: manager1, ra.RAPersonnel: personnel1,
	ra.Auditor: "auditor-1", ra.Operator: "operator-1", ra.Custodian: "custodian-1",
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	h := policytest.NewHierarchyIn(t, "exercise", policytest.Began)
	w := &world{now: noon, known: make(map[ra.OfficerID]*tls.Certificate)}
	db, err := store.Open(ctx, store.Config{URL: filepath.Join(t.TempDir(), "ca.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	w.ra, err = ra.Open(ctx, ra.Config{Store: db, Environment: h.Environment, Clock: w.clock})
	require.NoError(t, err)
	cfg := ca.Config{Store: db, Environment: h.Environment, Clock: w.clock, LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Eligibility: w.ra}
	for name, a := range map[string]policytest.Authority{"issuing-oca": h.IssuingOCA, "issuing-dca": h.IssuingDCA} {
		cfg.Authorities = append(cfg.Authorities, ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate,
			Signer: func(context.Context) crypto.Signer { return a.Key }})
	}
	w.ca, err = ca.Open(ctx, cfg)
	require.NoError(t, err)
	register, err := revocation.New(revocation.Config{Issuer: w.ca})
	require.NoError(t, err)
	w.ra.Connect(ra.Hands{Issuer: w.ca, Revoker: revoker{register}})
	w.newIKI(t)

	var founders []ra.Founder
	for _, id := range []ra.OfficerID{manager1, manager2} {
		founders = append(founders, ra.Founder{Officer: id, Person: person(id), Name: "Founder " + string(id), Screened: "2026-01-31", Nomination: "form 0", Certificate: w.certificate(t, id)})
	}
	require.NoError(t, w.ra.Found(ctx, "installer", founders))
	for _, id := range []ra.OfficerID{personnel1, personnel2} {
		w.appoint(t, manager1, id, "", ra.RAPersonnel, manager2)
	}
	for _, role := range []ra.Role{ra.Auditor, ra.Operator, ra.Custodian} {
		w.appoint(t, manager1, holders[role], "", role, manager2)
	}
	for n, party := range []ra.PartyID{"supplier-a", "supplier-b"} {
		w.done(t, personnel1, ra.EnrolParty{Party: party, Name: "Party " + string(party), Category: ra.LargeSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier},
			Subscriber: ra.Subscriber{Device: true, Organisation: true}, Application: "form 1"}, personnel2)
		w.done(t, personnel1, ra.AssignIdentifiers{Party: party, Range: ra.Range{First: entity(100 * n), Last: entity(100*n + 99)}, Application: "form 2"}, personnel2)
	}
	w.appoint(t, personnel1, sroA, "supplier-a", ra.SRO, personnel2)
	w.appoint(t, sroA, aroA, "supplier-a", ra.ARO, personnel1, personnel2)
	w.appoint(t, aroA, systemA, "supplier-a", ra.System, personnel2)
	w.appoint(t, personnel1, "sro-b", "supplier-b", ra.SRO, personnel2)
	w.appoint(t, "sro-b", aroB, "supplier-b", ra.ARO, personnel1, personnel2)

	w.console, err = console.New(console.Config{Registry: w.ra, Environment: h.Environment, Officer: console.ByCertificate(w.ra), Certificates: w.ca, Batches: &w.batches, Clock: w.clock})
	require.NoError(t, err)
	w.handler = w.console.Handler()
	return w
}

// revoker is the register of revocations as ra wants it.
type revoker struct{ register *revocation.Register }

func (r revoker) Revoke(ctx context.Context, o ra.Order) error {
	var all []revocation.Revoke
	for _, serial := range o.Serials {
		all = append(all, revocation.Revoke{Serial: serial, Reason: o.Reason, By: o.By})
	}
	_, err := r.register.RevokeAll(ctx, all)
	return err
}

func (r revoker) Revoked(ctx context.Context, serial policy.Serial) (bool, error) {
	_, err := r.register.Find(ctx, serial)
	if errors.Is(err, ca.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (w *world) newIKI(t testing.TB) {
	t.Helper()
	w.ikiKey = policytest.NewKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "EXERCISE IKI"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: policytest.Began, NotAfter: noon.AddDate(9, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, w.ikiKey.Public(), w.ikiKey)
	require.NoError(t, err)
	w.iki, err = x509.ParseCertificate(der)
	require.NoError(t, err)
}

// certificate makes an IKI certificate for an officer and remembers its key.
func (w *world) certificate(t testing.TB, id ra.OfficerID) []byte {
	t.Helper()
	key, serial := policytest.NewKey(t), policytest.NewSerial(t)
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial[:]), Subject: pkix.Name{CommonName: string(id), Organization: []string{"IKI"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotBefore: policytest.Began, NotAfter: noon.AddDate(2, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, w.iki, key.Public(), w.ikiKey)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	w.known[id] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return der
}

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F30000000+uint64(n))
	return id
}

func person(id ra.OfficerID) ra.PersonID { return ra.PersonID("person-of-" + id) }

func appointment(id ra.OfficerID, party ra.PartyID, role ra.Role) ra.Appoint {
	d := ra.Appoint{Officer: id, Party: party, Role: role, Person: person(id), Name: "Name of " + string(id)}
	if role != ra.System {
		d.Screened, d.Nomination = "2026-01-31", "form 1"
	}
	return d
}

// appoint enrols an officer with a certificate.
func (w *world) appoint(t testing.TB, by, id ra.OfficerID, party ra.PartyID, role ra.Role, voters ...ra.OfficerID) {
	t.Helper()
	w.done(t, by, appointment(id, party, role), voters...)
	w.done(t, manager1, ra.AddCredential{Officer: id, Certificate: w.certificate(t, id)}, manager2)
}

// done has a deed proposed, agreed to and executed, without the console.
func (w *world) done(t testing.TB, by ra.OfficerID, d ra.Deed, voters ...ra.OfficerID) *ra.Approval {
	t.Helper()
	a, err := w.ra.Propose(context.Background(), by, d)
	require.NoError(t, err)
	for _, voter := range voters {
		a, err = w.ra.Vote(context.Background(), voter, a.ID, a.Hash, true, "")
		require.NoError(t, err)
	}
	a, err = w.ra.Execute(context.Background(), by, a.ID)
	require.NoError(t, err)
	return a
}

func csr(t testing.TB, n int) []byte {
	return policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageDigitalSignature)
}

func csrPEM(t testing.TB, n int) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr(t, n)}))
}

// asked makes a request, with its identity checks if they are wanted.
func (w *world) asked(t testing.TB, n int, checks bool) *ra.Request {
	t.Helper()
	q, err := w.ra.AskCertificate(t.Context(), aroA, "supplier-a", csr(t, n))
	require.NoError(t, err)
	for _, check := range w.ra.Table().Checks {
		if checks {
			require.NoError(t, w.ra.RecordCheck(t.Context(), personnel2, q.ID, check.Kind, true, "file 7"))
		}
	}
	return q
}

// issued makes a certificate of supplier-a.
func (w *world) issued(t testing.TB, n int) policy.Serial {
	t.Helper()
	a := w.done(t, personnel1, ra.IssueCertificate{Request: w.asked(t, n, true).ID}, personnel2)
	serial, err := policy.ParseSerial(a.Result)
	require.NoError(t, err)
	return serial
}

// revocation makes a revocation request of a new certificate in a state.
func (w *world) revocation(t testing.TB, n int, state ra.RevocationState) *ra.RevocationRequest {
	t.Helper()
	q, err := w.ra.AskRevocation(t.Context(), aroA, []policy.Serial{w.issued(t, n)}, policy.ReasonKeyCompromise, "a tape is missing")
	require.NoError(t, err)
	if state != ra.Requested {
		require.NoError(t, w.ra.AuthenticateRevocation(t.Context(), personnel1, q.ID, "called back"))
	}
	if state == ra.Deferred {
		w.done(t, manager1, ra.DeferRevocation{Request: q.ID, Until: noon.AddDate(0, 0, 10).Format(time.RFC3339), Why: "meters first", Decision: "PMA 7"}, personnel2)
	}
	return q
}

// pending has a deed proposed and not agreed to.
func (w *world) pending(t testing.TB, by ra.OfficerID, d ra.Deed) *ra.Approval {
	t.Helper()
	a, err := w.ra.Propose(t.Context(), by, d)
	require.NoError(t, err)
	return a
}

func (w *world) records(t testing.TB) int64 {
	t.Helper()
	v, err := w.ca.Log().Verify(context.Background())
	require.NoError(t, err)
	return v.Size
}

// request makes a request of an officer as it arrives over mutual TLS.
func (w *world) request(by ra.OfficerID, method, target string, body url.Values) *http.Request {
	r := httptest.NewRequest(method, "https://ra.test"+target, strings.NewReader(body.Encode()))
	r.TLS = nil
	if cert, ok := w.known[by]; ok {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}, VerifiedChains: [][]*x509.Certificate{{cert.Leaf, w.iki}}}
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://ra.test")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func (w *world) answer(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *world) get(by ra.OfficerID, target string) *httptest.ResponseRecorder {
	return w.answer(w.request(by, http.MethodGet, target, nil))
}

// post sends a form as a page of the officer's would.
func (w *world) post(by ra.OfficerID, target string, values url.Values) *httptest.ResponseRecorder {
	if values == nil {
		values = url.Values{}
	}
	if cert, ok := w.known[by]; ok && !values.Has("token") {
		values.Set("token", w.console.Token(cert.Certificate[0], by))
	}
	if !values.Has("once") {
		values.Set("once", rand.Text())
	}
	return w.answer(w.request(by, http.MethodPost, target, values))
}

// says is what a page says on top, for a failing test.
func says(rec *httptest.ResponseRecorder) string { return saidPattern.FindString(rec.Body.String()) }

// A sheet is one form as a page offers it.
type sheet struct {
	act, to string
	fields  url.Values // as they stand in the page
	names   []string
}

var (
	formPattern   = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)" data-act="([^"]*)"(.*?)</form>`)
	inputPattern  = regexp.MustCompile(`<input type="(hidden|text|date|checkbox)"[^>]*>`)
	namePattern   = regexp.MustCompile(` name="([^"]*)"`)
	valuePattern  = regexp.MustCompile(` value="([^"]*)"`)
	areaPattern   = regexp.MustCompile(`<textarea[^>]* name="([^"]*)"`)
	selectPattern = regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)".*?</select>`)
	chosenPattern = regexp.MustCompile(`<option value="([^"]*)" selected>`)
	saidPattern   = regexp.MustCompile(`(?s)<main.*?</h1>`)
)

// sheets reads the forms of a page.
func sheets(body string) []sheet {
	var out []sheet
	for _, m := range formPattern.FindAllStringSubmatch(body, -1) {
		s := sheet{to: m[1], act: m[2], fields: url.Values{}}
		for _, in := range inputPattern.FindAllString(m[3], -1) {
			name := namePattern.FindStringSubmatch(in)[1]
			s.names = append(s.names, name)
			if strings.Contains(in, `type="checkbox"`) && !strings.Contains(in, " checked") {
				continue
			}
			s.fields.Add(name, html.UnescapeString(valuePattern.FindStringSubmatch(in)[1]))
		}
		for _, in := range areaPattern.FindAllStringSubmatch(m[3], -1) {
			s.names = append(s.names, in[1])
		}
		for _, in := range selectPattern.FindAllStringSubmatch(m[3], -1) {
			s.names = append(s.names, in[1])
			if chosen := chosenPattern.FindStringSubmatch(in[0]); chosen != nil {
				s.fields.Set(in[1], chosen[1])
			}
		}
		out = append(out, s)
	}
	return out
}

// fill opens a page, fills the form of an act and sends it, as a person does.
func (w *world) fill(t testing.TB, by ra.OfficerID, page, act string, values url.Values) *httptest.ResponseRecorder {
	t.Helper()
	rec := w.get(by, page)
	require.Equal(t, http.StatusOK, rec.Code, says(rec))
	for _, s := range sheets(rec.Body.String()) {
		if s.act != act {
			continue
		}
		for name, v := range values {
			if name != "answer" {
				require.Contains(t, s.names, name)
			}
			s.fields[name] = v
		}
		return w.answer(w.request(by, http.MethodPost, s.to, s.fields))
	}
	require.Failf(t, "no form", "%s finds no form for %s on %s", by, act, page)
	return nil
}

// sent fills a form and follows where it leads; the answer must be a page.
func (w *world) sent(t testing.TB, by ra.OfficerID, page, act string, values url.Values) (location, body string) {
	t.Helper()
	rec := w.fill(t, by, page, act, values)
	require.Equal(t, http.StatusSeeOther, rec.Code, says(rec))
	location = rec.Header().Get("Location")
	next := w.get(by, location)
	require.Equal(t, http.StatusOK, next.Code, says(next))
	path, _, _ := strings.Cut(location, "?")
	return path, next.Body.String()
}
