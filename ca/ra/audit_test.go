package ra_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/auditor"
	"smki.example/ca/ra"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

// audited asks the auditor whether a store's tables are what the log tells.
func (w *world) audited(s *store.Store) error {
	_, err := auditor.Audit(context.Background(), auditor.Config{Store: s, Authorities: map[string][]byte{
		"issuing-oca-1": w.hierarchy.IssuingOCA.Certificate.Raw, "issuing-dca-1": w.hierarchy.IssuingDCA.Certificate.Raw}})
	return err
}

// Whoever owns the database can write what he likes into the register, past every
// trigger. The auditor finds it, and says which thing it is.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	if storetest.OnPostgres() {
		t.Skip("it changes copies of a SQLite file; what the auditor reads on PostgreSQL is asked at the end of every other test")
	}
	w := newWorld(t)
	ctx := t.Context()
	issued := w.issued(t, 1)                                                     // approval with a result, request, checks
	revoked := w.authenticated(t, 2)                                             // revocation request
	w.done(t, personnel1, ra.ExecuteRevocation{Request: revoked.ID}, personnel2) //
	deferred := w.authenticated(t, 3)                                            //
	w.done(t, manager1, ra.DeferRevocation{Request: deferred.ID, Until: w.clock().Add(240 * time.Hour).Format(time.RFC3339), Why: "the PMA waits", Decision: "minutes 4"}, manager2)
	w.done(t, manager1, ra.AddCredential{Officer: personnel1, Certificate: certificate(t, "personnel-1")}, manager2) // credential
	pending, err := w.ra.Propose(ctx, personnel1, ra.IssueCertificate{Request: w.asked(t, 4).ID})
	require.NoError(t, err)
	rejected, err := w.ra.Propose(ctx, personnel1, ra.IssueCertificate{Request: w.asked(t, 5).ID})
	require.NoError(t, err)
	_, err = w.ra.Vote(ctx, personnel2, rejected.ID, rejected.Hash, false, "the form is not signed")
	require.NoError(t, err)
	closed := w.asked(t, 6)
	require.NoError(t, w.ra.CloseRequest(ctx, aroA, closed.ID, "not needed"))
	require.NoError(t, w.audited(w.store))

	vote := `INSERT INTO ra_vote (approval, person, officer, role, accept, hash, comment, voted_at) SELECT id, 'person-of-personnel-3', 'personnel-3', 'ra-personnel', 1, hash, '', created_at FROM ra_approval WHERE id = $1`
	for name, row := range map[string]struct {
		change string
		args   []any
		want   string
	}{
		"a vote inserted":              {vote, []any{pending.ID}, "vote .*person-of-personnel-3: it is in the database and not in the log"},
		"a vote turned round":          {`UPDATE ra_vote SET accept = 1, comment = '' WHERE approval = $1`, []any{rejected.ID}, "vote of person-of-personnel-2 on approval [0-9]+: its accept is yes in the ledger, no in the log"},
		"a vote deleted":               {`DELETE FROM ra_vote WHERE approval = $1`, []any{rejected.ID}, "vote of person-of-personnel-2 .*: it is in the log and not in the database"},
		"an approval approved":         {`UPDATE ra_approval SET state = 'approved' WHERE id = $1`, []any{pending.ID}, "approval [0-9]+ .*: its state is approved in the ledger, pending in the log"},
		"a rejection taken back":       {`UPDATE ra_approval SET state = 'pending', cause = '', settled_at = NULL WHERE id = $1`, []any{rejected.ID}, "its state is pending in the ledger, rejected in the log"},
		"fewer votes needed":           {`UPDATE ra_approval SET needed = 0 WHERE id = $1`, []any{pending.ID}, "its needed is 0 in the ledger"},
		"an approval without end":      {`UPDATE ra_approval SET expires_at = expires_at + 1 WHERE id = $1`, []any{pending.ID}, "its expires at is"},
		"other bytes":                  {`UPDATE ra_approval SET bytes = (SELECT bytes FROM ra_approval WHERE id = $1) WHERE id = $2`, []any{rejected.ID, pending.ID}, "its bytes is"},
		"other bytes and hash":         {`UPDATE ra_approval SET hash = (SELECT hash FROM ra_approval WHERE id = $1), bytes = (SELECT bytes FROM ra_approval WHERE id = $1) WHERE id = $2`, []any{rejected.ID, pending.ID}, "its bytes is"},
		"another proposer":             {`UPDATE ra_approval SET proposer = 'somebody' WHERE id = $1`, []any{pending.ID}, "its proposer is somebody in the ledger, person-of-personnel-1 in the log"},
		"an approval made":             {`INSERT INTO ra_approval (act, subject, party, bytes, hash, profile, profile_version, policy_version, table_version, needed, state, proposed_by, proposer, revision, created_at, expires_at) SELECT act, 'x', party, bytes, hash, profile, profile_version, policy_version, table_version, needed, 'approved', proposed_by, proposer, revision, created_at, expires_at FROM ra_approval WHERE id = $1`, []any{pending.ID}, "approval [0-9]+: it is in the database and not in the log"},
		"a bar lifted":                 {`DELETE FROM ra_barred WHERE approval = $1 AND person = 'person-of-aro-a'`, []any{pending.ID}, "that person-of-aro-a has no vote on approval [0-9]+: it is in the log and not in the database"},
		"a role changed":               {`UPDATE ra_officer SET role = 'ra-manager' WHERE id = 'auditor-1'`, nil, "officer auditor-1: its role is ra-manager in the ledger, auditor in the log"},
		"another person":               {`UPDATE ra_officer SET person = 'somebody' WHERE id = 'personnel-2'`, nil, "officer personnel-2: its person is somebody"},
		"an officer made":              {`INSERT INTO ra_officer (id, role, person, name, screened, nomination, nominated_by, state, created_at, changed_at) VALUES ('x', 'ra-manager', 'x', 'x', '', '', '', 'active', 1, 1)`, nil, "officer x: it is in the database and not in the log"},
		"an officer deleted":           {`DELETE FROM ra_officer WHERE id = 'custodian-1'`, nil, "officer custodian-1: it is in the log"},
		"a credential swapped":         {`UPDATE ra_credential SET fingerprint = x'00' WHERE officer = 'personnel-1'`, nil, "credential .* of officer personnel-1: its fingerprint is"},
		"a credential of another":      {`UPDATE ra_credential SET officer = 'personnel-2' WHERE officer = 'manager-1'`, nil, "credential .* of officer manager-1: its officer is personnel-2"},
		"a party's roles":              {`UPDATE ra_party SET roles = '02,04' WHERE id = 'supplier-a'`, nil, "party supplier-a: its roles is 02,04 in the ledger, 02 in the log"},
		"a party as it was":            {`UPDATE ra_party SET revision = 7 WHERE id = 'supplier-a'`, nil, "party supplier-a: its revision is 7"},
		"identifiers of another":       {`UPDATE ra_identifier SET last = x'FFFFFFFFFFFFFFFF'`, nil, "identifiers .*: it is in the database and not in the log"},
		"identifiers released":         {`UPDATE ra_identifier SET released_at = 1`, nil, "identifiers .*: its released at is"},
		"another request":              {`UPDATE ra_request SET der = x'3000' WHERE id = 1`, nil, "request 1: its der is"},
		"a request open again":         {`UPDATE ra_request SET state = 'asked' WHERE state = 'closed'`, nil, "request [0-9]+: its state is asked in the ledger, closed in the log"},
		"another certificate":          {`UPDATE ra_request SET serial = x'00112233445566778899AABBCCDDEEFF' WHERE state = 'issued' AND serial = $1`, []any{issued[:]}, "request [0-9]+: its serial is"},
		"a check passed":               {`UPDATE ra_check SET evidence = 'none' WHERE id = 1`, nil, `identity check .* of request 1: its evidence is none`},
		"a check deleted":              {`DELETE FROM ra_check WHERE id = 2`, nil, "identity check of request 1|identity check .* of request 1"},
		"a revocation forgotten":       {`UPDATE ra_revocation SET state = 'withdrawn' WHERE id = $1`, []any{revoked.ID}, "revocation request [0-9]+: its state is withdrawn in the ledger, executed in the log"},
		"a deferral without its end":   {`UPDATE ra_revocation SET deferred_until = deferred_until + 1 WHERE id = $1`, []any{deferred.ID}, "its deferred until is"},
		"other certificates to revoke": {`UPDATE ra_revocation SET serials = '00112233445566778899AABBCCDDEEFF' WHERE id = $1`, []any{deferred.ID}, "its serials is"},
		"another reason":               {`UPDATE ra_revocation SET reason = 4 WHERE id = $1`, []any{deferred.ID}, "its reason is 4 in the ledger, 1 in the log"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ca.db")
			require.NoError(t, w.store.Snapshot(t.Context(), path))
			s, err := store.Open(t.Context(), store.Config{URL: path})
			require.NoError(t, err)
			defer s.Close()
			require.NoError(t, w.audited(s))
			storetest.Tamper(t, s, row.change, row.args...)
			err = w.audited(s)
			require.ErrorIs(t, err, auditor.ErrDiffers)
			require.Regexp(t, row.want, err.Error())
		})
	}
}
