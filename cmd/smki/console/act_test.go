package console_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/ra"
)

func values(pairs ...string) url.Values {
	v := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		v.Add(pairs[n], pairs[n+1])
	}
	return v
}

// agree has others vote on an approval, and somebody carry it out, on its page.
func (w *world) agree(t testing.TB, path string, by ra.OfficerID, voters ...ra.OfficerID) string {
	t.Helper()
	for _, voter := range voters {
		_, body := w.sent(t, voter, path, "vote", values("answer", "accept", "comment", "seen"))
		require.Contains(t, body, "Your agreement is recorded.")
	}
	_, body := w.sent(t, by, path, "execute", nil)
	require.Contains(t, body, "It is done.")
	require.Contains(t, body, ">executed<")
	return body
}

// Every act of the table that has a form is done through it once, as people do, and
// what it says comes about.
func TestEveryActThroughItsForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := map[ra.Act]bool{}
	fill := func(by ra.OfficerID, page string, act ra.Act, v url.Values) (string, string) {
		t.Helper()
		done[act] = true
		return w.sent(t, by, page, string(act), v)
	}

	// A party with its identifiers and people.
	at, body := fill(manager1, "/ra/parties", ra.ActEnrolParty, values("party", "network-c", "name", "Network C", "category", string(ra.ElectricityNetwork),
		"roles", "03", "subscriber", "device", "subscriber", "organisation", "application", "form 3"))
	require.Contains(t, body, "It is proposed.")
	w.agree(t, at, manager1, personnel1)
	at, _ = fill(manager1, "/ra/parties/network-c", ra.ActChangeParty, values("name", "Network C plc", "application", "form 4"))
	w.agree(t, at, manager1, personnel1)
	p, err := w.ra.Party(t.Context(), "network-c")
	require.NoError(t, err)
	require.Equal(t, "Network C plc", p.Name)
	require.Equal(t, ra.Subscriber{Device: true, Organisation: true}, p.Subscriber, "what was ticked stays so")
	require.Len(t, p.Roles, 1)
	at, _ = fill(personnel1, "/ra/parties/network-c", ra.ActAssignIdentifiers, values("first", entity(1000).String(), "last", entity(1009).Hex(), "application", "form 5"))
	w.agree(t, at, personnel1, personnel2)
	at, _ = fill(personnel1, "/ra/parties/network-c", ra.ActReleaseIdentifiers, values("first", entity(1000).String(), "last", entity(1009).String(), "why", "sold"))
	w.agree(t, at, personnel1, personnel2)
	who := values("officer", "sro-c", "person", "p-c", "name", "C", "screened", "2026-02-01", "nomination", "form 6")
	at, _ = fill(personnel1, "/ra/parties/network-c", ra.ActAppointSRO, who)
	w.agree(t, at, personnel1, manager1)
	at, _ = fill(sroA, "/ra/parties/supplier-a", ra.ActAppointARO, values("officer", "aro-a2", "person", "p-a2", "name", "A2", "screened", "2026-02-01", "nomination", "form 7"))
	w.agree(t, at, manager1, manager1, personnel2)
	at, _ = fill(aroA, "/ra/parties/supplier-a", ra.ActAppointSystem, values("officer", "system-a2", "person", "system-a2", "name", "Head end"))
	w.agree(t, at, aroA, personnel2)
	at, _ = fill(manager1, "/ra/officers", ra.ActAppointRAOfficer, values("role", "auditor", "officer", "auditor-2", "person", "p-auditor-2", "name", "Auditor", "screened", "2026-02-01", "nomination", "form 8"))
	w.agree(t, at, manager1, manager2)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.certificate(t, "aro-a2")}))
	at, _ = fill(personnel1, "/ra/officers/aro-a2", ra.ActAddCredential, values("certificate", certificate))
	w.agree(t, at, personnel1, personnel2)
	require.Equal(t, http.StatusOK, w.get("aro-a2", "/ra/").Code)
	all, err := w.ra.Credentials(t.Context(), "aro-a2")
	require.NoError(t, err)
	_, body = fill(sroA, "/ra/officers/aro-a2", ra.ActWithdrawCredential, values("serial", all[0].Serial.String(), "why", "card lost"))
	require.Contains(t, body, "It is done.", "alone, and at once")
	require.Equal(t, http.StatusForbidden, w.get("aro-a2", "/ra/").Code, "cut off with the next request")
	fill(sroA, "/ra/officers/aro-a2", ra.ActWithdrawOfficer, values("why", "left"))
	at, _ = fill(manager1, "/ra/officers/auditor-2", ra.ActWithdrawRAOfficer, values("why", "left"))
	w.agree(t, at, manager1, personnel1)
	at, _ = fill(personnel1, "/ra/parties/network-c", ra.ActWithdrawParty, values("why", "merged"))
	w.agree(t, at, personnel1, personnel2)

	// A certificate, from the asking to its revocation.
	request, body := fill(aroA, "/ra/requests", ra.ActAskCertificate, values("csr", csrPEM(t, 1)))
	require.Contains(t, body, entity(1).String())
	for _, check := range w.ra.Table().Checks {
		fill(personnel1, request, ra.ActRecordCheck, values("kind", check.Kind, "passed", "yes", "evidence", "file 9"))
	}
	at, body = fill(personnel1, request, ra.ActIssueCertificate, nil)
	require.Contains(t, body, "organisation, version 1")
	w.agree(t, at, personnel1, personnel2)
	q, err := w.ra.Request(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, ra.Issued, q.State)
	closed, _ := fill(aroA, "/ra/requests", ra.ActAskCertificate, values("csr", csrPEM(t, 2)))
	fill(aroA, closed, ra.ActCloseRequest, values("why", "a slip"))

	asked := func(serial string) string {
		at, _ := fill(aroA, "/ra/revocations", ra.ActAskRevocation, values("serials", " "+strings.ToLower(serial)+"\r\n", "reason", "keyCompromise", "why", "a tape is missing"))
		return at
	}
	revocation := asked(q.Serial.String())
	fill(personnel1, revocation, ra.ActAuthenticateRevocation, values("evidence", "called back"))
	at, _ = fill(manager1, revocation, ra.ActDeferRevocation, values("until", "2026-12-01 12:00", "why", "meters first", "decision", "PMA 7"))
	w.agree(t, at, manager1, personnel2)
	require.NotContains(t, w.get(manager1, revocation).Body.String(), `data-act="execute-revocation"`, "not before the date")
	at, _ = fill(manager1, revocation, ra.ActResumeRevocation, values("decision", "PMA 8"))
	w.agree(t, at, manager1, personnel2)
	at, body = fill(personnel1, revocation, ra.ActExecuteRevocation, nil)
	require.Contains(t, body, q.Serial.String())
	w.agree(t, at, personnel1, personnel2)
	require.Contains(t, w.get(aroA, revocation).Body.String(), "<td>revoked</td>")
	revocation = asked(w.issued(t, 3).String())
	at, _ = fill(manager1, revocation, ra.ActExecuteEmergency, values("why", "it is used against us now"))
	w.agree(t, at, manager1, personnel2)
	revocation = asked(w.issued(t, 4).String())
	at, _ = fill(sroA, revocation, ra.ActWithdrawRevocation, values("why", "the tape was found"))
	w.agree(t, at, personnel2, personnel1)

	// A batch.
	w.batches.all = []ra.ReleaseBatch{{Batch: "77", Party: "supplier-a", Interface: "portal", Digest: strings.Repeat("ab", 32), Requests: 3},
		{Batch: "78", Party: "supplier-b", Interface: "portal", Digest: strings.Repeat("cd", 32), Requests: 3}}
	at, body = fill(aroA, "/ra/batches", ra.ActReleaseBatch, nil)
	require.Contains(t, body, "batch &#34;77&#34;")
	_, body = w.sent(t, personnel1, at, "vote", values("answer", "accept"))
	require.Contains(t, body, "taken up by the service that received it")
	require.NotContains(t, body, `data-act="execute"`)
	require.NotContains(t, w.get(aroA, "/ra/batches").Body.String(), "supplier-b")

	for _, act := range w.console.FormActs() {
		require.True(t, done[act], "%s was never done", act)
	}
	w.records(t)
}

// What is not offered is not done either, whoever sends it: each cell of the table.
func TestEveryActByEveryRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	table := w.ra.Table()
	forms := map[ra.Act]bool{}
	for _, act := range w.console.FormActs() {
		forms[act] = true
	}
	before := w.records(t)
	for _, act := range ra.Acts() {
		for _, role := range ra.Roles() {
			by := holders[role]
			rec := w.post(by, "/ra/act/"+string(act), nil)
			body := rec.Body.String()
			switch {
			case !forms[act]:
				require.Equal(t, http.StatusNotFound, rec.Code, "%s is no act of this place", act)
			case table.May(role, act) == ra.No:
				require.Equal(t, http.StatusForbidden, rec.Code, "%s by %s", act, role)
				require.Contains(t, body, "<code>rights</code>", "%s by %s", act, role)
				require.Contains(t, body, fmt.Sprintf("row <code>%s</code>", act), "%s by %s", act, role)
			default:
				require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusForbidden, http.StatusNotFound}, rec.Code, "%s by %s: an empty form", act, role)
				require.NotContains(t, body, "<code>rights</code>", "%s by %s", act, role)
			}
		}
	}
	require.Equal(t, before, w.records(t), "nothing was done")
}

// What a page offers to a role is what the table allows it, and all of that is
// offered somewhere.
func TestOffersAreTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pages := []string{"/ra/", "/ra/approvals", "/ra/requests", "/ra/revocations", "/ra/batches", "/ra/parties", "/ra/officers", "/ra/history", "/ra/rights",
		"/ra/parties/supplier-a", "/ra/officers/aro-a", "/ra/officers/personnel-2",
		fmt.Sprintf("/ra/requests/%d", w.asked(t, 1, false).ID), fmt.Sprintf("/ra/requests/%d", w.asked(t, 2, true).ID)}
	for n, state := range []ra.RevocationState{ra.Requested, ra.Authenticated, ra.Deferred} {
		pages = append(pages, fmt.Sprintf("/ra/revocations/%d", w.revocation(t, 10+n, state).ID))
	}
	w.batches.all = []ra.ReleaseBatch{{Batch: "77", Party: "supplier-a", Interface: "portal", Digest: strings.Repeat("ab", 32), Requests: 3}}
	w.pass(11 * 24 * time.Hour)
	table := w.ra.Table()
	for _, role := range ra.Roles() {
		offered := map[ra.Act]bool{}
		for _, page := range pages {
			rec := w.get(holders[role], page)
			for _, s := range sheets(rec.Body.String()) {
				offered[ra.Act(s.act)] = true
				require.NotEqual(t, ra.No, table.May(role, ra.Act(s.act)), "%s is offered %s on %s", role, s.act, page)
				require.Equal(t, http.StatusOK, rec.Code)
			}
		}
		for _, act := range w.console.FormActs() {
			reads := ra.ActReadQueues
			switch act {
			case ra.ActEnrolParty, ra.ActChangeParty, ra.ActWithdrawParty, ra.ActAssignIdentifiers, ra.ActReleaseIdentifiers, ra.ActAppointSRO, ra.ActAppointARO,
				ra.ActAppointSystem, ra.ActAppointRAOfficer, ra.ActWithdrawOfficer, ra.ActWithdrawRAOfficer, ra.ActAddCredential, ra.ActWithdrawCredential:
				reads = ra.ActReadRegister
			}
			want := table.May(role, act) != ra.No && table.May(role, reads) != ra.No
			require.Equal(t, want, offered[act], "%s and %s", role, act)
		}
	}
}
