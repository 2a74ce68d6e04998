package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
)

// entries are a journal in memory, for what is made of one.
func entries(t *testing.T, start journal.Start, more ...any) []journal.Entry {
	t.Helper()
	var out []journal.Entry
	add := func(at time.Duration, body any) {
		kind := map[string]journal.Kind{"Start": journal.KindStart, "Act": journal.KindAct, "Notify": journal.KindNotify, "Decision": journal.KindDecision,
			"Finding": journal.KindFinding, "Outcome": journal.KindOutcome}[typeName(body)]
		require.NotEmpty(t, kind, "%T", body)
		e := journal.Entry{Seq: int64(len(out) + 1), At: at, Kind: kind, Body: asJSON(t, body)}
		out = append(out, e)
	}
	add(0, start)
	for i, body := range more {
		add(time.Duration(i+1)*10*time.Minute, body)
	}
	return out
}

func reportOf(t *testing.T, start journal.Start, more ...any) *report.Report {
	t.Helper()
	if start.Scenario == "" {
		start.Scenario, start.Label = "S01", "AMBER"
	}
	r, err := report.New(entries(t, start, more...), nil)
	require.NoError(t, err)
	return r
}

const ownPack = `id: ours
version: 7
title: Our own
source: our papers
verified: true
labels: [GREEN, RED]
steps:
  - {id: notification, phase: pre-recovery, says: the desk hears of it, actor: pma, evidence: a note, source: paper 1, verified: true}
  - {id: ballot, phase: pre-recovery, says: the committee votes, actor: pma, evidence: minutes, seen in: [decision of pma], source: paper 1, verified: true}
  - {id: archive, phase: post-recovery, says: papers are filed, actor: pma, evidence: a shelf, source: paper 1, verified: true}
bodies: [{id: pma, name: Committee, quorum: 1, majority: two thirds of the votes cast, casting vote: none, conflict: declares it and votes, members: [{id: a, name: A, vote: true}, {id: b, name: B, vote: true}], source: paper 1, verified: true}]
factors: [{id: evidence, text: Is it sure?, force: shall, keys: [recovery, contingency], source: paper 1, verified: true}]
custodians: [{seat: a, party: X, travel: 1h}, {seat: b, party: Y, travel: 2h}, {seat: c, party: Z, travel: 2h}]
threshold: {shares: 2, parties: 2, source: paper 1, verified: true}
`

// Records of several procedures stand in one matrix, each read by its own.
func TestCoverage(t *testing.T) {
	t.Parallel()
	scripted := reportOf(t, journal.Start{Run: "one", Scenario: "S01", Label: "AMBER", Rehearses: []string{"notification", "method-1", "scope"}},
		journal.Notify{Step: "1", Whom: "pma chair", Told: "0:10", Procedure: "notification"},
		journal.Decision{Decision: "recovery key", Body: "pma", Chosen: "adjourn", Answered: "script"},
		journal.Act{Verb: "read back", Result: "refused", Phase: "end", Procedure: "scope"})
	played := reportOf(t, journal.Start{Run: "two", Scenario: "S02", Label: "AMBER", ProcedureText: ownPack, Rehearses: []string{"notification", "ballot"}},
		journal.Notify{Step: "1", Whom: "pma chair", Procedure: "notification"},
		journal.Decision{Decision: "recovery key", Body: "pma", Chosen: "required", Answered: "members"})
	require.Equal(t, "ours", played.Pack.ID, "a record is read with the pack that it keeps")

	c := report.Cover([]*report.Report{scripted, played}, nil)
	rows := map[string]report.CoveredStep{}
	for _, s := range c.Steps {
		rows[s.ID] = s
	}
	for _, row := range []struct {
		why, step, verdict string
		fates              []report.Fate
	}{
		{"told in the first run; in the second nobody was told", "notification", report.RehearsedByScript, []report.Fate{report.ByScript, report.Skipped}},
		{"a step that one procedure lacks is blank there", "ballot", report.RehearsedByMembers, []report.Fate{report.OtherProcedure, report.ByMembers}},
		{"a scripted decision of the PMA is the script's", "pma-decision", report.RehearsedByScript, []report.Fate{report.ByScript, report.OtherProcedure}},
		{"an act that was refused was not done", "scope", report.PlannedOnly, []report.Fate{report.Skipped, report.OtherProcedure}},
		{"a method of which nothing was sent was planned only", "method-1", report.PlannedOnly, []report.Fate{report.Skipped, report.OtherProcedure}},
		{"nobody ever came to it", "archive", report.NeverRehearsed, []report.Fate{report.OtherProcedure, report.NotOfDrill}},
		{"nor to the contingency", "contingency", report.NeverRehearsed, []report.Fate{report.NotOfDrill, report.OtherProcedure}},
	} {
		require.Equal(t, row.fates, rows[row.step].Fates, row.why)
		require.Equal(t, row.verdict, rows[row.step].Verdict, row.why)
	}
	require.Contains(t, strings.Join(c.Notes, "\n"), "step notification: sample/2", "that two procedures word a step differently is said")

	today, err := procedure.Parse("today.yaml", []byte(strings.Replace(ownPack, "id: archive", "id: inspection", 1)))
	require.NoError(t, err)
	require.Equal(t, "inspection", report.Cover([]*report.Report{scripted}, today).Steps[2].ID, "the steps of today's procedure stand first")
	require.Equal(t, report.NeverRehearsed, report.Cover([]*report.Report{scripted}, today).Steps[2].Verdict)

	var text, table bytes.Buffer
	require.NoError(t, c.Text(&text))
	require.Contains(t, text.String(), "1 of 39 steps rehearsed by members")
	require.NoError(t, c.CSV(&table))
	require.Contains(t, table.String(), "AMBER,ballot,pre-recovery,the committee votes,ours/7,rehearsed by members,not in its procedure,\"observed, members played\"\n")
	var page bytes.Buffer
	require.NoError(t, c.Paper().HTML(&page))
	require.Contains(t, page.String(), `class="mark members">M</td>`)
}

// What did not hold names the decisions before it that differ from what the author
// expected, the last answer where a question came back, and only those.
func TestDiffering(t *testing.T) {
	t.Parallel()
	expected := func(decision, chosen, want string, asking int) journal.Decision {
		return journal.Decision{Decision: decision, Body: "pma", Chosen: chosen, Expected: want, AsExpected: chosen == want, Asking: asking, Answered: "silence"}
	}
	r := reportOf(t, journal.Start{Run: "one"},
		expected("method", "wait", "method 1", 1),
		expected("recovery key", "adjourn", "required", 1),
		expected("revoke", "when done", "when done", 1),
		journal.Finding{Says: "devices trust the new keys", Held: false},
		expected("recovery key", "required", "required", 2),
		expected("disclose", "say nothing", "tell the Panel", 1),
		journal.Finding{Says: "the Panel knows", Held: false},
		journal.Outcome{Outcome: "finished", Finding: "not held"})
	found := r.NotHeld()
	require.Len(t, found, 2)
	require.Equal(t, `before it, PMA, by silence at 0:10: "method" answered "wait", which differs from the author's expectation, "method 1"`, r.DifferBefore(found[0].At))
	require.Contains(t, r.DifferBefore(found[1].At), `"disclose" answered "say nothing"`)
	require.Equal(t, `drill branch PACK --at "method" --choose "method 1" --out NEW`, r.TryInstead(found[1].At))
	require.Contains(t, r.Lines()[0].Text, "differs from the author's expectation")
	require.NotContains(t, strings.ToLower(r.Lines()[0].Text), "wrong")
	require.Contains(t, reportOf(t, journal.Start{Run: "x"}).DifferBefore(time.Hour), "no decision before it differs")
}

func TestOtherPack(t *testing.T) {
	t.Parallel()
	r := reportOf(t, journal.Start{Run: "one", Versions: map[string]string{"procedure": "sample/1"}})
	require.Contains(t, r.OtherPack(), "made with the procedure pack sample/1 and is read with sample/2")
	labelled := reportOf(t, journal.Start{Run: "one", Scenario: "S01", Label: "GREEN", ProcedureText: strings.Replace(ownPack, "labels:", "label: RED\nlabels:", 1)})
	require.Equal(t, "RED", labelled.Start.Label, "a record carries the label of the pack that it holds")
	own := reportOf(t, journal.Start{Run: "one", ProcedureText: ownPack, Versions: map[string]string{"procedure": "ours/7"}})
	require.Empty(t, own.OtherPack())
	_, err := report.New(entries(t, journal.Start{Scenario: "S01", ProcedureText: "id: ["}), nil)
	require.Error(t, err, "a record with a broken pack says so")
}

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }
