package ra_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A world is a registration authority on a real database, with people in every
// office, in front of a real CA whose keys are in software.
type world struct {
	hierarchy *policytest.Hierarchy
	store     *store.Store
	url       string // of the store
	faults    *store.Faults
	ra        *ra.Registry
	ca        *ca.Issuer
	register  *revocation.Register
	revoked   map[policy.Serial]bool // IKI certificates
	devices   map[policy.EntityID]device
	signed    atomic.Int64

	changed bool // past the registry, which the auditor would find, or the store is closed

	mu  sync.Mutex
	now time.Time
}

type device struct {
	state ra.Provisioning
	party ra.PartyID
	err   error
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

func (w *world) CredentialRevoked(_ context.Context, serial policy.Serial) (bool, error) {
	return w.revoked[serial], nil
}

func (w *world) Provisioning(_ context.Context, id policy.EntityID) (ra.Provisioning, ra.PartyID, error) {
	if d, ok := w.devices[id]; ok {
		return d.state, d.party, d.err
	}
	return ra.Unknown, "", nil
}

// empty is a world without officers. production demands a register.
func empty(t testing.TB, environment string) *world {
	t.Helper()
	w := &world{hierarchy: policytest.NewHierarchyIn(t, environment, policytest.Began), faults: &store.Faults{}, now: noon,
		revoked: make(map[policy.Serial]bool), devices: make(map[policy.EntityID]device)}
	var err error
	w.url = storetest.Fresh(t)
	w.store, err = store.Open(context.Background(), store.Config{URL: w.url, Faults: w.faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.ra = w.open(t, w.hierarchy.Environment, nil)
	h := w.hierarchy
	cfg := ca.Config{Store: w.store, Environment: h.Environment, Clock: w.clock, LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Eligibility: w.ra}
	for name, a := range map[string]policytest.Authority{"issuing-oca": h.IssuingOCA, "issuing-dca": h.IssuingDCA} {
		cfg.Authorities = append(cfg.Authorities, ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate,
			Signer: func(context.Context) crypto.Signer { return counted{w, a.Key} }})
	}
	w.ca, err = ca.Open(context.Background(), cfg)
	require.NoError(t, err)
	w.register, err = revocation.New(revocation.Config{Issuer: w.ca})
	require.NoError(t, err)
	w.ra.Connect(ra.Hands{Issuer: w.ca, Revoker: revoker{w.register}})
	t.Cleanup(func() {
		if !t.Failed() && !w.changed {
			require.NoError(t, w.audited(w.store), "whatever was done, the tables are what the log tells")
		}
	})
	return w
}

// open opens one more register on the world's store; it stands for another process.
func (w *world) open(t testing.TB, env *policy.Environment, table *ra.Table) *ra.Registry {
	t.Helper()
	r, err := ra.Open(context.Background(), ra.Config{Store: w.store, Environment: env, Table: table, Credentials: w, Devices: w, Clock: w.clock})
	require.NoError(t, err)
	return r
}

// node opens one more register on a store of its own: another process, which on
// PostgreSQL may be on another machine.
func (w *world) node(t testing.TB) *ra.Registry {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{URL: w.url})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	r, err := ra.Open(context.Background(), ra.Config{Store: s, Environment: w.hierarchy.Environment, Credentials: w, Devices: w, Clock: w.clock})
	require.NoError(t, err)
	return r
}

// counted counts the signatures of the CA keys.
type counted struct {
	w   *world
	key *ecdsa.PrivateKey
}

func (s counted) Public() crypto.PublicKey { return s.key.Public() }

func (s counted) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.w.signed.Add(1)
	return s.key.Sign(random, digest, opts)
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

// certificate makes an IKI certificate; its issuer is nobody's concern here.
func certificate(t testing.TB, cn string) []byte {
	return certificateWith(t, cn, policytest.NewSerial(t))
}

func certificateWith(t testing.TB, cn string, serial policy.Serial) []byte {
	t.Helper()
	key := policytest.NewKey(t)
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial[:]), Subject: pkix.Name{CommonName: cn, Organization: []string{"IKI"}},
		NotBefore: policytest.Began, NotAfter: noon.AddDate(2, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return der
}

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F30000000+uint64(n))
	return id
}

// The people. manager-1 and manager-2 found the authority; the rest is appointed.
const (
	manager1   ra.OfficerID = "manager-1"
	manager2   ra.OfficerID = "manager-2"
	personnel1 ra.OfficerID = "personnel-1"
	personnel2 ra.OfficerID = "personnel-2"
	personnel3 ra.OfficerID = "personnel-3"
	sroA       ra.OfficerID = "sro-a"
	aroA       ra.OfficerID = "aro-a"
	systemA    ra.OfficerID = "system-a"
)

// holders is one officer in each role.
var holders = map[ra.Role]ra.OfficerID{
	ra.SRO: sroA, ra.ARO: aroA, ra.System: systemA, ra.RAManager: manager1, ra.RAPersonnel: personnel1,
	ra.Auditor: "auditor-1", ra.Operator: "operator-1", ra.Custodian: "custodian-1",
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := empty(t, "production")
	ctx := context.Background()
	require.NoError(t, w.ra.Found(ctx, "installer", []ra.Founder{founder(t, manager1), founder(t, manager2)}))
	for _, id := range []ra.OfficerID{personnel1, personnel2, personnel3} {
		w.done(t, manager1, appoint(id, "", ra.RAPersonnel), manager2)
	}
	for _, role := range []ra.Role{ra.Auditor, ra.Operator, ra.Custodian} {
		w.done(t, manager1, appoint(holders[role], "", role), manager2)
	}
	w.party(t, "supplier-a", policy.RoleSupplier)
	w.done(t, personnel1, ra.AssignIdentifiers{Party: "supplier-a", Range: ra.Range{First: entity(0), Last: entity(99)}, Application: "form 2"}, personnel2)
	w.done(t, personnel1, appoint(sroA, "supplier-a", ra.SRO), personnel2)
	w.done(t, sroA, appoint(aroA, "supplier-a", ra.ARO), personnel1, personnel2)
	w.done(t, aroA, appoint(systemA, "supplier-a", ra.System), personnel2)
	return w
}

func founder(t testing.TB, id ra.OfficerID) ra.Founder {
	return ra.Founder{Officer: id, Person: person(id), Name: "Founder " + string(id), Screened: "2026-01-31", Nomination: "form 0", Certificate: certificate(t, string(id))}
}

func person(id ra.OfficerID) ra.PersonID { return ra.PersonID("person-of-" + id) }

func appoint(id ra.OfficerID, party ra.PartyID, role ra.Role) ra.Appoint {
	d := ra.Appoint{Officer: id, Party: party, Role: role, Person: person(id), Name: "Name of " + string(id)}
	if role != ra.System {
		d.Screened, d.Nomination = "2026-01-31", "form 1"
	}
	return d
}

// party enrols a party that is a subscriber for everything.
func (w *world) party(t testing.TB, id ra.PartyID, roles ...policy.RemotePartyRole) {
	t.Helper()
	w.done(t, personnel1, ra.EnrolParty{Party: id, Name: "Party " + string(id), Category: ra.LargeSupplier, Roles: roles,
		Subscriber: ra.Subscriber{Device: true, Organisation: true}, Application: "form 1"}, personnel2)
}

// agreed has a deed proposed and agreed to by others.
func (w *world) agreed(t testing.TB, by ra.OfficerID, d ra.Deed, voters ...ra.OfficerID) *ra.Approval {
	t.Helper()
	a, err := w.ra.Propose(t.Context(), by, d)
	require.NoError(t, err)
	for _, voter := range voters {
		a, err = w.ra.Vote(t.Context(), voter, a.ID, a.Hash, true, "")
		require.NoError(t, err)
	}
	require.Equal(t, ra.Approved, a.State)
	return a
}

// done has a deed proposed, agreed to and executed.
func (w *world) done(t testing.TB, by ra.OfficerID, d ra.Deed, voters ...ra.OfficerID) *ra.Approval {
	t.Helper()
	a := w.agreed(t, by, d, voters...)
	a, err := w.ra.Execute(t.Context(), by, a.ID)
	require.NoError(t, err)
	require.Equal(t, ra.Executed, a.State)
	return a
}

// csr is a request of supplier-a for a new key.
func csr(t testing.TB, n int) []byte {
	return policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageDigitalSignature)
}

// asked makes a request whose identity checks have passed.
func (w *world) asked(t testing.TB, n int) *ra.Request {
	t.Helper()
	q, err := w.ra.AskCertificate(t.Context(), aroA, "supplier-a", csr(t, n))
	require.NoError(t, err)
	for _, check := range w.ra.Table().Checks {
		require.NoError(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, check.Kind, true, "file 7"))
	}
	return q
}

// issued makes a certificate of supplier-a and returns its serial number.
func (w *world) issued(t testing.TB, n int) policy.Serial {
	t.Helper()
	q := w.asked(t, n)
	a := w.done(t, personnel1, ra.IssueCertificate{Request: q.ID}, personnel2)
	serial, err := policy.ParseSerial(a.Result)
	require.NoError(t, err)
	return serial
}

// revocation makes an authenticated revocation request of a new certificate.
func (w *world) authenticated(t testing.TB, n int) *ra.RevocationRequest {
	t.Helper()
	q, err := w.ra.AskRevocation(t.Context(), aroA, []policy.Serial{w.issued(t, n)}, policy.ReasonKeyCompromise, "a tape is missing")
	require.NoError(t, err)
	require.NoError(t, w.ra.AuthenticateRevocation(t.Context(), personnel1, q.ID, "called back on the number in the register"))
	return q
}

// records counts the records of the audit log, which must be whole.
func (w *world) records(t testing.TB) int64 {
	t.Helper()
	v, err := w.ca.Log().Verify(context.Background())
	require.NoError(t, err)
	return v.Size
}

// refused asserts that err is a refusal by a rule.
func refused(t testing.TB, err error, rule string) {
	t.Helper()
	require.ErrorIs(t, err, ca.ErrRefused)
	var refusal *ca.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, rule, refusal.Rule, err.Error())
}

func sum(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

var errInjected = errors.New("injected fault")
