package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/library"
	"smki.example/drills/play"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// result is what a command line printed and how it ended.
type result struct {
	code     clikit.Code
	out, err string
}

// drillLine runs one command line in this process.
func drillLine(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	a := app()
	a.Writer, a.ErrWriter = &out, &errs
	code := clikit.Run(context.Background(), a, append([]string{"drill"}, args...),
		clikit.When(clikit.Unavailable, verbs.ErrUnavailable), clikit.WhenType[scenario.Errors](clikit.Failed))
	return result{code, out.String(), errs.String()}
}

// needsToken skips what plays drills where SoftHSM is missing.
func needsToken(t *testing.T, r result) {
	t.Helper()
	if r.code == clikit.Unavailable {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(r.err)
		}
		t.Skip(r.err)
	}
}

// played plays a drill with the arguments and returns its pack.
func played(t *testing.T, args ...string) (result, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pack")
	key := filepath.Join(t.TempDir(), "record.key")
	r := drillLine(t, append([]string{"run", "--out", dir, "--devices", "24", "--record-key", key}, args...)...)
	needsToken(t, r)
	return r, dir
}

// deep are the drills in which every option is played in each run of the tests: where
// a committee would start. The others' options are played by make check; their
// script's answers are played by the tests of drills/library.
var deep = []string{"S01", "S02", "S05", "S09", "S12"}

// Whatever is decided, the drill comes to its end, its record verifies, and the
// summary says what it cost.
func TestEveryOption(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	lines := map[string][][]string{
		"S01": {
			{"recovery key=required", "method=method 2"}, {"recovery key=required", "method=method 3"}, {"recovery key=adjourn,required", "method=method 3"},
			{"recovery key=required", "method=method 3", "revoke=at once"},
		},
		"S02": {
			{"recovery key=adjourn,required"}, {"recovery key=contingency,required", "method=method 2"}, {"first move=ask for a freeze first", "freeze=let it run"},
			{"first move=wait for the pma", "freeze=let it run", "recovery key=not required"}, {"method=method 2", "intruder certificates=revoke all of them"},
		},
	}
	ids := deep
	if os.Getenv("SMKI_SOAK") != "" {
		ids = library.IDs()
	}
	for _, id := range ids {
		s, err := library.Load(id, verbs.Vocabulary(p))
		require.NoError(t, err)
		all := append(lines[id], nil) // nil: the script's own answers
		for _, d := range s.Decisions {
			for _, o := range d.Options {
				if !slices.Contains(d.Scripted, o.Name) {
					all = append(all, []string{d.Name + "=" + o.Name})
				}
			}
		}
		for _, choices := range all {
			t.Run(id+" "+strings.Join(choices, ", "), func(t *testing.T) {
				t.Parallel()
				args := []string{id, "--json"}
				for _, c := range choices {
					args = append(args, "--choose", c)
				}
				r, dir := played(t, args...)
				require.Contains(t, []clikit.Code{clikit.Done, clikit.Failed}, r.code, r.err)
				var sum struct {
					Outcome, Finding, Head string
					Lines                  []play.Line
					Figures                verbs.Figures
				}
				require.NoError(t, json.Unmarshal([]byte(r.out), &sum), r.out+r.err)
				require.Equal(t, "finished", sum.Outcome)
				require.Equal(t, sum.Finding == "held", r.code == clikit.Done)
				if sum.Finding == "not held" {
					require.Contains(t, sum.Lines[0].Text, "which differs from the author's expectation", "what did not hold names the decision before it")
				}
				ends := 0
				for _, n := range sum.Figures.Ends {
					ends += n
				}
				require.Equal(t, sum.Figures.Devices, ends, "every Relevant Device comes to exactly one end")
				require.Zero(t, sum.Figures.Unaccounted)
				var labels []string
				for _, l := range sum.Lines {
					require.NotEmpty(t, l.Text, l.Label)
					labels = append(labels, l.Label)
				}
				require.Subset(t, labels, []string{"Did the system hold?", "Devices", "How long", "Consumers"}, "devices, hours and customers")
				v := drillLine(t, "verify", dir, "--head", sum.Head)
				require.Equal(t, clikit.Done, v.code, v.out)
			})
		}
	}
}

// The script's answers hold, the last line is the pack's path, and a pipe gets
// nothing but the result.
func TestRun(t *testing.T) {
	t.Parallel()
	r, dir := played(t, "S01")
	require.Equal(t, clikit.Done, r.code, r.err)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Equal(t, dir, lines[len(lines)-1])
	require.True(t, strings.HasPrefix(lines[0], "EXERCISE - AMBER - S01 "), lines[0])
	require.Contains(t, r.out, "SCRIPTED ANSWER: no member voted")
	require.Contains(t, r.out, "For the minutes")
	require.Empty(t, r.err)
	for _, name := range []string{"journal.jsonl", "checkpoint.txt", "report.html", "devices.csv", "summary.json", "SHA256SUMS",
		"keys/mac-secrets.json", "keys/record.pub.pem", "certs/root-oca.pem", "certs/recovery.pem", "crls/issuing-oca-1.crl"} {
		require.FileExists(t, filepath.Join(dir, name))
	}
	messages, err := filepath.Glob(filepath.Join(dir, "messages", "*.hex"))
	require.NoError(t, err)
	require.NotEmpty(t, messages)
	for _, m := range messages {
		d := drillLine(t, "gbcs", "decode", m, "--certs", filepath.Join(dir, "certs"), "--at", "2026-01-01T00:00:00Z")
		require.Equal(t, clikit.Done, d.code, "%s: %s%s", m, d.out, d.err)
	}
}

// A pack is written once, and what a command line gets wrong is said before
// anything is made.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a folder that is there":     {[]string{"run", "S01", "--out", dir}, "exists already: name a new folder"},
		"no folder":                  {[]string{"run", "S01"}, "--out is required"},
		"a drill that is not":        {[]string{"run", "S99", "--out", dir + "/x"}, `no drill "S99" is shipped: there are S01, S02`},
		"a file that is not":         {[]string{"run", "nowhere.yaml", "--out", dir + "/x"}, "no such file"},
		"a decision that is not":     {[]string{"run", "S01", "--out", dir + "/x", "--choose", "methods=method 1"}, `did you mean "method"?`},
		"an option that is not":      {[]string{"run", "S01", "--out", dir + "/x", "--choose", "method=method 4"}, `"method" has no option "method 4"`},
		"a body that decides naught": {[]string{"run", "S01", "--out", dir + "/x", "--as", "panel"}, `nobody called "panel" decides anything in S01`},
		"no devices":                 {[]string{"run", "S01", "--out", dir + "/x", "--devices", "0"}, "--devices must be 1 to 1000000"},
		"more devices than memory":   {[]string{"run", "S01", "--out", dir + "/x", "--devices", "99999999999"}, "--devices must be 1 to 1000000"},
		"asked and not asked":        {[]string{"run", "S01", "--out", dir + "/x", "--auto", "--as", "pma"}, "--auto asks nobody and --as asks"},
		"an answer too many":         {[]string{"run", "S01", "--out", dir + "/x", "--choose", "recovery key=required,adjourn"}, `answer 2 for "recovery key" would never be asked for`},
		"an unknown flag":            {[]string{"run", "S01", "--out", dir + "/x", "--device", "5"}, "did you mean --devices?"},
		"a stray word":               {[]string{"run", "S01", "S02", "--out", dir + "/x"}, `unexpected argument "S02"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := drillLine(t, append(c.args, "--record-key", filepath.Join(t.TempDir(), "k"))...)
			require.Equal(t, clikit.Usage, r.code, r.err)
			require.Contains(t, r.err, c.want)
			require.Empty(t, r.out)
			require.NoDirExists(t, dir+"/x")
		})
	}
}

// One octet changed anywhere, a file added or taken away: the record is not intact.
func TestVerify(t *testing.T) {
	t.Parallel()
	r, dir := played(t, "S02", "--json")
	require.Equal(t, clikit.Done, r.code, r.err)
	var sum struct{ Head, RecordKey string }
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(r.out, "record_key", "RecordKey", 1)), &sum))
	v := drillLine(t, "verify", dir)
	require.Equal(t, clikit.Done, v.code, v.out)
	require.Contains(t, v.out, "intact; signer not checked")
	v = drillLine(t, "verify", "--key", sum.RecordKey, dir, "--head", sum.Head)
	require.Equal(t, clikit.Done, v.code, "flags may stand anywhere: %s%s", v.out, v.err)
	v = drillLine(t, "verify", dir, "--key", strings.Repeat("0", 64))
	require.Equal(t, clikit.Failed, v.code)

	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	require.Greater(t, len(files), 50)
	for i, f := range files {
		if i%7 != 0 && filepath.Dir(f) != dir {
			continue
		}
		whole, err := os.ReadFile(f)
		require.NoError(t, err)
		at := (i * 7919) % len(whole)
		bent := bytes.Clone(whole)
		bent[at] ^= 1
		require.NoError(t, os.WriteFile(f, bent, 0o644))
		v := drillLine(t, "verify", dir)
		require.Equal(t, clikit.Failed, v.code, "octet %d of %s: %s", at, f, v.out)
		require.NoError(t, os.WriteFile(f, whole, 0o644))
	}
	require.Equal(t, clikit.Done, drillLine(t, "verify", dir).code, "all is as it was")
	stray := filepath.Join(dir, "messages", "stray.hex")
	require.NoError(t, os.WriteFile(stray, []byte("00\n"), 0o644))
	require.Equal(t, clikit.Failed, drillLine(t, "verify", dir).code)
	v = drillLine(t, "verify", dir+"-nowhere")
	require.Equal(t, clikit.Usage, v.code)
	require.Contains(t, v.err, "give the folder of an evidence pack", "it says what to do instead")
	require.Equal(t, clikit.Usage, drillLine(t, "verify", filepath.Join(dir, "journal.jsonl")).code)
}

func TestReportAndCompare(t *testing.T) {
	t.Parallel()
	r, a := played(t, "S02")
	require.Equal(t, clikit.Done, r.code, r.err)
	r, b := played(t, "S02", "--choose", "recovery key=not required")
	require.Equal(t, clikit.Failed, r.code, "the devices that were taken stay taken")
	require.Contains(t, r.out, "NO.")

	out := filepath.Join(t.TempDir(), "a.html")
	require.Equal(t, clikit.Done, drillLine(t, "report", a, "--format", "html", "--out", out).code)
	page, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(page), "S02")
	require.NotContains(t, string(page), "<script", "a page that prints needs no program")
	csv := drillLine(t, "report", a, "--format", "csv", "--out", "-")
	require.Equal(t, clikit.Done, csv.code)
	require.Contains(t, csv.out, "recovery key")
	wrong := drillLine(t, "report", a, "--format", "doc", "--out", out)
	require.Equal(t, clikit.Usage, wrong.code)
	inPack := drillLine(t, "report", a, "--out", filepath.Join(a, "again.html"))
	require.Equal(t, clikit.Usage, inPack.code)
	require.Contains(t, inPack.err, "which is sealed")

	both := drillLine(t, "compare", a, b)
	require.Equal(t, clikit.Done, both.code, both.err)
	require.Contains(t, both.out, "taken by the intruder")
	asJSON := drillLine(t, "compare", a, b, "--json")
	require.True(t, json.Valid([]byte(asJSON.out)))
	require.NotEqual(t, clikit.Done, drillLine(t, "compare", a, b+"-nowhere").code)
}

func TestListAndCheck(t *testing.T) {
	t.Parallel()
	r := drillLine(t, "list", "--json")
	require.Equal(t, clikit.Done, r.code)
	var all []listed
	require.NoError(t, json.Unmarshal([]byte(r.out), &all))
	require.Equal(t, "S01", all[0].ID)
	require.Contains(t, drillLine(t, "list").out, "S02  Supplier signing key stolen")

	for _, d := range all {
		require.Equal(t, clikit.Done, drillLine(t, "check", d.ID).code)
	}
	_, text, err := library.Source("S01")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte("do: {replace: supplier"), []byte("do: {replaces: supplier"), 1), 0o644))
	r = drillLine(t, "check", file)
	require.Equal(t, clikit.Failed, r.code)
	require.Contains(t, r.err, `unknown verb "replaces": did you mean "replace"?`)
	require.Regexp(t, `mine\.yaml:\d+:\d+: `, r.err)
	r = drillLine(t, "check", "--json", file)
	require.True(t, json.Valid([]byte(r.out)))
	r = drillLine(t, "run", file, "--out", filepath.Join(t.TempDir(), "p"))
	require.Equal(t, clikit.Failed, r.code)
	require.Contains(t, r.err, "did you mean")
}

// An answer that no question came for is named, and the result is none the worse.
func TestAnAnswerThatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	_, text, err := library.Source("S01")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "short.yaml")
	require.NoError(t, os.WriteFile(file, regexp.MustCompile(`again: \{in: [^,]*,`).ReplaceAll(text, []byte("again: {in: 2 days,")), 0o644))
	r, _ := played(t, file, "--choose", "recovery key=adjourn,required")
	require.Contains(t, r.out, "EXERCISE")
	require.Equal(t, "drill: warning: answer 2 for \"recovery key\", \"required\", was never asked for\n", r.err)
}

// Without a home there is nowhere to keep the record key, which a flag can name; and
// a drill that cannot start leaves no folder behind. The environment is the
// process's, so this test runs alone.
func TestAStartThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pack")
	t.Setenv("HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	r := drillLine(t, "run", "S01", "--auto", "--out", dir)
	require.Equal(t, clikit.Usage, r.code, r.err)
	require.Contains(t, r.err, "name the key's file with --record-key")
	require.NoDirExists(t, dir)

	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	r = drillLine(t, "run", "S01", "--auto", "--out", dir, "--record-key", filepath.Join(filepath.Dir(dir), "key"))
	require.Equal(t, clikit.Failed, r.code, r.err)
	require.Contains(t, r.err, "making the scratch folder")
	require.NoDirExists(t, dir)
}

// The record key is made at first use, where only its owner can read it, and is
// the same from then on.
func TestRecordKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "record.key")
	first, err := recordKey(path)
	require.NoError(t, err)
	again, err := recordKey(path)
	require.NoError(t, err)
	require.Equal(t, first.Fingerprint(), again.Fingerprint())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, "-rw-------", fmt.Sprint(info.Mode()))
}
