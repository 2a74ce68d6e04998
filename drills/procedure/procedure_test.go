package procedure_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/procedure"
)

func TestSample(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	require.False(t, p.Verified, "nothing that is shipped is the SEC's text")
	for _, s := range p.Steps {
		require.NotEmpty(t, s.Source, "step %q says where it comes from", s.ID)
		require.Equal(t, "sample", s.Note())
	}
	for _, f := range p.Factors {
		require.False(t, f.Verified, "the published factors were not found, so %q cannot be one of them", f.ID)
	}
	_, is := p.Step("method-1")
	require.True(t, is)
	_, is = p.Limit("tell-pma-chair")
	require.True(t, is)
	require.Equal(t, 2, p.Unverified([]string{"method-1", "no such step"}))
	pma := p.Bodies[0]
	require.Equal(t, 3, pma.Quorum)
	require.Contains(t, procedure.Majorities(), pma.Majority)
	require.Empty(t, pma.Casting(), "no text gives anybody a casting vote")
	require.False(t, pma.Verified, "the rule of the vote is a sample and says so")
	require.Len(t, p.Terms, 6)
	for _, term := range p.Terms {
		require.Equal(t, "sample", term.Note())
	}
}

const small = `id: own
version: 1
title: A committee's own pack
source: its papers
verified: true
labels: [AMBER]
steps: [{id: notification, phase: pre-recovery, says: somebody calls, source: paper 7, verified: true}]
bodies: [{id: pma, name: SMKI PMA, quorum: 1, majority: two thirds of the votes cast, casting vote: chair, members: [{id: chair, name: Chair, vote: true}, {id: guest, name: Guest, vote: false}], source: paper 7, verified: true}]
recipients: [panel]
factors: [{id: evidence, text: Is it sure?, force: shall, source: paper 7, verified: true}]
custodians: [{seat: a, party: X, travel: 1h}, {seat: b, party: Y, travel: 2h}]
threshold: {shares: 2, parties: 2, source: paper 7, verified: true}
limits: [{id: tell-pma-chair, says: the Chair is told, within: 1h, source: paper 7, verified: true}]
terms: [{term: counter, says: a number that rises, source: paper 7, verified: true}]
`

func TestParse(t *testing.T) {
	t.Parallel()
	own, err := procedure.Parse("own.yaml", []byte(small))
	require.NoError(t, err)
	require.Zero(t, own.Unverified([]string{"notification"}), "a pack that was held against the text says so")

	require.Equal(t, "chair", own.Bodies[0].Casting())

	for _, row := range []struct{ why, from, to, want string }{
		{"an unknown word is named with its place", "title:", "titel:", "own.yaml:3:1"},
		{"a phase is one of three", "pre-recovery", "before", `phase "before" is none of`},
		{"a quorum can be met", "quorum: 1", "quorum: 2", "quorum of 2 cannot be met by 1 votes"},
		{"a factor shall or may be weighed", "force: shall", "force: must", `force "must" is neither`},
		{"a threshold can be met", "shares: 2", "shares: 3", "cannot be met by 2 custodians"},
		{"distinct Parties can be met", "party: Y", "party: X", "of 1 Parties"},
		{"a seat is there once", "seat: b", "seat: a", "custodian a is there twice"},
		{"a limit is longer than nothing", "within: 1h", "within: 0s", "longer than nothing"},
		{"a majority is one that can be counted", "two thirds of", "most of", `majority "most of the votes cast" is none of`},
		{"a body with a quorum says what decides", "majority: two thirds of the votes cast, ", "", `majority "" is none of`},
		{"a body that votes says who breaks a tie", "casting vote: chair, ", "", "needs a casting vote"},
		{"a casting vote is of a member with a vote", "casting vote: chair", "casting vote: guest", `of "guest", who has no vote`},
		{"a term says something", "says: a number that rises", `says: ""`, `term "counter": says nothing`},
		{"a step has an id", "id: notification", `id: ""`, "has no id"},
	} {
		text := strings.Replace(small, row.from, row.to, 1)
		require.NotEqual(t, small, text, row.why)
		_, err := procedure.Parse("own.yaml", []byte(text))
		require.ErrorContains(t, err, row.want, row.why)
	}
}

func TestLintOfSample(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	require.Empty(t, p.Lint())
}

// Every row of the table of keys and methods has a procedure, with the body that
// must decide, the key that custodians open and the command that devices get.
func TestProceduresOfSample(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	for _, row := range []struct {
		key, method, decision, opens string
		modes                        []int
	}{
		{"supplier", "method 1", "none", "", []int{2, 3}},
		{"supplier", "method 2", "pma", "recovery", []int{8, 2, 3}},
		{"supplier", "method 3", "pma", "recovery", []int{8}},
		{"supplier", "change supplier", "pma", "", []int{7}},
		{"networkOperator", "method 1", "none", "", []int{2, 3}},
		{"networkOperator", "method 3", "pma", "recovery", []int{8}},
		{"acb", "method 1", "none", "", []int{4}},
		{"acb", "method 3", "pma", "recovery", []int{8}},
		{"transcos", "method 1", "none", "", []int{6}},
		{"transcos", "method 3", "pma", "recovery", []int{8}},
		{"wan provider", "method 1", "none", "", []int{5}},
		{"wan provider", "method 3", "pma", "recovery", []int{8}},
		{"recovery", "recovery key", "pma", "recovery", []int{8}},
		{"recovery", "contingency key", "pma", "contingency", []int{9}},
		{"issuing-oca", "method 1", "pma", "", []int{2, 3, 4, 5, 6}},
		{"issuing-oca", "method 3", "pma", "recovery", []int{8}},
		{"root", "contingency key", "pma", "contingency", []int{9}},
		{"contingency private key", "supplier", "pma", "", []int{0, 1}},
		{"contingency private key", "recovery key", "pma", "recovery", []int{8}},
		{"symmetric key", "supplier", "pma", "", []int{0, 1}},
		{"issuing-dca", "device keys", "none", "", nil},
		{"device", "device keys", "none", "", nil},
		{"none", "stand down", "none", "", nil},
	} {
		i := slices.IndexFunc(p.For(row.key), func(x procedure.Procedure) bool { return x.Method == row.method })
		require.GreaterOrEqual(t, i, 0, "%s by %s", row.key, row.method)
		x := p.For(row.key)[i]
		require.Equal(t, row.decision, x.Decision, x.ID)
		require.Equal(t, row.opens, x.Opens, x.ID)
		require.Equal(t, row.modes, x.Modes, x.ID)
		phases := map[string]bool{}
		for _, place := range x.Order {
			step, is := p.Step(place.Step)
			require.True(t, is)
			phases[step.Phase] = true
		}
		if x.ID != "false-alarm" {
			require.Len(t, phases, 3, "%s has all three phases", x.ID)
		}
	}
	first := func(id string) string { // the first step of the execution
		x, _ := p.Procedure(id)
		for _, place := range x.Order {
			if s, _ := p.Step(place.Step); s.Phase == "execution" {
				return place.Step
			}
		}
		return ""
	}
	require.Equal(t, "symmetric-key", first("contingency-private-key"), "a new symmetric key comes first (contents list of 2015)")
	require.Equal(t, "symmetric-key", first("symmetric-key"))
	for _, who := range []string{"dcc service desk", "pma chair", "panel", "other parties", "rdp"} {
		require.True(t, slices.ContainsFunc(p.Notices, func(n procedure.Notice) bool { return n.To == who }), "%s is told", who)
	}
	require.Len(t, p.Layouts, 4, "the four kinds of file of the 2015 consultation")
	for _, n := range p.Notices {
		_, is := p.Limit(n.Limit)
		require.True(t, is, "notice %q has a clock", n.ID)
	}
}

func TestCustody(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	require.Len(t, p.Holders("symmetric key"), 4, "apart from the DCC, so that nobody holds both halves")
	own, err := procedure.Parse("own.yaml", []byte(small))
	require.NoError(t, err)
	c := own.CustodyOf("contingency")
	require.Equal(t, []string{"a", "b"}, c.Seats, "a key that the pack does not name is held by everybody")
	require.Equal(t, 2, c.Shares)
	require.Equal(t, "AMBER", own.Confidential(), "the highest label, if the guidance has none")
	require.Len(t, own.SHA256, 64)
}

// what is added to the small pack, and what is wrong with it.
func TestParseWhole(t *testing.T) {
	t.Parallel()
	const whole = small + `procedures:
  - {id: p, title: P, keys: [supplier], method: method 1, decision: none, steps: [{step: notification, next: [{to: end}]}], source: paper 7, verified: true}
notices: [{id: n, from: pma, to: panel, says: something, step: notification, limit: tell-pma-chair, source: paper 7, verified: true}]
custody: [{key: recovery, seats: [a, b], shares: 2, parties: 2, source: paper 7, verified: true}]
handling: [{label: AMBER, says: x, readers: [panel], rule: y, keep: z, source: paper 7, verified: true}]
layouts: [{id: l, title: L, from: pma, to: [panel], when: now, columns: [{name: a, says: b}], source: paper 7, verified: true}]
detection: [{role: supplier, counts: commands, usual: 1, raised: 2, source: paper 7, verified: true}]
`
	_, err := procedure.Parse("own.yaml", []byte(whole))
	require.NoError(t, err)
	for _, row := range []struct{ why, from, to, want string }{
		{"a next step is one of the procedure", "{to: end}", "{to: nowhere}", `own.yaml:16:84: procedure "p": "notification" leads to "nowhere", which is no step of it`},
		{"a step is one of the pack", "{step: notification, next: [{to: end}]}", "{step: notice}", `there is no step "notice"`},
		{"a key is not opened without a decision", "decision: none,", "decision: none, opens: recovery,", "without anybody's decision"},
		{"a decision is a body's", "decision: none,", "decision: nobody,", `decision "nobody" is no body`},
		{"a notice goes to somebody known", "to: panel, says", "to: paneel, says", `"paneel" is neither a body nor a recipient`},
		{"a notice has a limit that there is", "limit: tell-pma-chair, source", "limit: soon, source", `there is no limit "soon"`},
		{"a seat is a custodian's", "seats: [a, b]", "seats: [a, c]", `there is no custodian "c"`},
		{"a seat holds one share", "seats: [a, b]", "seats: [a, a]", `custodian "a" is there twice`},
		{"k is at most n", "shares: 2, parties: 2, source: paper 7, verified: true}]", "shares: 3, parties: 2, source: paper 7, verified: true}]", `custody of "recovery": 3 shares of 2 Parties cannot be met`},
		{"a key is one that there is", "{key: recovery,", "{key: recovry,", "the key is none of recovery, contingency, symmetric key"},
		{"a label is one of the pack's", "{label: AMBER", "{label: PINK", `label "PINK" is none of AMBER`},
		{"a file has columns", "columns: [{name: a, says: b}]", "columns: []", "has no columns"},
		{"a column is there once", "{name: a, says: b}", "{name: a, says: b}, {name: a, says: c}", "column l/a is there twice"},
		{"raised is at least usual", "usual: 1, raised: 2", "usual: 3, raised: 2", "raised is at least usual"},
		{"what shows a step can be read", "says: somebody calls,", "says: somebody calls, seen in: [a feeling],", `"a feeling" cannot be seen in a record`},
		{"a limit of a step is there", "says: somebody calls,", "says: somebody calls, limit: soon,", `step "notification": there is no limit "soon"`},
		{"a rule on interests is one of three", "casting vote: chair, members", "casting vote: chair, conflict: shrugs, members", `conflict "shrugs" is none of`},
		{"a factor's key is one that is opened", "force: shall,", "force: shall, keys: [supplier],", `key "supplier" is none of recovery, contingency`},
	} {
		text := strings.Replace(whole, row.from, row.to, 1)
		require.NotEqual(t, whole, text, row.why)
		_, err := procedure.Parse("own.yaml", []byte(text))
		require.ErrorContains(t, err, row.want, row.why)
	}
	twoSteps := strings.Replace(whole, "verified: true}]\nbodies", "verified: true}, {id: later, phase: execution, says: x, source: y, verified: true}]\nbodies", 1)
	unreached := strings.Replace(twoSteps, "next: [{to: end}]}]", "next: [{to: end}]}, {step: later}]", 1)
	_, err = procedure.Parse("own.yaml", []byte(unreached))
	require.ErrorContains(t, err, `nothing leads to step "later"`)
	back := strings.Replace(twoSteps, "[{step: notification, next: [{to: end}]}]", "[{step: later}, {step: notification}]", 1)
	_, err = procedure.Parse("own.yaml", []byte(back))
	require.ErrorContains(t, err, `step "notification" of pre-recovery stands after a step of execution`)

	p, err := procedure.Parse("own.yaml", []byte(twoSteps))
	require.NoError(t, err)
	var hints []string
	for _, h := range p.Lint() {
		hints = append(hints, h.Error())
	}
	all := strings.Join(hints, "\n")
	for _, want := range []string{`step "later": no procedure has it`, `factor "evidence": shall be weighed, and does not say for which keys`,
		`step "notification": nobody does it`, `body "pma": votes, and does not say what a member with an interest does`, "one custodian who cannot come keeps it closed"} {
		require.Contains(t, all, want)
	}

	_, err = procedure.Parse("own.yaml", []byte(strings.NewReplacer("quorum: 1", "quorum: 9", "force: shall", "force: must").Replace(whole)))
	var list procedure.Errors
	require.ErrorAs(t, err, &list)
	require.Len(t, list, 2, "everything is said at once")
	for _, e := range list {
		require.Greater(t, e.Line, 1, "%v", e)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := procedure.Parse("fuzz.yaml", []byte(text))
		if err == nil {
			require.NotEmpty(t, p.ID)
			p.Lint()
		}
	})
}
