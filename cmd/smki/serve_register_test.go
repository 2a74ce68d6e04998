package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/ra"
	"smki.example/ca/smkiws"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// An authority is a registration authority with two managers, seen from another
// process than the server's.
type authority struct {
	*desk
	managers []*holder
}

// newAuthority makes a home that issues to enrolled parties only, and its first
// managers, on the command line.
func newAuthority(t *testing.T) (string, *authority) {
	t.Helper()
	return newAuthorityAt(t)
}

// newAuthorityAt is newAuthority with more arguments of init.
func newAuthorityAt(t *testing.T, more ...string) (string, *authority) {
	t.Helper()
	needSoftHSM(t)
	home := filepath.Join(t.TempDir(), "ca")
	code, _, errs := smki(t, append([]string{"init", "--home", home, "--environment", "exercise-register"}, more...)...)
	require.Equal(t, clikit.Done, code, errs)
	a := &authority{}
	var listed []founder
	for n := 1; n <= 2; n++ {
		h := newHolder(t, home, "EXERCISE SMKI", fmt.Sprintf("manager-%d", n), policy.RoleOther, iki.Console)
		a.managers = append(a.managers, h)
		listed = append(listed, founder{Officer: ra.OfficerID(fmt.Sprintf("manager-%d", n)), Person: ra.PersonID(fmt.Sprintf("person-%d", n)),
			Name: fmt.Sprintf("Manager %d", n), Screened: "2026-01-31", Nomination: "form-1", Certificate: h.file})
	}
	text, err := json.Marshal(listed)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "managers.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	code, _, errs = smki(t, "party", "found", "--home", home, "--managers", file)
	require.Equal(t, clikit.Done, code, errs)
	code, _, errs = smki(t, "party", "found", "--home", home, "--managers", file)
	require.Equal(t, clikit.Refused, code, "it is founded once: %s", errs)
	a.desk, err = openLedger(context.Background(), home)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close(context.Background()) })
	return home, a
}

// decide has a deed proposed by one officer, agreed to by others, and done.
func (a *authority) decide(t *testing.T, by ra.OfficerID, d ra.Deed, voters ...ra.OfficerID) {
	t.Helper()
	approval, err := a.registry.Propose(context.Background(), by, d)
	require.NoError(t, err)
	a.agree(t, approval, voters...)
	_, err = a.registry.Execute(context.Background(), by, approval.ID)
	require.NoError(t, err)
}

func (a *authority) agree(t *testing.T, approval *ra.Approval, voters ...ra.OfficerID) {
	t.Helper()
	for _, v := range voters {
		_, err := a.registry.Vote(context.Background(), v, approval.ID, approval.Hash, true, "")
		require.NoError(t, err)
	}
}

// supplier enrols party supplier-a with its SRO and ARO.
func (a *authority) supplier(t *testing.T) {
	t.Helper()
	a.decide(t, "manager-1", ra.EnrolParty{Party: "supplier-a", Name: "Exercise Supplier A", Category: ra.LargeSupplier,
		Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Subscriber: ra.Subscriber{Device: true, Organisation: true}, Application: "papers-1"}, "manager-2")
	a.decide(t, "manager-1", ra.Appoint{Officer: "sro-a", Party: "supplier-a", Role: ra.SRO, Person: "person-3", Name: "An SRO", Screened: "2026-01-31", Nomination: "form-2"}, "manager-2")
	approval, err := a.registry.Propose(context.Background(), "sro-a", ra.Appoint{Officer: "aro-a", Party: "supplier-a", Role: ra.ARO, Person: "person-4", Name: "An ARO", Screened: "2026-01-31", Nomination: "form-3"})
	require.NoError(t, err)
	a.agree(t, approval, "manager-1", "manager-2")
	_, err = a.registry.Execute(context.Background(), "manager-1", approval.ID)
	require.NoError(t, err)
}

// known lets an officer be known by a new IKI certificate.
func (a *authority) known(t *testing.T, officer ra.OfficerID, h *holder) {
	t.Helper()
	a.decide(t, "manager-1", ra.AddCredential{Officer: officer, Certificate: h.certificate.Certificate[0]}, "manager-2")
}

func (a *authority) system(t *testing.T, officer ra.OfficerID) {
	t.Helper()
	a.decide(t, "aro-a", ra.Appoint{Officer: officer, Party: "supplier-a", Role: ra.System, Person: ra.PersonID(officer), Name: "A system"}, "manager-1")
}

// batchApproval waits until the release of a batch was proposed.
func (a *authority) batchApproval(t *testing.T, id string) *ra.Approval {
	t.Helper()
	var last *ra.Approval
	require.Eventually(t, func() bool {
		all, err := a.registry.ApprovalsOf(context.Background(), "batch/"+id)
		require.NoError(t, err)
		if len(all) > 0 {
			last = all[len(all)-1]
		}
		return last != nil
	}, waitLong, waitStep)
	return last
}

// With a register, whoever is not in it gets nothing, an IKI certificate or not; who is
// in it gets what his office allows; and a batch waits for the registration authority.
func TestServeRegister(t *testing.T) {
	t.Parallel()
	home, a := newAuthority(t)
	s := serveHome(t, home)
	adhoc := newHolder(t, home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc)
	batched := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
	person := newHolder(t, home, "Exercise Supplier A", "aro-1", policy.RoleSupplier, iki.PortalOrganisation)
	stranger := newHolder(t, home, "Exercise Supplier B", "adhoc-2", policy.RoleSupplier, iki.AdHoc)

	// Nobody is in the register yet: the command line proves nobody's identity, and an IKI
	// certificate alone is nobody's.
	csr := filepath.Join(t.TempDir(), "d.csr")
	require.NoError(t, os.WriteFile(csr, []byte(deviceRequest(t, nextEntity())), 0o600))
	code, _, errs := smki(t, "issue", "--home", home, "--csr", csr, "--by", "supplier-a/aro-a")
	require.Equal(t, clikit.Refused, code, errs)
	require.Contains(t, errs, "proves nobody's identity")
	code, _, errs = smki(t, "apikey", "create", "--home", home, "--party", "supplier-a")
	require.Equal(t, clikit.Refused, code, errs)
	status, _ := call(t, s.client(t, batched), "POST", s.secure+smkiws.SubmitPath, batchXML(t, 1))
	require.Equal(t, http.StatusForbidden, status)

	a.supplier(t)
	a.system(t, "adhoc-a")
	a.system(t, "batched-a")
	a.known(t, "adhoc-a", adhoc)
	a.known(t, "batched-a", batched)
	a.known(t, "aro-a", person)
	code, out, errs := smki(t, "apikey", "create", "--home", home, "--party", "supplier-a")
	require.Equal(t, clikit.Done, code, errs)
	require.Regexp(t, `^[0-9a-f]{64}\n$`, out)

	// A batch is pending until the registration authority releases it.
	c := s.client(t, batched)
	first, second := s.submit(t, c, 3), s.submit(t, c, 3)
	approval := a.batchApproval(t, first)
	require.Equal(t, ra.OfficerID("batched-a"), approval.ProposedBy)
	_, err := a.registry.Vote(context.Background(), "manager-1", approval.ID, approval.Hash, true, "")
	require.NoError(t, err)
	got := s.result(t, c, first, "COMPLETED")
	require.Len(t, got.Certificate, 3)
	approval = a.batchApproval(t, second)
	_, err = a.registry.Vote(context.Background(), "manager-2", approval.ID, approval.Hash, false, "the supplier has sent it twice")
	require.NoError(t, err)
	s.result(t, c, second, "REJECTED")

	// The ad hoc service replaces what the batch issued.
	status, text := call(t, s.client(t, adhoc), "POST", s.secure+smkiws.DefaultAdHocPath, adHoc(deviceRequest(t, nextEntity())))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "UNKNOWN_DEVICE")
	status, _ = call(t, s.client(t, stranger), "POST", s.secure+smkiws.DefaultAdHocPath, adHoc(deviceRequest(t, nextEntity())))
	require.Equal(t, http.StatusForbidden, status, "an IKI certificate that is nobody's")

	// The console is for officers.
	manager := s.client(t, a.managers[0])
	status, text = call(t, manager, "GET", s.secure+"/ra/", "")
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, "Manager 1")
	status, text = call(t, s.client(t, person), "GET", s.secure+"/ra/", "")
	require.Equal(t, http.StatusOK, status, text)
	status, _ = call(t, s.client(t, adhoc), "GET", s.secure+"/ra/", "")
	require.Equal(t, http.StatusForbidden, status, "a system has no business at the console")

	// What was withdrawn counts no more, with the next request on the same connection.
	ad := s.client(t, adhoc)
	status, _ = call(t, ad, "POST", s.secure+smkiws.DefaultAdHocPath, adHoc(deviceRequest(t, nextEntity())))
	require.Equal(t, http.StatusOK, status)
	_, err = a.registry.Do(context.Background(), "sro-a", ra.WithdrawCredential{Serial: adhoc.serial, Why: "lost"})
	require.NoError(t, err)
	status, _ = call(t, ad, "POST", s.secure+smkiws.DefaultAdHocPath, adHoc(deviceRequest(t, nextEntity())))
	require.Equal(t, http.StatusForbidden, status)

	for _, arguments := range [][]string{{"list"}, {"show", "supplier-a"}, {"show"}, {"decisions"}} {
		code, out, errs := smki(t, append([]string{"party"}, append(arguments, "--home", home)...)...)
		require.Equal(t, clikit.Done, code, errs)
		require.NotEmpty(t, out)
	}
	require.Equal(t, clikit.Done, s.stop())
	require.NotContains(t, s.log.String(), `"level":"ERROR"`)
}

// Who has submitted a batch and is withdrawn before it was released gets nothing, and
// the batch does not wait for ever.
func TestReleaseAfterWithdrawal(t *testing.T) {
	t.Parallel()
	home, a := newAuthority(t)
	a.supplier(t)
	a.system(t, "batched-a")
	ctx := context.Background()
	batches, err := smkiws.New(ctx, a.webConfig(mustServices(t, a.desk), porter{registry: a.registry}, nil, serveLogger(&lockedBuffer{}, false)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = batches.Close() })
	log := &lockedBuffer{}
	l := &releaser{registry: a.registry, batches: batches, store: a.store, logger: serveLogger(log, false)}
	upload := func(name string) smkiws.Batch {
		b, err := batches.SubmitArchive(ctx, smkiws.Client{Party: "supplier-a", Requester: "supplier-a/batched-a"}, name, archive(t, 2))
		require.NoError(t, err)
		return b
	}

	// Approved, and then the party has changed: what was agreed to is not what would be
	// done. It is taken back and proposed anew.
	changed := upload("changed.zip")
	waiting, err := l.Unreleased(ctx, "supplier-a")
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.NoError(t, l.look(ctx))
	waiting, err = l.Unreleased(ctx, "")
	require.NoError(t, err)
	require.Empty(t, waiting, "its release is proposed")
	approval := a.batchApproval(t, fmt.Sprint(changed.ID))
	a.agree(t, approval, "manager-1")
	a.decide(t, "manager-1", ra.ChangeParty{Party: "supplier-a", Name: "Exercise Supplier A", Category: ra.LargeSupplier,
		Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Subscriber: ra.Subscriber{Device: true}, Application: "papers-2"}, "manager-2")
	require.NoError(t, l.look(ctx))
	b, err := batches.Batch(ctx, changed.ID)
	require.NoError(t, err)
	require.Equal(t, smkiws.Pending, b.State)
	require.NoError(t, l.look(ctx))
	again := a.batchApproval(t, fmt.Sprint(changed.ID))
	require.NotEqual(t, approval.ID, again.ID)

	// Approved, and then the system is withdrawn.
	a.agree(t, again, "manager-2")
	_, err = a.registry.Do(ctx, "sro-a", ra.WithdrawOfficer{Officer: "batched-a", Party: "supplier-a", Why: "replaced"})
	require.NoError(t, err)
	late := upload("late.zip")
	require.NoError(t, l.look(ctx))
	for _, id := range []int64{changed.ID, late.ID} {
		b, err := batches.Batch(ctx, id)
		require.NoError(t, err)
		require.Equal(t, smkiws.Rejected, b.State)
		require.Contains(t, b.Reason, "batched-a")
	}
	code, out, errs := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, "%s%s", out, errs)
}

func mustServices(t *testing.T, d *desk) *services {
	t.Helper()
	s, err := d.home.services()
	require.NoError(t, err)
	return s
}

// archive is a portal's upload with some requests.
func archive(t *testing.T, n int) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for k := range n {
		w, err := z.Create(fmt.Sprintf("d%d.csr", k))
		require.NoError(t, err)
		_, err = io.WriteString(w, deviceRequest(t, nextEntity()))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return &b
}
