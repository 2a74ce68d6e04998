package ra_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
)

func TestFounding(t *testing.T) {
	t.Parallel()
	w := empty(t, "production")
	one, two := founder(t, manager1), founder(t, manager2)
	twice := two
	twice.Person = one.Person
	unscreened := two
	unscreened.Screened = ""
	shared := two
	shared.Certificate = one.Certificate
	refused(t, w.ra.Found(t.Context(), "installer", []ra.Founder{one}), "founders")
	refused(t, w.ra.Found(t.Context(), "installer", []ra.Founder{one, shared}), "credential")
	refused(t, w.ra.Found(t.Context(), "installer", []ra.Founder{one, twice}), "person")
	refused(t, w.ra.Found(t.Context(), "installer", []ra.Founder{one, unscreened}), "screening")
	require.Zero(t, w.records(t), "a refusal leaves nothing")
	require.NoError(t, w.ra.Found(t.Context(), "installer", []ra.Founder{one, two}))
	require.ErrorIs(t, w.ra.Found(t.Context(), "installer", []ra.Founder{founder(t, "a"), founder(t, "b")}), ca.ErrConflict)
	o, err := w.ra.Authenticate(t.Context(), one.Certificate)
	require.NoError(t, err)
	require.Equal(t, manager1, o.ID)
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	der := certificate(t, "aro")
	a := w.done(t, personnel1, ra.AddCredential{Officer: aroA, Certificate: der}, personnel2)
	serial := a.Deed.(ra.AddCredential).Serial
	o, err := w.ra.Authenticate(t.Context(), der)
	require.NoError(t, err)
	require.Equal(t, aroA, o.ID)
	require.Equal(t, ra.PartyID("supplier-a"), o.Party)
	o, err = w.ra.AuthenticateSerial(t.Context(), serial)
	require.NoError(t, err)
	require.Equal(t, aroA, o.ID)

	_, err = w.ra.Authenticate(t.Context(), certificate(t, "aro"))
	refused(t, err, "credential")
	_, err = w.ra.Authenticate(t.Context(), certificateWith(t, "aro", serial))
	refused(t, err, "credential") // of the same serial number, and another certificate
	_, err = w.ra.Authenticate(t.Context(), []byte("no certificate"))
	refused(t, err, "credential")
	_, err = w.ra.Propose(t.Context(), personnel1, ra.AddCredential{Officer: systemA, Certificate: der})
	refused(t, err, "credential")

	w.revoked[serial] = true
	_, err = w.ra.Authenticate(t.Context(), der)
	refused(t, err, "credential-revoked")
	w.revoked[serial] = false

	for says, tt := range map[string]struct {
		ends func(t *testing.T, w *world, der []byte)
		rule string
	}{
		"the credential was withdrawn": {func(t *testing.T, w *world, _ []byte) {
			has, err := w.ra.Credentials(t.Context(), aroA)
			require.NoError(t, err)
			_, err = w.ra.Do(t.Context(), sroA, ra.WithdrawCredential{Serial: has[0].Serial, Why: "lost"})
			require.NoError(t, err)
		}, "credential-withdrawn"},
		"the officer was withdrawn": {func(t *testing.T, w *world, _ []byte) {
			_, err := w.ra.Do(t.Context(), sroA, ra.WithdrawOfficer{Officer: aroA, Party: "supplier-a", Why: "left"})
			require.NoError(t, err)
		}, "officer-withdrawn"},
		"the party was withdrawn": {func(t *testing.T, w *world, _ []byte) {
			w.done(t, personnel1, ra.WithdrawParty{Party: "supplier-a", Why: "expelled"}, personnel2)
		}, "party-withdrawn"},
		"the certificate has expired": {func(_ *testing.T, w *world, _ []byte) { w.pass(3 * 366 * 24 * time.Hour) }, "credential-expired"},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			der := certificate(t, "aro")
			a := w.done(t, personnel1, ra.AddCredential{Officer: aroA, Certificate: der}, personnel2)
			_, err := w.ra.Authenticate(t.Context(), der)
			require.NoError(t, err)
			tt.ends(t, w, der)
			_, err = w.ra.Authenticate(t.Context(), der)
			refused(t, err, tt.rule)
			_, err = w.ra.AuthenticateSerial(t.Context(), a.Deed.(ra.AddCredential).Serial)
			refused(t, err, tt.rule)
		})
	}
}

// broken is an IKI authority that does not answer.
type broken struct{}

func (broken) CredentialRevoked(context.Context, policy.Serial) (bool, error) {
	return false, errInjected
}

func TestAuthenticateWithoutAnswer(t *testing.T) {
	t.Parallel()
	w := empty(t, "production")
	one := founder(t, manager1)
	require.NoError(t, w.ra.Found(t.Context(), "installer", []ra.Founder{one, founder(t, manager2)}))
	r, err := ra.Open(t.Context(), ra.Config{Store: w.store, Environment: w.hierarchy.Environment, Clock: w.clock, Credentials: broken{}})
	require.NoError(t, err)
	_, err = r.Authenticate(t.Context(), one.Certificate)
	require.ErrorIs(t, err, ca.ErrOutage)
	require.ErrorIs(t, err, errInjected)
	require.NotErrorIs(t, err, ca.ErrRefused)
}

func TestOfficersRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := func(d ra.Appoint, change func(*ra.Appoint)) ra.Appoint { change(&d); return d }
	manager := appoint("new", "", ra.RAManager)
	for _, tt := range []struct {
		says string
		by   ra.OfficerID
		d    ra.Deed
		rule string
	}{
		{"no screening", manager1, with(manager, func(d *ra.Appoint) { d.Screened = "" }), "screening"},
		{"a screening to come", manager1, with(manager, func(d *ra.Appoint) { d.Screened = "2026-11-25" }), "screening"},
		{"a screening on no day", manager1, with(manager, func(d *ra.Appoint) { d.Screened = "2026-02-30" }), "screening"},
		{"no form", manager1, with(manager, func(d *ra.Appoint) { d.Nomination = "" }), "text"},
		{"a manager of a party", manager1, with(manager, func(d *ra.Appoint) { d.Party = "supplier-a" }), "role"},
		{"an SRO of nobody", personnel1, appoint("new", "", ra.SRO), "role"},
		{"a role that is none", manager1, with(manager, func(d *ra.Appoint) { d.Role = "king" }), "role"},
		{"a name that is none", manager1, with(manager, func(d *ra.Appoint) { d.Officer = "Müller" }), "identifier"},
		{"a name that reads backwards", manager1, with(manager, func(d *ra.Appoint) { d.Name = "a\u202eb" }), "text"},
		{"an auditor who manages", manager1, with(manager, func(d *ra.Appoint) { d.Person = person("auditor-1") }), "incompatible"},
		{"a manager who audits", manager1, with(appoint("new", "", ra.Auditor), func(d *ra.Appoint) { d.Person = person(manager1) }), "incompatible"},
		{"an operator who registers", manager1, with(appoint("new", "", ra.Operator), func(d *ra.Appoint) { d.Person = person(personnel1) }), "incompatible"},
		{"the same office twice", manager1, with(manager, func(d *ra.Appoint) { d.Person = person(manager2) }), "person"},
		{"a person who is a system", sroA, with(appoint("new", "supplier-a", ra.ARO), func(d *ra.Appoint) { d.Person = person(systemA) }), "person"},
		{"the second last manager", manager1, ra.WithdrawOfficer{Officer: manager2, Why: "coup"}, "last-managers"},
		{"no manager of the party", manager1, ra.WithdrawOfficer{Officer: personnel1, Party: "supplier-a", Why: "by the other row of the table"}, "scope"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			_, err := w.ra.Propose(t.Context(), tt.by, tt.d)
			refused(t, err, tt.rule)
		})
	}
	_, err := w.ra.Propose(t.Context(), manager1, with(manager, func(d *ra.Appoint) { d.Officer = manager2 }))
	require.ErrorIs(t, err, ca.ErrConflict)
	_, err = w.ra.Propose(t.Context(), sroA, appoint("new", "supplier-x", ra.ARO))
	require.ErrorIs(t, err, ca.ErrNotFound)

	// With a third manager one may go, and the one who goes has no say in it.
	w.done(t, manager1, appoint("manager-3", "", ra.RAManager), manager2)
	a, err := w.ra.Propose(t.Context(), manager1, ra.WithdrawOfficer{Officer: manager2, Why: "retired"})
	require.NoError(t, err)
	_, err = w.ra.Vote(t.Context(), manager2, a.ID, a.Hash, false, "I stay")
	refused(t, err, "own")
	_, err = w.ra.Vote(t.Context(), "manager-3", a.ID, a.Hash, true, "")
	require.NoError(t, err)
	_, err = w.ra.Execute(t.Context(), "manager-3", a.ID)
	require.NoError(t, err)
	_, err = w.ra.Propose(t.Context(), manager2, enrol(1))
	refused(t, err, "officer-withdrawn")
	o, err := w.ra.Officer(t.Context(), manager2)
	require.NoError(t, err)
	require.Equal(t, ra.Withdrawn, o.State)
	require.Equal(t, "retired", o.Cause)
}

func TestPartiesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := enrol(1)
	with := func(change func(*ra.EnrolParty)) ra.EnrolParty { d := good; change(&d); return d }
	for _, tt := range []struct {
		says string
		d    ra.Deed
		rule string
	}{
		{"a name of nothing", with(func(d *ra.EnrolParty) { d.Name = "" }), "text"},
		{"a name too long to look at", with(func(d *ra.EnrolParty) { d.Name = strings.Repeat("x", 121) }), "text"},
		{"a name with a blank at its end", with(func(d *ra.EnrolParty) { d.Name = "A " }), "text"},
		{"a name of no text", with(func(d *ra.EnrolParty) { d.Name = "\xff" }), "text"},
		{"a name of two lines", with(func(d *ra.EnrolParty) { d.Name = "A\nEnrol B" }), "text"},
		{"a name with what cannot be seen", with(func(d *ra.EnrolParty) { d.Name = "A\u200bB" }), "text"},
		{"an identifier with a slash", with(func(d *ra.EnrolParty) { d.Party = "a/b" }), "identifier"},
		{"no papers", with(func(d *ra.EnrolParty) { d.Application = "" }), "text"},
		{"no category", with(func(d *ra.EnrolParty) { d.Category = "huge" }), "category"},
		{"the role of the root", with(func(d *ra.EnrolParty) { d.Roles = []policy.RemotePartyRole{policy.RoleRoot} }), "role"},
		{"a role twice", with(func(d *ra.EnrolParty) {
			d.Roles = []policy.RemotePartyRole{policy.RoleSupplier, policy.RoleSupplier}
		}), "role"},
		{"a range from end to beginning", ra.AssignIdentifiers{Party: "supplier-a", Range: ra.Range{First: entity(600), Last: entity(599)}, Application: "f"}, "range"},
		{"the identifier of nobody", ra.AssignIdentifiers{Party: "supplier-a", Range: ra.One(policy.EntityID{}), Application: "f"}, "range"},
		{"half a range", ra.ReleaseIdentifiers{Party: "supplier-a", Range: ra.Range{First: entity(0), Last: entity(50)}, Why: "half"}, "identifiers"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			_, err := w.ra.Propose(t.Context(), personnel1, tt.d)
			refused(t, err, tt.rule)
		})
	}
	w.done(t, personnel1, good, personnel2)
	_, err := w.ra.Propose(t.Context(), personnel1, good)
	require.ErrorIs(t, err, ca.ErrConflict)
	w.done(t, personnel1, ra.ChangeParty{Party: good.Party, Name: "New name", Category: ra.SmallSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Application: "form 9"}, personnel2)
	p, err := w.ra.Party(t.Context(), good.Party)
	require.NoError(t, err)
	require.Equal(t, "New name", p.Name)
	require.EqualValues(t, 2, p.Revision)
	all, err := w.ra.Parties(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
}

// However ranges are assigned and released, no two parties own one identifier, and
// the owner that is found is the one who got it.
func TestOneOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.party(t, "b", policy.RoleSupplier)
	const span = 24
	base := 100000
	rapid.Check(t, func(t *rapid.T) {
		base += span                       // identifiers that nobody has had
		owners := make([]ra.PartyID, span) // the model
		ranges := make(map[ra.Range]ra.PartyID)
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			first := rapid.IntRange(0, span-1).Draw(t, "first")
			last := rapid.IntRange(first, min(span-1, first+6)).Draw(t, "last")
			g := ra.Range{First: entity(base + first), Last: entity(base + last)}
			party := rapid.SampledFrom([]ra.PartyID{"supplier-a", "b"}).Draw(t, "party")
			var d ra.Deed = ra.AssignIdentifiers{Party: party, Range: g, Application: "f"}
			possible, owner := true, party
			for n := first; n <= last; n++ {
				possible = possible && owners[n] == ""
			}
			if rapid.Bool().Draw(t, "release") {
				d, possible, owner = ra.ReleaseIdentifiers{Party: party, Range: g, Why: "sold"}, ranges[g] == party, ""
			}
			ctx := context.Background()
			a, err := w.ra.Propose(ctx, personnel1, d)
			require.Equal(t, possible, err == nil, "%v", err)
			if err == nil {
				_, err = w.ra.Vote(ctx, personnel2, a.ID, a.Hash, true, "")
				require.NoError(t, err)
				_, err = w.ra.Execute(ctx, personnel2, a.ID)
				require.NoError(t, err)
				ranges[g] = owner
				for n := first; n <= last; n++ {
					owners[n] = owner
				}
			}
			for n, want := range owners {
				got, err := w.ra.Owner(ctx, entity(base+n))
				if want == "" {
					require.ErrorIs(t, err, ca.ErrNotFound)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, want, got.Party)
				require.Equal(t, want, ranges[got.Range])
			}
		}
	})
}

func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.party(t, "network", policy.RoleNetworkOperator)
	der := csr(t, 5)
	q, err := w.ra.AskCertificate(t.Context(), aroA, "supplier-a", der)
	require.NoError(t, err)
	_, err = w.ra.AskCertificate(t.Context(), aroA, "supplier-a", der)
	require.ErrorIs(t, err, ca.ErrConflict)
	_, err = w.ra.AskCertificate(t.Context(), aroA, "supplier-a", csr(t, 100))
	refused(t, err, "identifiers")
	broken := append([]byte(nil), csr(t, 6)...)
	broken[len(broken)-1] ^= 1
	_, err = w.ra.AskCertificate(t.Context(), aroA, "supplier-a", broken)
	refused(t, err, "request-form")
	w.done(t, personnel1, ra.ChangeParty{Party: "supplier-a", Name: "A", Category: ra.GasNetwork, Roles: []policy.RemotePartyRole{policy.RoleNetworkOperator}, Subscriber: ra.Subscriber{Organisation: true}, Application: "f"}, personnel2)
	_, err = w.ra.AskCertificate(t.Context(), aroA, "supplier-a", csr(t, 7))
	refused(t, err, "role")
	w.done(t, personnel1, ra.ChangeParty{Party: "supplier-a", Name: "A", Category: ra.LargeSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Subscriber: ra.Subscriber{Device: true}, Application: "f"}, personnel2)
	_, err = w.ra.AskCertificate(t.Context(), aroA, "supplier-a", csr(t, 7))
	refused(t, err, "subscriber")
	w.done(t, personnel1, ra.ChangeParty{Party: "supplier-a", Name: "A", Category: ra.LargeSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Subscriber: ra.Subscriber{Organisation: true}, Application: "f"}, personnel2)

	// Every check must have passed, and the newest counts.
	issue := ra.IssueCertificate{Request: q.ID}
	checks := w.ra.Table().Checks
	for n, check := range checks {
		_, err = w.ra.Propose(t.Context(), personnel1, issue)
		refused(t, err, "identity-checks")
		q, err = w.ra.Request(t.Context(), q.ID)
		require.NoError(t, err)
		require.Len(t, w.ra.Missing(q), len(checks)-n)
		require.NoError(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, check.Kind, true, "file"))
	}
	require.NoError(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, "officer", false, "no answer"))
	_, err = w.ra.Propose(t.Context(), personnel1, issue)
	refused(t, err, "identity-checks")
	require.NoError(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, "officer", true, "answered"))
	refused(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, "horoscope", true, "good"), "check")
	refused(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, "officer", true, ""), "text")

	a := w.done(t, personnel1, issue, personnel2)
	open, _, err := w.ra.Requests(t.Context(), ra.Asked, "", ra.Page{})
	require.NoError(t, err)
	require.Empty(t, open)
	issued, _, err := w.ra.Requests(t.Context(), ra.Issued, "supplier-a", ra.Page{})
	require.NoError(t, err)
	require.Len(t, issued, 1)
	require.Equal(t, a.Result, issued[0].Serial.String())
	require.ErrorIs(t, w.ra.RecordCheck(t.Context(), personnel1, q.ID, "officer", true, "late"), ca.ErrConflict)
	require.ErrorIs(t, w.ra.CloseRequest(t.Context(), aroA, q.ID, "late"), ca.ErrConflict)
	require.ErrorIs(t, w.ra.CloseRequest(t.Context(), aroA, 99, "nothing there"), ca.ErrNotFound)
	_, err = w.ra.Propose(t.Context(), personnel1, issue)
	require.ErrorIs(t, err, ca.ErrConflict)
}

// What is being executed is not pulled away.
func TestNothingChangesUnderAnExecution(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.asked(t, 1)
	a := w.agreed(t, personnel1, ra.IssueCertificate{Request: q.ID}, personnel2)
	stop := errors.New("stop")
	w.ra.SetProbe(func(point string) error {
		require.ErrorIs(t, w.ra.CloseRequest(context.Background(), aroA, q.ID, "too late"), ca.ErrConflict)
		_, err := w.ra.Vote(context.Background(), manager1, a.ID, a.Hash, false, "too late")
		require.ErrorIs(t, err, ca.ErrConflict)
		_, err = w.ra.Execute(context.Background(), manager1, a.ID)
		require.ErrorIs(t, err, ca.ErrConflict)
		_, err = w.ra.Propose(context.Background(), manager1, ra.IssueCertificate{Request: q.ID})
		require.ErrorIs(t, err, ca.ErrConflict)
		settled, err := w.ra.Settle(context.Background())
		require.NoError(t, err)
		require.Empty(t, settled, "somebody is at work on it")
		return fmt.Errorf("at %s: %w", point, stop)
	})
	_, err := w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorIs(t, err, stop)
}
