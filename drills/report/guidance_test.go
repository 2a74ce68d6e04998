package report_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/report"
)

func typeName(v any) string { return reflect.TypeOf(v).Name() }

func asJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}

func TestGuidance(t *testing.T) {
	t.Parallel()
	put := []journal.Factor{{ID: "evidence", Force: "shall"}, {ID: "attacker", Force: "shall"}, {ID: "devices", Force: "shall"}, {ID: "forensics", Force: "may"}}
	r := reportOf(t, journal.Start{Run: "one"},
		journal.Decision{Decision: "recovery key", Body: "pma", Chosen: "required", Answered: "members", Factors: put, Reason: "we cannot wait",
			Assessed: []journal.Assessment{
				{Factor: "evidence", Finding: "confirmed by a call", Evidence: "note 4", Assessor: "chair"},
				{Factor: "attacker", Finding: "it is not known who sends", Assessor: "dcc"},
			},
			Votes: []journal.Vote{{Member: "chair", Option: "required", Reason: "hospitals are on these meters"}}},
		journal.Decision{Decision: "contingency key", Body: "pma", Chosen: "adjourn", Answered: "script", Factors: put[2:3], Assessed: []journal.Assessment{{Factor: "devices", Finding: "two thousand"}}})
	g := r.Guidance()
	require.Equal(t, "RED", g.Label, "confidential by default")
	state := map[string]report.FactorInput{}
	for _, f := range g.Factors {
		state[f.ID] = f
	}
	require.Equal(t, report.FactorUsed, state["evidence"].State)
	require.Equal(t, "confirmed by a call (evidence: note 4)", state["evidence"].Wrote[0].Text)
	require.Equal(t, report.FactorUnclear, state["attacker"].State, "members wrote that they do not know")
	require.Contains(t, state["attacker"].Proposed, "records that it is not known, who finds out, and by when")
	require.Equal(t, report.FactorUnclear, state["devices"].State, "put twice and assessed once")
	require.Equal(t, "the script; no member wrote it", state["devices"].Wrote[0].By)
	require.Equal(t, report.FactorMissing, state["forensics"].State)
	require.Contains(t, state["forensics"].Proposed, "may take into account")
	require.Equal(t, report.FactorNotPut, state["harm"].State)
	require.Equal(t, []report.FactorWords{{At: "0:10", Decision: "recovery key", By: "chair, for required", Text: "hospitals are on these meters"}, {At: "0:10", Decision: "recovery key", By: "PMA", Text: "we cannot wait"}}, g.Beside)

	var table, page, first, second bytes.Buffer
	require.NoError(t, g.CSV(&table))
	require.Contains(t, table.String(), "RED,one,forensics,may,0,Must evidence be kept for law enforcement?,missing,it was put once and nothing was written on it,,")
	require.NoError(t, g.Paper().HTML(&page))
	require.Contains(t, page.String(), "Confidential: it supplements the Recovery Key Guidance")
	require.NoError(t, g.Paper().PDF(&first))
	require.NoError(t, g.Paper().PDF(&second))
	require.Equal(t, first.Bytes(), second.Bytes())
}

// Devices over time come from the shards, one curve for each thing replaced.
func TestCurve(t *testing.T) {
	t.Parallel()
	shard := func(campaign string, holding int) map[string]any {
		return map[string]any{"campaign": campaign, "sent": 5, "outcomes": map[string]int{"executed": 5}, "progress": map[string]int{"holding": holding}}
	}
	list := entries(t, journal.Start{Run: "one", Scenario: "S02", Label: "AMBER", Devices: 10}, journal.Outcome{Outcome: "finished"})
	end := list[1]
	list = list[:1]
	for i, body := range []map[string]any{shard("1 supplier by method 2", 0), shard("2 supplier by handover", 4), shard("3 network by method 1", 3), shard("2 supplier by handover", 10)} {
		e := journal.Entry{Seq: int64(i + 2), At: hours(i + 1), Kind: journal.KindShard, Body: asJSON(t, body)}
		list = append(list, e)
	}
	end.Seq, end.At = 6, hours(8)
	r, err := report.New(append(list, end), nil)
	require.NoError(t, err)
	require.Len(t, r.Curves, 2)
	c := r.Curves[0]
	require.Equal(t, "supplier", c.Of)
	require.Equal(t, 4, c.At(hours(3)))
	require.Equal(t, 10, c.At(hours(9)))
	require.InDelta(t, 2*10+2*6, c.Lacking(10, hours(8)), 1e-9, "two hours of ten devices, two of six")

	both := report.Compare(r, reportOf(t, journal.Start{Run: "two", Scenario: "S02", Label: "AMBER", Devices: 10}))
	var text, page bytes.Buffer
	require.NoError(t, both.Text(&text))
	require.Contains(t, text.String(), "Devices that hold the new keys of supplier, over scenario time")
	require.Contains(t, text.String(), "* one\n")
	require.NoError(t, both.Paper().HTML(&page))
	require.Contains(t, page.String(), "<polyline")
	require.NotContains(t, page.String(), "NaN")
}
