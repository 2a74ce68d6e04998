package scenario_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/scenario"
)

var update = flag.Bool("update", false, "rewrite the lower half of testdata/*.txt")

const dashes = "----------------------------------------"

// TestLanguage is the language by example: each file is a scenario above a rule
// of dashes and its formatted form or its errors below.
func TestLanguage(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			whole, err := os.ReadFile(file)
			require.NoError(t, err)
			in, want, found := strings.Cut(string(whole), dashes+"\n")
			require.True(t, found || *update, "no rule of dashes")
			got := below([]byte(in))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(in+dashes+"\n"+got), 0o644))
				return
			}
			require.Equal(t, want, got, "run go test -update and look at the difference")
		})
	}
}

func below(in []byte) string {
	if _, err := scenario.Parse("x.yaml", in, vocabulary()); err != nil {
		return err.Error() + "\n"
	}
	out, err := scenario.Format("x.yaml", in)
	if err != nil {
		return err.Error() + "\n"
	}
	return string(out)
}

// whole is the example of the documentation; tests change one word in it.
func whole(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/whole.txt")
	require.NoError(t, err)
	in, _, found := strings.Cut(string(b), dashes+"\n")
	require.True(t, found)
	return in
}

// TestEveryMistakeIsNamed changes one thing in a good scenario: the error names
// the line that was changed, the thing, and what would have been right.
func TestEveryMistakeIsNamed(t *testing.T) {
	t.Parallel()
	good := whole(t)
	_, err := scenario.Parse("x.yaml", []byte(good), vocabulary())
	require.NoError(t, err)
	rows := []struct{ name, old, new, want string }{
		{"another version of the language", "drill: 1 ", "drill: 2 ", `1:8: drill: 2 is a version of the language that is not known: write drill: 1`},
		{"a word nobody knows", "minutes: 20", "minuts: 20", `unknown word "minuts" in the scenario: did you mean "minutes"?`},
		{"a word left out", "minutes: 20\n", "", `the scenario has no "minutes"`},
		{"a label nobody knows", "label: AMBER", "label: AMBR", `4:8: unknown label "AMBR": did you mean "AMBER"?`},
		{"a step nobody knows", "[notification, method-1]", "[notification, method-9]", `5:27: unknown step of the procedure "method-9": did you mean "method-1"?`},
		{"minutes in words", "minutes: 20", "minutes: twenty", `"minutes" is a text: write a whole number`},
		{"a share as a decimal", "unreachable: 2%", "unreachable: 0.02", `"0.02" is not a share: write a percentage such as 2%`},
		{"a title that is a number", "title: Supplier signing key copied from a backup", "title: 2026", `"title": 2026 is read as a number or as yes or no: put it in quotes to make it a text`},
		{"a share without its sign", "unreachable: 2%", "unreachable: two", `"two" is not a share: write a percentage such as 2% or 2.5%, or a quoted fraction such as "1/50"`},
		{"more than the whole", "unreachable: 2%", "unreachable: 99%", `unreachable, late and partly are 104% of the devices together: at most 100%`},
		{"more than a hundred per cent", "unreachable: 2%", "unreachable: 102%", `"102%" is more than the whole`},
		{"regions that do not add up", "south: 30%", "south: 20%", `the regions are 90% of the devices together: they must add up to 100%`},
		{"types that do not add up", "unreachable: 2%", "unreachable: 2%, types: {esme: 50%, gsme: 40%}", `the types are 90% of the devices together: they must add up to 100%`},
		{"a type nobody knows", "unreachable: 2%", "unreachable: 2%, types: {esm: 100%}", `unknown word "esm": one of esme, gsme, gpf, chf, ppmid, hcalcs`},
		{"sleepy devices without gas meters", "unreachable: 2%", "unreachable: 2%, sleepy: 5%", `5% of the devices sleep and 0% are gas meters, the only ones that do: add gsme under types`},
		{"devices held by nobody", "unreachable: 2%", "unreachable: 2%, held by: {suplier: 5%}", `"suplier" holds devices and is no party of this drill`},
		{"devices that nobody holds", "unreachable: 2%", "unreachable: 2%, held by: {supplier: 5%}", `the parties with role supplier hold 5% of the devices together: they must hold all, or leave one party out, which gets the rest`},
		{"another network operator's certificates without another", "unreachable: 2%", "unreachable: 2%, wrong network operator: 10%", `add a second party with role networkOperator`},
		{"a rate without its unit", "700 an hour (sample)", "700", `"700" is not a rate: write a number, "an hour" and where the figure comes from`},
		{"a rate of nothing", "700 an hour (sample)", "0 an hour", `"0 an hour" is not a rate`},
		{"a category nobody knows", "category: large supplier", "category: giant supplier", `unknown party category "giant supplier"`},
		{"a role nobody knows", "role: supplier", "role: suplier", `unknown party role "suplier": did you mean "supplier"?`},
		{"a name of the world misspelt", "fleet.reachable.holding", "flet.reachable.holding", `unknown name "flet": did you mean "fleet"?`},
		{"a field misspelt", "fleet.reachable.holding", "fleet.reachabel.holding", `there is no "reachabel" here: did you mean "reachable"?`},
		{"a party in an expression", `holding("supplier").share == 1.0`, `holding("suplier").share == 1.0`, `: holding: unknown party "suplier": did you mean "supplier"?`},
		{"an issuer in an expression", `crl("issuing-oca")`, `crl("issuing-dca")`, `crl: unknown issuer "issuing-dca": did you mean "issuing-oca"?`},
		{"a share compared with a whole number", "share == 1.0", "share == 1", `== cannot stand between double and int: write the number with a point, such as 1.0`},
		{"one sign of equality", "share == 1.0", "share = 1.0", `this is not an expression`},
		{"a figure in place of a condition", `expect: fleet.changed.except("supplier").count == 0`, `expect: fleet.changed.except("supplier").count`, `is not a condition: compare it with something, such as == 0`},
		{"a time that is none", "at: 0:10", "at: 0:75", `"0:75" is not a scenario time: write hours and minutes, such as 0:40 or 36:00`},
		{"out of order", "at: 0:10", "at: 0:16", `0:15 stands after 0:16: the timeline is in order of time`},
		{"no time", "{at: 0:15, decide: confirm}", "{decide: confirm}", `this entry of the timeline has no time: add "at", or "when" with a condition`},
		{"a condition without a limit", "    by: 6:00 ", "    # by: 6:00 ", `"when" needs "by"`},
		{"a limit without a condition", "{at: 0:15, decide: confirm}", "{at: 0:15, by: 0:20, decide: confirm}", `"by" belongs to "when"`},
		{"a time and a condition", "  - when: fleet", "  - at: 9:00\n    when: fleet", `"at" and "when" in one entry`},
		{"a condition on a decision", "  - when: fleet", `  - when: chosen.revoke == "when done" && fleet`, `"when" waits for the world, not for a decision: move chosen.revoke into "if" beside it`},
		{"two things in one entry", "{at: 0:15, decide: confirm}", "{at: 0:15, decide: confirm, notify: panel}", `"decide", "notify" in one entry: write one of "inject", "decide", "notify", "do"`},
		{"nothing in an entry", "{at: 0:15, decide: confirm}", "{at: 0:15}", `nothing happens here`},
		{"a limit where it says nothing", "{at: 0:15, decide: confirm}", "{at: 0:15, decide: confirm, within: 5 minutes}", `"within" has no meaning with "decide": the time to answer stands with the decision`},
		{"a decision misspelt", "{at: 0:15, decide: confirm}", "{at: 0:15, decide: confrim}", `unknown decision "confrim": did you mean "confirm"?`},
		{"a decision never asked", "  - {at: 0:15, decide: confirm}\n", "", `decision "confirm" is never asked`},
		{"somebody nobody knows", "notify: pma chair", "notify: pma chare", `unknown recipient "pma chare": did you mean "pma chair"?`},
		{"a channel nobody knows", "as: mail", "as: pigeon", `unknown way for an inject to arrive "pigeon": one of "mail", "call", "news"`},
		{"an inject for nobody", "to: [dcc service desk]}\n    text: A backup", "to: []}\n    text: A backup", `"to" needs at least 1 entry, it has 0`},
		{"an inject without words", "    text: You must stop everything now. I will confirm in writing later.\n", "", `an inject without words: add "text" beside "inject"`},
		{"a blank text", "text: You must stop everything now. I will confirm in writing later.", `text: "  "`, `"text": it is empty: write some words`},
		{"a verb misspelt", "do: {replace: supplier", "do: {replce: supplier", `unknown verb "replce": did you mean "replace"?`},
		{"the verb in second place", "do: {replace: supplier, by: chosen.method}", "do: {by: chosen.method, replace: supplier}", `"by" is no verb: the verb "replace" comes first`},
		{"a parameter misspelt", "reason: keyCompromise", "raeson: keyCompromise", `"revoke" has no "raeson": did you mean "reason"?`},
		{"a parameter left out", ", reason: keyCompromise", "", `"revoke" needs "reason": an RFC 5280 reason`},
		{"a value nobody knows", "reason: keyCompromise", "reason: keyComprimise", `unknown reason "keyComprimise": did you mean "keyCompromise"?`},
		{"a phrase about nobody", "supplier old certificates", "suplier old certificates", `unknown certificates "suplier old certificates": did you mean "supplier old certificates"?`},
		{"a number that is none", "by: chosen.method}", "by: chosen.method, batch: many}", `"many" is not a whole number: write digits`},
		{"a length of time that is none", "by: chosen.method}", "by: chosen.method, retry: soon}", `"soon" is not a length of time: write a number and a unit, such as 40 minutes`},
		{"neither true nor false", "by: chosen.method}", `by: chosen.method, quietly: "yes"}`, `unknown quietly "yes": one of "true", "false"`},
		{"a decision that is none", "by: chosen.method", "by: chosen.mehtod", `there is no decision chosen.mehtod: did you mean "method"?`},
		{"an option that would not do", "by: chosen.method", "by: chosen.revoke", `chosen.revoke may be "when done", which does not do for "by"`},
		{"an option that nothing has", `chosen.revoke == "when done"`, `chosen.revoke == "when doen"`, `decision "revoke" has no option "when doen": did you mean "when done"?`},
		{"a body nobody knows", "of: dcc", "of: dc", `unknown body "dc": did you mean "dcc"?`},
		{"an expectation without a basis", `basis: permitted mechanisms, `, ``, `an expected answer needs its basis`},
		{"a basis without an expectation", `accept: {says`, `accept: {basis: none, says`, `a basis belongs to the expected answer`},
		{"two expectations", `accept: {says`, `accept: {expected: true, basis: none, says`, `a second expected answer in "confirm"`},
		{"an inject nobody knows", "inject: false alarm}", "inject: false alram}", `unknown inject "false alram": did you mean "false alarm"?`},
		{"an inject never used", "then: {inject: false alarm}", "then: {notify: panel}", `inject "false alarm" is never used`},
		{"no scripted answer", "    scripted: call back\n", "", `"confirm" has no "scripted"`},
		{"no answer for silence", "    on silence: call back\n", "", `"confirm" has no "on silence"`},
		{"a scripted answer that is none", "    scripted: call back", "    scripted: call bakc", `decision "confirm" has no option "call bakc": did you mean "call back"?`},
		{"silence that is none", "    on silence: call back", "    on silence: accepts", `decision "confirm" has no option "accepts": did you mean "accept"?`},
		{"silence that opens a key", "    on silence: adjourn", "    on silence: required", `silence never opens a key, and "required" opens "recovery": choose another answer for silence`},
		{"a key nobody knows", "opens: {key: recovery,", "opens: {key: recvery,", `unknown key "recvery": did you mean "recovery"?`},
		{"a key without guidance", "    weighs: guidance ", "    # weighs: guidance ", `"recovery key" can open a key: add "weighs: guidance"`},
		{"a factor not assessed", "      race: nobody is\n", "", `the script of "recovery key" does not assess "race"`},
		{"a factor nobody knows", "      race: nobody is\n", "      race: nobody is\n      rase: nobody\n", `unknown factor of the guidance "rase": did you mean "race"?`},
		{"a factor of another key", "      race: nobody is\n", "      race: nobody is\n      root: no\n", `unknown factor of the guidance "root"`},
		{"a quorum that cannot be", "quorum: procedure", "quorum: 4", `a quorum of 4 can never be reached: "pma" has 3 votes`},
		{"a quorum that the pack does not have", "    of: pma\n", "    of: dcc\n", `the procedure pack has no quorum for "dcc"`},
		{"a script slower than the limit", "takes: 5 minutes", "takes: 50 minutes", `the script deliberates for 50 minutes and the time to answer is 30 minutes`},
		{"no time to answer", "within: 10 minutes", "within: 0 minutes", `"confirm" gives no time to answer`},
		{"a list of answers to one question", "    scripted: call back", "    scripted: [call back, accept]", `"confirm" is asked once: give one scripted answer`},
		{"one option", "      accept: {says: \"the caller was no ARO\", then: {inject: false alarm}}\n", "", `"options" needs at least 2 entries, it has 1`},
		{"a thing twice", "title: Supplier", "id: S02\ntitle: Supplier", `mapping key "id" already defined`},
		{"a name in capitals", "      accept:", "      Accept:", `"Accept" is not a name: use small letters, digits, and single spaces or hyphens`},
		{"an anchor", "title: Supplier", "title: &x Supplier", `anchors and aliases (& and *) are not part of the language`},
		{"a tab", "minutes: 20", "minutes:\t20", `a tab or carriage return: write spaces`},
		{"an empty value", "minutes: 20", "minutes:", `"minutes" is empty: write a whole number`},
		{"an end before the end", "minutes: 20", "minutes: 20\nends: 5:00", `this is at 6:00 and the drill ends at 5:00`},
		{"not YAML", "minutes: 20", "minutes: [20", `it cannot be read as YAML`},
		{"an answer that opens and comes again", "opens: {key: recovery,", "again: {in: 1 hour, times: 2}, opens: {key: recovery,", `an answer that opens a key is final`},
		{"two decisions with one name in conditions", "  recovery key:\n", "  recovery-key:\n    asks: x\n    of: dcc\n    options: {a: {says: a}, b: {says: b}}\n    scripted: a\n    on silence: a\n    within: 1 minute\n  recovery key:\n", `two decisions would both be chosen.recovery_key`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			require.Contains(t, good, row.old, "the row changes nothing")
			_, err := scenario.Parse("x.yaml", []byte(strings.Replace(good, row.old, row.new, 1)), vocabulary())
			require.ErrorContains(t, err, row.want)
			var list scenario.Errors
			require.ErrorAs(t, err, &list)
			require.Regexp(t, `^x\.yaml:\d+:\d+: `, list[0].Error())
			lines := strings.Count(good, "\n")
			for _, e := range list {
				require.Positive(t, e.Pos.Line)
				require.Positive(t, e.Pos.Col)
				require.LessOrEqual(t, e.Pos.Line, lines+10)
				require.NotContains(t, e.What, "\n")
			}
		})
	}
}

// The place of an error is the word, not only the line: editors jump there.
func TestPlaces(t *testing.T) {
	t.Parallel()
	good := whole(t)
	rows := []struct{ name, old, new, word string }{
		{"a plain word", "label: AMBER", "label: AMBR", "AMBR"},
		{"in brackets", "role: supplier}", "role: suplier}", "suplier}"},
		{"behind letters that are longer than an octet", "name: Exercise Supplier A, category: large supplier", "name: Ünïcödé, category: giant supplier", "giant"},
		{"inside an expression", `fleet.changed.except("supplier")`, `fleet.changed.except("suppler")`, `"suppler"`},
		{"inside a quoted expression", `expect: fleet.changed.except("supplier").count == 0`, `expect: 'fleet.changed.except("suppler").count == 0'`, `"suppler"`},
		{"the key of an unknown word", "minutes: 20", "minuts: 20", "minuts"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(good, row.old, row.new, 1)
			_, err := scenario.Parse("x.yaml", []byte(text), vocabulary())
			var list scenario.Errors
			require.ErrorAs(t, err, &list)
			for _, e := range list {
				line := []rune(strings.Split(text, "\n")[e.Pos.Line-1])
				if strings.HasPrefix(string(line[e.Pos.Col-1:]), row.word) {
					return
				}
			}
			require.Fail(t, "no error at "+row.word, "%v", err)
		})
	}
}

func TestManyMistakesAreToldAtOnceAndInOrder(t *testing.T) {
	t.Parallel()
	text := whole(t)
	for _, change := range [][2]string{{"label: AMBER", "label: AMBR"}, {"as: mail", "as: pigeon"}, {"of: dcc", "of: dc"}} {
		text = strings.Replace(text, change[0], change[1], 1)
	}
	_, err := scenario.Parse("x.yaml", []byte(text), vocabulary())
	var list scenario.Errors
	require.ErrorAs(t, err, &list)
	require.Len(t, list, 3)
	require.True(t, list[0].Pos.Line < list[1].Pos.Line && list[1].Pos.Line < list[2].Pos.Line)
	var one *scenario.Error
	require.ErrorAs(t, err, &one)
}

func TestParseRefusesWhatNobodyWrites(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, in, want string }{
		{"nothing", "", "one YAML document"},
		{"two documents", "drill: 1\n---\ndrill: 1\n", "one YAML document"},
		{"a list", "- 1\n", "one YAML document that begins"},
		{"not text", "\xff\xfe", "not UTF-8"},
		{"a whole book", strings.Repeat("# a line\n", 40_000), "a scenario has at most"},
		{"brackets without end", strings.Repeat("[", 5000), "nested too deep"},
		{"hyphens without end", strings.Repeat("- ", 5000), "nested too deep"},
		{"a key twice, once in quotes", "drill: 1\n\"drill\": 1\n", "drill"},
		{"a list as a key", "drill: 1\n? [a, b]\n: c\n", "found an invalid key"},
		{"a tag", "drill: !x 1\n", "tags (!) are not part of the language"},
		{"an alias", "drill: *x\n", "anchors and aliases"},
		{"a merge", "drill: 1\n<<: {id: S01}\n", "not part of the language"},
		{"a control character", "drill: \"\\u0007\"\n", "control character"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := scenario.Parse("x.yaml", []byte(row.in), vocabulary())
			var list scenario.Errors
			require.ErrorAs(t, err, &list)
			require.ErrorContains(t, err, row.want)
		})
	}
}

// A vocabulary is ours: a mistake in it is not the planner's.
func TestABadVocabularyIsNotAScenarioError(t *testing.T) {
	t.Parallel()
	rows := []struct {
		spoil func(*scenario.Vocabulary)
		want  string
	}{
		{func(v *scenario.Vocabulary) { v.Names = append(v.Names, scenario.Name{Name: "weather", Type: "sky"}) }, `name "weather": there is no type "sky"`},
		{func(v *scenario.Vocabulary) { v.Functions[0].Result = "sky" }, `function "crl": there is no type "sky"`},
		{func(v *scenario.Vocabulary) { v.Types[0].Fields[0].Type = "sky" }, `field "count" of "devices": there is no type "sky"`},
		{func(v *scenario.Vocabulary) { v.Types[0].Methods[0].Result = "sky" }, `method "holding" of "devices": there is no type "sky"`},
		{func(v *scenario.Vocabulary) { v.Verbs[0].Params[1].Kind = 0 }, `verb "replace": parameter "batch" has no kind`},
		{func(v *scenario.Vocabulary) { v.Verbs[0].Params[1].Name = "by" }, `verb "replace": two things are called "by"`},
		{func(v *scenario.Vocabulary) { v.Verbs[1].Name = "replace" }, `verb "replace": a verb has a name of its own`},
	}
	for _, row := range rows {
		v := vocabulary()
		row.spoil(&v)
		_, err := scenario.Parse("x.yaml", []byte(whole(t)), v)
		require.ErrorContains(t, err, "laying out the vocabulary: "+row.want)
		var list scenario.Errors
		require.False(t, errors.As(err, &list))
	}
}

func TestParsedScenario(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("x.yaml", []byte(whole(t)), vocabulary())
	require.NoError(t, err)
	require.Equal(t, "S01", s.ID)
	require.InDelta(t, 0.02, s.Estate.Unreachable, 1e-12)
	require.Equal(t, scenario.Rate{PerHour: 700, Note: "sample"}, s.Estate.Rate)
	require.Equal(t, "north", s.Estate.Regions[0].Name)
	require.Empty(t, s.Estate.Types, "electricity meters only")
	key, ok := s.Decision("recovery key")
	require.True(t, ok)
	require.Equal(t, "recovery_key", key.Ident)
	require.Equal(t, 3, key.Quorum)
	require.Equal(t, []string{"not required", "required", "adjourn"}, key.OptionNames())
	require.Len(t, key.Factors, 3, "factors of the contingency key do not belong here")
	require.Equal(t, "not required", key.ScriptedFor(7))
	var replace *scenario.Item
	for i := range s.Timeline {
		if s.Timeline[i].Do != nil && s.Timeline[i].Do.Verb == "replace" {
			replace = &s.Timeline[i]
		}
	}
	require.Equal(t, []string{"method"}, replace.Needs)
	require.Equal(t, []scenario.Arg{{Name: "by", Value: scenario.Value{Kind: scenario.Choice, Chosen: "method"}}, {Name: "batch", Value: scenario.Value{Kind: scenario.Number, Text: "1000"}}}, replace.Do.Params)
	require.Len(t, s.SHA256(), 64)
}

// property is what holds for every input: errors are the planner's and have a
// place, and formatting changes nothing but the form, once.
func property(t rapid.TB, b []byte, v scenario.Vocabulary) {
	t.Helper()
	_, err := scenario.Parse("x.yaml", b, v)
	var list scenario.Errors
	if err != nil {
		require.ErrorAs(t, err, &list, "what a person wrote is never a mistake of ours")
	}
	once, ferr := scenario.Format("x.yaml", b)
	if ferr != nil {
		require.Error(t, err, "what cannot be read cannot be a scenario")
		return
	}
	require.Equal(t, string(scenario.Dump(t, b)), string(scenario.Dump(t, once)), "formatting changes what it says:\n%s", once)
	twice, ferr := scenario.Format("x.yaml", once)
	require.NoError(t, ferr, "formatted:\n%s", once)
	require.Equal(t, string(once), string(twice), "formatting twice changes something")
	_, again := scenario.Parse("x.yaml", once, v)
	require.Equal(t, err == nil, again == nil, "formatting changes what it says: %v, then %v", err, again)
}

// pieces are what a slip of the hand puts into a scenario.
var pieces = []string{":", ": ", "- ", "#", " # note", "{", "}", "[", "]", ",", "'", "\"", "|", ">", "|-", ">-\n  ", "&x", "*x", "!x", "?", "%", "@", "\\",
	"\n", "\n\n", "  ", "\t", "é", "\u2028", "0x1", "1e3", "~", "null", "true", ".5", "on silence", "---", "...", "<<", "\x00"}

// TestSlipsOfTheHand mutates the example where a fuzzer would need long to find
// its way into it.
func TestSlipsOfTheHand(t *testing.T) {
	t.Parallel()
	good, v := whole(t), vocabulary()
	rapid.Check(t, func(rt *rapid.T) {
		lines := strings.SplitAfter(good, "\n")
		for range rapid.IntRange(1, 3).Draw(rt, "slips") {
			i := rapid.IntRange(0, len(lines)-1).Draw(rt, "line")
			switch rapid.IntRange(0, 3).Draw(rt, "how") {
			case 0:
				lines[i] = ""
			case 1:
				lines[i] += lines[rapid.IntRange(0, len(lines)-1).Draw(rt, "copy")]
			default:
				at := rapid.IntRange(0, len(lines[i])).Draw(rt, "at")
				cut := rapid.IntRange(at, min(at+3, len(lines[i]))).Draw(rt, "cut")
				lines[i] = lines[i][:at] + rapid.SampledFrom(pieces).Draw(rt, "piece") + lines[i][cut:]
			}
		}
		text := strings.Join(lines, "")
		defer func() {
			if t.Failed() {
				rt.Logf("%s", text)
			}
		}()
		property(rt, []byte(text), v)
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole(f)))
	for _, s := range []string{
		"a: |2-\n   x\n  y\n", "a: >\n  x\n\n  y\n", "a: >-\n  x  y\n\n\n  z\n  w\n", "- - a\n  - b\n- {c: d, e: [f]}\n", "# only\n", "a: 'x''y'\n", "a: \"x\\ny\" # c\n",
		"drill: 1\nid: S01\ntitle: x\n", "a:\n- b\n- c\n", "{a: b, c: }\n", "a: b #c\n\n\n# d\ne: f\n", "? a\n: b\n", "a: &x b\n",
	} {
		f.Add([]byte(s))
	}
	v := vocabulary()
	f.Fuzz(func(t *testing.T, b []byte) { property(t, b, v) })
}

func TestAnEstateOfManyKinds(t *testing.T) {
	t.Parallel()
	text := strings.Replace(whole(t), "unreachable: 2%", "unreachable: 2%, types: {esme: 60%, gsme: 40%}, sleepy: 5%, no wan: 1%, answers lost: 1%, "+
		"counters at odds: 1%, wrong network operator: 10%, held by: {other: 20%}", 1)
	text = strings.Replace(text, "parties:\n", "parties:\n  other: {name: Other Networks, category: large supplier, role: networkOperator}\n"+
		"  third: {name: Third Networks, category: large supplier, role: networkOperator}\n", 1)
	text = strings.Replace(text, "held by: {other: 20%}", "held by: {third: 20%}", 1)
	s, err := scenario.Parse("x.yaml", []byte(text), vocabulary())
	require.NoError(t, err)
	require.Equal(t, []scenario.Region{{Name: "esme", Share: 0.6}, {Name: "gsme", Share: 0.4}}, s.Estate.Types)
	require.Equal(t, []scenario.Region{{Name: "third", Share: 0.2}}, s.Estate.Held)
	require.Equal(t, []float64{0.05, 0.01, 0.01, 0.01, 0.1}, []float64{s.Estate.Sleepy, s.Estate.NoWAN, s.Estate.AnswersLost, s.Estate.AtOdds, s.Estate.Wrong})
}
