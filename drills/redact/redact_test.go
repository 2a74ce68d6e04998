package redact_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/redact"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
	"smki.example/drills/verify"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// pack is a sealed record of a small exercise in the room, with its closing words.
// Entries of the journal: 1 start, 2 inject, 3 question, 4 decision, 5 pause, 6
// outcome, 7 seal. Of the book: 1 opened, 2 joined, 3 run, 4 and 5 votes of the chair,
// 6 of the network member, 7 a note.
func pack(t *testing.T) (dir, words string) {
	t.Helper()
	dir = t.TempDir()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	book, err := roombook.Open(dir)
	require.NoError(t, err)
	on := roombook.On{Decision: "recovery key", Asking: 1}
	for _, body := range []roombook.Body{
		roombook.Opened{Exercise: "spring"},
		roombook.Joined{Person: "p1", Name: roombook.Say("Ann Example"), Role: "player"},
		roombook.Run{Number: 1, Why: "begun"},
		roombook.Cast{Seat: "pma/chair", On: on, Option: "not required", Reason: roombook.Say("not yet certain of anything")},
		roombook.Cast{Seat: "pma/chair", On: on, Option: "required", Reason: roombook.Say("the hospital in Exampleton is on these meters")},
		roombook.Cast{Seat: "pma/network", On: on, Option: "required", Reason: roombook.Say("agreed")},
		roombook.Note{Person: "p1", Tag: "strength", Text: roombook.Say("quick and calm")},
	} {
		_, err := book.Append(now, 0, body)
		require.NoError(t, err)
	}
	require.NoError(t, book.Close())

	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	j, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "run-1", Clock: func() time.Time { return now }})
	require.NoError(t, err)
	options := []journal.Option{{Name: "required"}, {Name: "not required"}}
	for _, e := range []struct {
		kind journal.Kind
		body any
	}{
		{journal.KindStart, journal.Start{Run: "run-1", Scenario: "S02", Label: "AMBER", Epoch: now, RecordKey: key.Fingerprint(), Verifier: key.Verifier(), ScenarioText: "text: \"We cannot\n    reach our meters\""}},
		{journal.KindInject, journal.Inject{As: "mail", Text: "We cannot reach our meters"}},
		{journal.KindQuestion, journal.Question{Decision: "recovery key", Body: "pma", Asking: 1, Options: options}},
		{journal.KindDecision, journal.Decision{Decision: "recovery key", Body: "pma", Question: 3, Asking: 1, Options: options, Chosen: "required", Answered: "members",
			Votes: []journal.Vote{{Member: "chair", Option: "required", Reason: "the hospital in Exampleton is on these meters"}, {Member: "network", Option: "required", Reason: "agreed"}}}},
		{journal.KindPause, journal.Pause{Phase: "pause", Why: "somebody from the real desk rang about Exampleton"}},
		{journal.KindOutcome, journal.Outcome{Outcome: "finished", Finding: "none"}},
	} {
		_, _, err := j.Append(e.kind, time.Minute, e.body)
		require.NoError(t, err)
	}
	for _, name := range []string{"report.html", "minutes.pdf", "before/1/journal.jsonl"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("the hospital in Exampleton"), 0o644))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "keys"), 0o755))
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keys", "record.pub.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))
	h := policytest.NewHierarchy(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "certs"), 0o755))
	for name, c := range map[string]*policy.Certificate{"root-oca": h.RootOCA.Certificate, "issuing-oca": h.IssuingOCA.Certificate} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "certs", name+".pem"), c.PEM(), 0o644))
	}
	summary, err := json.Marshal(map[string]string{"run": "run-1", "scenario": "S02", "outcome": "finished", "finding": "none", "record_key": key.Fingerprint()})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "summary.json"), summary, 0o644))
	require.NoError(t, j.Seal(time.Minute))
	words = j.Words()
	requireIntact(t, dir, words)
	return dir, words
}

func requireIntact(t *testing.T, dir, words string) *verify.Result {
	t.Helper()
	r, err := verify.Pack(dir, verify.Options{Head: words})
	require.NoError(t, err)
	require.True(t, r.Intact, r.Verdict())
	return r
}

func verdict(t *testing.T, dir, words string) string {
	t.Helper()
	r, err := verify.Pack(dir, verify.Options{Head: words})
	require.NoError(t, err)
	return r.Verdict()
}

// everything is what the files of a folder hold, in one text.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			b.Write(raw)
		}
		return err
	}))
	return b.String()
}

var full = redact.Options{Entries: []int64{4, 5}, Texts: []int64{5, 2}}

func TestCopyHasTheWordsOfTheRecord(t *testing.T) {
	t.Parallel()
	dir, words := pack(t)
	out := filepath.Join(t.TempDir(), "copy")
	taken, err := redact.Pack(dir, out, full)
	require.NoError(t, err)
	require.Equal(t, &redact.Taken{Entries: []int64{4, 5}, Files: []string{"before/1/journal.jsonl", "minutes.pdf", "report.html"}, Texts: []int64{2, 5}}, taken)

	r := requireIntact(t, out, words)
	require.Equal(t, &verify.Redacted{Entries: []int64{4, 5}, Files: taken.Files, Texts: []int64{2, 5}}, r.Redacted)
	require.Equal(t, "intact; the words given are those of the closing head; taken out of this copy, and cannot have been changed: 2 entries of the journal, texts of 2 entries of the book and 3 files", r.Verdict())
	text := everything(t, out)
	for _, gone := range []string{"Exampleton", "Ann Example"} {
		require.NotContains(t, text, gone)
	}
	require.Contains(t, text, "not yet certain of anything", "what was not named stays")
	require.Contains(t, everything(t, dir), "Exampleton", "the record itself is not touched")
	requireIntact(t, dir, words)

	sums := exec.Command("sha256sum", "--quiet", "-c", "SHA256SUMS")
	sums.Dir = out
	output, err := sums.CombinedOutput()
	require.NoError(t, err, string(output))

	// New documents are made from the copy, and show the gaps.
	made, err := report.Load(out, nil)
	require.NoError(t, err)
	var minutes strings.Builder
	require.NoError(t, made.Minutes().HTML(&minutes))
	require.Contains(t, minutes.String(), "lacks 2 entries of the record and 2 texts that people typed")
	require.Contains(t, minutes.String(), "The answer is not in this copy of the record.")
}

func TestMoreIsTakenOutOfACopy(t *testing.T) {
	t.Parallel()
	dir, words := pack(t)
	first, second := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")
	_, err := redact.Pack(dir, first, redact.Options{Texts: []int64{7}})
	require.NoError(t, err)
	requireIntact(t, first, words)
	taken, err := redact.Pack(first, second, full)
	require.NoError(t, err)
	require.Equal(t, []int64{2, 5, 7}, taken.Texts)
	require.Len(t, taken.Files, 3)
	requireIntact(t, second, words)
	_, err = redact.Pack(second, filepath.Join(t.TempDir(), "3"), redact.Options{Entries: []int64{4}})
	require.ErrorContains(t, err, "taken out of this copy already")
	_, err = redact.Pack(second, filepath.Join(t.TempDir(), "3"), redact.Options{Texts: []int64{7}})
	require.ErrorContains(t, err, "taken out already")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	dir, _ := pack(t)
	for why, row := range map[string]struct {
		o    redact.Options
		want string
	}{
		"nothing named": {redact.Options{}, "nothing is to be taken out"},
		"no such entry": {redact.Options{Entries: []int64{9}}, "has no entry 9; it has 7"},
		"number zero":   {redact.Options{Entries: []int64{0}}, "has no entry 0"},
		"the seal":      {redact.Options{Entries: []int64{7}}, `entry 7 is a "seal"`},
		"the start":     {redact.Options{Entries: []int64{1}}, `entry 1 is a "start"`},
		"a question, by which a decision is read":    {redact.Options{Entries: []int64{3}}, `entry 3 is a "question"`},
		"no such entry of the book":                  {redact.Options{Texts: []int64{8}}, "the book has no entry 8"},
		"an entry without a text":                    {redact.Options{Texts: []int64{3}}, "(run) has no text"},
		"a reason that the decision has too":         {redact.Options{Texts: []int64{5}}, "take them out too (--entry 4)"},
		"a decision of which the book has the words": {redact.Options{Entries: []int64{4}}, "take them out too (--text 5)"},
		"what the scenario says":                     {redact.Options{Entries: []int64{2}}, "stand in entry 1 (start), which cannot be taken out"},
	} {
		out := filepath.Join(t.TempDir(), "copy")
		_, err := redact.Pack(dir, out, row.o)
		var refusal *redact.Refusal
		require.ErrorAs(t, err, &refusal, why)
		require.ErrorContains(t, err, row.want, why)
		require.NoDirExists(t, out, why)
	}
	out := filepath.Join(t.TempDir(), "copy")
	_, err := redact.Pack(dir, out, redact.Options{Entries: []int64{2}, Leave: true})
	require.NoError(t, err)
	_, err = redact.Pack(dir, out, full)
	require.ErrorContains(t, err, "is there already")
	_, err = redact.Pack(t.TempDir(), filepath.Join(t.TempDir(), "copy"), full)
	require.Error(t, err)
}

// Whoever changes an octet of a copy is caught by its sums; whoever makes the sums
// anew is caught by what they cover. Nothing of a copy is free.
func TestEveryOctetOfACopyCounts(t *testing.T) {
	t.Parallel()
	dir, words := pack(t)
	out := filepath.Join(t.TempDir(), "copy")
	_, err := redact.Pack(dir, out, full)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		good, err := os.ReadFile(path)
		require.NoError(t, err)
		sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		require.NoError(t, err)
		step := max(1, len(good)/60)
		for i := 0; i < len(good); i += step {
			bad := []byte(string(good))
			bad[i] ^= 1 << (i % 8)
			require.NoError(t, os.WriteFile(path, bad, 0o644))
			r, err := verify.Pack(out, verify.Options{})
			require.NoError(t, err)
			require.False(t, r.Intact, "%s: octet %d", d.Name(), i)
			if d.Name() != "SHA256SUMS" {
				resum(t, out)
				require.Contains(t, verdict(t, out, words), "NOT INTACT", "%s: octet %d, with new sums", d.Name(), i)
				require.NoError(t, os.WriteFile(filepath.Join(out, "SHA256SUMS"), sums, 0o644))
			}
		}
		return os.WriteFile(path, good, 0o644)
	}))
	requireIntact(t, out, words)
}

// resum writes the sums anew, as whoever changes a pack can.
func resum(t *testing.T, dir string) {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "SHA256SUMS" {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	var b strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		sum := sha256.Sum256(raw)
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(sum[:]), name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644))
}

// A copy that says less than it lacks, or lacks what it may not, is refused, also
// with sums of its own.
func TestBentCopies(t *testing.T) {
	t.Parallel()
	dir, words := pack(t)
	for why, row := range map[string]struct {
		bend func(t *testing.T, out string)
		want string
	}{
		"it does not say that it lacks anything": {func(t *testing.T, out string) { remove(t, out, "redacted.json") }, "is missing"},
		"it says less": {func(t *testing.T, out string) {
			replace(t, out, "redacted.json", `"entries":[4,5]`, `"entries":[4]`)
		}, "does not say what was taken out"},
		"another text": {func(t *testing.T, out string) {
			replace(t, out, "room-texts.jsonl", "not yet certain", "now quite certain")
		}, "not the text that was typed"},
		"a text more gone": {func(t *testing.T, out string) {
			raw := file(t, out, "room-texts.jsonl")
			_, rest, _ := strings.Cut(raw, "\n")
			write(t, out, "room-texts.jsonl", rest)
		}, "redacted.json does not say what was taken out"},
		"texts in another order": {func(t *testing.T, out string) {
			lines := strings.SplitAfter(file(t, out, "room-texts.jsonl"), "\n")
			write(t, out, "room-texts.jsonl", lines[1]+lines[0]+strings.Join(lines[2:], ""))
		}, "stands in another place"},
		"a text twice": {func(t *testing.T, out string) {
			raw := file(t, out, "room-texts.jsonl")
			write(t, out, "room-texts.jsonl", raw+strings.SplitAfter(raw, "\n")[0])
		}, "is the text of no entry"},
		"the texts gone without a word":   {func(t *testing.T, out string) { remove(t, out, "room-texts.jsonl") }, "redacted.json does not say"},
		"a file that is no document gone": {func(t *testing.T, out string) { remove(t, out, "summary.json") }, `"summary.json" was sealed and is missing`},
		"the book gone":                   {func(t *testing.T, out string) { remove(t, out, "room.jsonl") }, `"room.jsonl" was sealed and is missing`},
		"a file more":                     {func(t *testing.T, out string) { write(t, out, "minutes.html", "new ones") }, "came after the seal"},
		"another leaf": {func(t *testing.T, out string) {
			raw := file(t, out, "journal.jsonl")
			i := strings.Index(raw, `"redacted":"`) + len(`"redacted":"`)
			write(t, out, "journal.jsonl", raw[:i]+strings.Repeat("0", 64)+raw[i+64:])
		}, "checkpoint"},
		"a question with the decision on it, which nothing else stands on": {func(t *testing.T, out string) {
			lines := strings.Split(file(t, out, "journal.jsonl"), "\n")
			lines[2] = string(journal.Redact(3, []byte(lines[2])))
			write(t, out, "journal.jsonl", strings.Join(lines, "\n"))
			replace(t, out, "redacted.json", "[4,5]", "[3,4,5]")
		}, "intact; "},
	} {
		out := filepath.Join(t.TempDir(), "copy")
		_, err := redact.Pack(dir, out, full)
		require.NoError(t, err)
		row.bend(t, out)
		resum(t, out)
		require.Contains(t, verdict(t, out, words), row.want, why)
	}
}

// A whole record that calls itself a copy, and one that lacks a text and does not.
func TestWholeRecordLacksNothing(t *testing.T) {
	t.Parallel()
	dir, words := pack(t)
	write(t, dir, "redacted.json", `{"entries":[],"files":[],"texts":[]}`+"\n")
	resum(t, dir)
	require.Contains(t, verdict(t, dir, words), "nothing was taken out of it")
	remove(t, dir, "redacted.json")
	write(t, dir, "room-texts.jsonl", "")
	resum(t, dir)
	require.Contains(t, verdict(t, dir, words), `"room-texts.jsonl" is not the file that was sealed`)
}

func file(t *testing.T, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(raw)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(dir, name)))
}

func replace(t *testing.T, dir, name, old, with string) {
	t.Helper()
	raw := file(t, dir, name)
	require.Contains(t, raw, old)
	write(t, dir, name, strings.Replace(raw, old, with, 1))
}
