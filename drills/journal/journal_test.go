package journal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"smki.example/drills/journal"
	"smki.example/drills/words"
)

// clock ticks a second a look.
func clock() func() time.Time {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func create(t testing.TB) (*journal.Journal, string) {
	t.Helper()
	dir := t.TempDir()
	key, err := journal.LoadKey(filepath.Join(dir, "record.key"))
	require.NoError(t, err)
	pack := filepath.Join(dir, "pack")
	require.NoError(t, os.Mkdir(pack, 0o755))
	path := filepath.Join(pack, journal.FileName)
	j, err := journal.Create(path, journal.Config{Key: key, RunID: "S01-1", Clock: clock()})
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	return j, path
}

func TestEntriesAreOnDiskBeforeAppendReturns(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	for i := 1; i <= 5; i++ {
		seq, hash, err := j.Append(journal.KindInject, time.Duration(i)*time.Minute, journal.Inject{Text: fmt.Sprint(i), To: []string{}})
		require.NoError(t, err)
		require.EqualValues(t, i, seq)
		entries, err := journal.ReadAll(path)
		require.NoError(t, err)
		require.Len(t, entries, i)
		require.Equal(t, hash, entries[i-1].Hash)
		var body journal.Inject
		require.NoError(t, entries[i-1].Decode(&body))
		require.Equal(t, fmt.Sprint(i), body.Text)
	}
}

// The form of a line is a promise to auditors who have none of our software.
func TestLine(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	_, _, err := j.Append("note", 40*time.Minute+500*time.Millisecond, map[string]any{"b": "<&>", "a": 1.5, "é": []int{1}})
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `^\{"seq":1,"prev":"0{64}","at":"0:40:00\.5","wall":"2026-11-24T09:00:01Z","kind":"note","body":\{"a":1\.5,"b":"<&>","é":\[1\]\},"hash":"[0-9a-f]{64}"\}\n$`, string(b))
}

func TestHeadIsTheTreeOverTheLines(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(list []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(list))
		for i, x := range list {
			out[i] = hashes[x]
		}
		return out, nil
	})
	for n := range int64(9) {
		_, _, err := j.Append(journal.KindSkip, 0, journal.Skip{Step: fmt.Sprint(n)})
		require.NoError(t, err)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		more, err := tlog.StoredHashes(n, []byte(lines[n]), reader)
		require.NoError(t, err)
		hashes = append(hashes, more...)
		want, err := tlog.TreeHash(n+1, reader)
		require.NoError(t, err)
		require.Equal(t, tlog.Tree{N: n + 1, Hash: want}, j.Head())
		require.Equal(t, words.Of(want[:]), j.Words())
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	at := filepath.Join(filepath.Dir(path), journal.CheckpointName)
	for range 3 {
		_, _, err := j.Append(journal.KindSkip, 0, journal.Skip{})
		require.NoError(t, err)
		require.NoError(t, j.WriteCheckpoint(at))
		b, err := os.ReadFile(at)
		require.NoError(t, err)
		verifier, err := note.NewVerifier(j.Key().Verifier())
		require.NoError(t, err)
		n, err := note.Open(b, note.VerifierList(verifier))
		require.NoError(t, err)
		head := j.Head()
		require.Equal(t, fmt.Sprintf("drill-record/S01-1\n%d\n%s\nwords %s\n", head.N, head.Hash, j.Words()), n.Text)
	}
}

func TestAppendSignedSpeaksForItself(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	s, err := j.AppendSigned(journal.KindDecision, time.Hour, journal.Decision{Decision: "recovery key", Opens: "recovery"})
	require.NoError(t, err)
	entries, err := journal.ReadAll(path)
	require.NoError(t, err)
	require.Equal(t, entries[0].Line, s.Line)
	require.Equal(t, entries[0].Hash, s.Hash)
	verifier, err := note.NewVerifier(j.Key().Verifier())
	require.NoError(t, err)
	n, err := note.Open(s.Note, note.VerifierList(verifier))
	require.NoError(t, err)
	require.Equal(t, string(s.Line)+"\n", n.Text)
}

func TestAppendAfterAFailureIsRefused(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	_, _, err := j.Append(journal.KindSkip, 0, journal.Skip{})
	require.NoError(t, err)

	_, _, err = j.Append("note", 0, func() {})
	require.ErrorContains(t, err, `appending "note"`)
	_, _, err = j.Append("note", 0, []int{1})
	require.ErrorContains(t, err, "not an object")
	_, _, err = j.Append(journal.KindSkip, 0, journal.Skip{Why: strings.Repeat("x", 5<<20)})
	require.ErrorContains(t, err, "above the limit")
	seq, _, err := j.Append(journal.KindSkip, 0, journal.Skip{})
	require.NoError(t, err, "what could not be encoded leaves no hole")
	require.EqualValues(t, 2, seq)

	j.BreakFile()
	_, _, err = j.Append(journal.KindSkip, 0, journal.Skip{})
	require.ErrorContains(t, err, "writing journal")
	_, _, again := j.Append(journal.KindSkip, 0, journal.Skip{})
	require.ErrorContains(t, again, err.Error(), "a record with a hole takes nothing more")
	require.EqualValues(t, 2, j.Head().N)
	entries, err := journal.ReadAll(path)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

func TestCloseIsFinal(t *testing.T) {
	t.Parallel()
	j, _ := create(t)
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	_, _, err := j.Append(journal.KindSkip, 0, journal.Skip{})
	require.ErrorIs(t, err, journal.ErrClosed)
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	good := journal.Config{Key: j.Key(), RunID: "x", Clock: time.Now}
	_, err := journal.Create(path, good)
	require.ErrorIs(t, err, os.ErrExist, "a record is never written over")
	_, err = journal.Create(filepath.Join(t.TempDir(), "none", "j"), good)
	require.ErrorIs(t, err, os.ErrNotExist)
	for name, c := range map[string]journal.Config{
		"Config.Key":   {RunID: "x", Clock: time.Now},
		"Config.Clock": {Key: j.Key(), RunID: "x"},
		"Config.RunID": {Key: j.Key(), RunID: "a b", Clock: time.Now},
	} {
		_, err := journal.Create(filepath.Join(t.TempDir(), "j"), c)
		require.ErrorContains(t, err, name)
	}
}

func TestConcurrentAppendsMakeOneChain(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				if _, _, err := j.Append(journal.KindSkip, 0, journal.Skip{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	entries, err := journal.ReadAll(path)
	require.NoError(t, err)
	require.Len(t, entries, 40)
}

func TestReadNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	for i := range 3 {
		_, _, err := j.Append(journal.KindInject, time.Duration(i)*time.Minute, journal.Inject{Text: "all is well", To: []string{}})
		require.NoError(t, err)
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	rows := []struct {
		name string
		in   []byte
		good int
		is   error
		want string
	}{
		{"whole", whole, 3, nil, ""},
		{"the drill died inside the third line", whole[:len(whole)-20], 2, journal.ErrTorn, "entry 3"},
		{"only the line end is missing", whole[:len(whole)-1], 2, journal.ErrTorn, "entry 3"},
		{"a text changed", bytes.Replace(whole, []byte("well"), []byte("hell"), 1), 0, journal.ErrBroken, "entry 1"},
		{"a line taken out", join(lines[0], lines[2]), 1, journal.ErrBroken, "it is numbered 3"},
		{"two lines changed round", join(lines[1], lines[0], lines[2]), 0, journal.ErrBroken, "it is numbered 2"},
		{"a line twice", join(lines[0], lines[0]), 1, journal.ErrBroken, "it is numbered 1"},
		{"a space in a line", bytes.Replace(whole, []byte(`,"at"`), []byte(`, "at"`), 1), 0, journal.ErrBroken, "not in canonical form"},
		{"a member more", bytes.Replace(whole, []byte(`,"at"`), []byte(`,"x":1,"at"`), 1), 0, journal.ErrBroken, "unknown field"},
		{"a member twice", bytes.Replace(whole, []byte(`,"at"`), []byte(`,"seq":1,"at"`), 1), 0, journal.ErrBroken, "canonical"},
		{"an empty line", join(lines[0], []byte("\n"), lines[1]), 1, journal.ErrBroken, "entry 2"},
		{"a line without end", bytes.Repeat([]byte("x"), 6<<20), 0, journal.ErrBroken, "longer than"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "j")
			require.NoError(t, os.WriteFile(file, row.in, 0o600))
			entries, err := journal.ReadAll(file)
			require.Len(t, entries, row.good, "what stands before the fault is good")
			if row.is == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, row.is)
			require.ErrorContains(t, err, row.want)
		})
	}
	for range journal.Read(path) {
		break // a reader may stop early
	}
	_, err = journal.ReadAll(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Any one octet changed is found.
func TestEveryOctetCounts(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	for range 2 {
		_, _, err := j.Append(journal.KindMissed, time.Hour, journal.Missed{What: "é", By: "1:00"})
		require.NoError(t, err)
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		var bad error
		n := 0
		for _, err := range journal.ReadFrom(bytes.NewReader(changed)) {
			n++
			bad = err
		}
		require.Error(t, bad, "octet %d", i)
		require.LessOrEqual(t, n, 2)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"seq":1,"prev":"00","at":"0:00:00","wall":"2026-11-24T09:00:01Z","kind":"a","body":{},"hash":"00"}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var lines [][]byte
		for e, err := range journal.ReadFrom(bytes.NewReader(b)) {
			if err != nil {
				return
			}
			lines = append(lines, append(e.Line, '\n'))
		}
		require.Equal(t, string(b), string(bytes.Join(lines, nil)), "what is read as good is what was written")
	})
}

func TestSeal(t *testing.T) {
	t.Parallel()
	j, path := create(t)
	dir := filepath.Dir(path)
	_, _, err := j.Append(journal.KindStart, 0, journal.Start{})
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "certs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "certs", "a.pem"), []byte("a"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "summary.json"), []byte("{}"), 0o600))

	require.NoError(t, os.Symlink("summary.json", filepath.Join(dir, "link")))
	require.ErrorContains(t, j.Seal(time.Hour), `"link" is not a plain file`)
	require.NoError(t, os.Remove(filepath.Join(dir, "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a b"), nil, 0o600))
	require.ErrorContains(t, j.Seal(time.Hour), `"a b": use letters`)
	require.NoError(t, os.Remove(filepath.Join(dir, "a b")))

	require.NoError(t, j.Seal(time.Hour))
	_, _, err = j.Append(journal.KindSkip, 0, journal.Skip{})
	require.ErrorIs(t, err, journal.ErrClosed)
	entries, err := journal.ReadAll(path)
	require.NoError(t, err)
	last := entries[len(entries)-1]
	require.Equal(t, journal.KindSeal, last.Kind)
	var seal journal.Seal
	require.NoError(t, last.Decode(&seal))
	require.Equal(t, []journal.SealedFile{
		{Name: "certs/a.pem", SHA256: "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
		{Name: "summary.json", SHA256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
	}, seal.Files)
	sums, err := os.ReadFile(filepath.Join(dir, journal.SumsName))
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-f]{64}  certs/a\.pem\n[0-9a-f]{64}  checkpoint\.txt\n[0-9a-f]{64}  journal\.jsonl\n[0-9a-f]{64}  summary\.json\n$`, string(sums))
	check, err := os.ReadFile(filepath.Join(dir, journal.CheckpointName))
	require.NoError(t, err)
	require.Contains(t, string(check), "\nwords "+j.Words()+"\n")
}

func TestSealWantsTheNameOfAPack(t *testing.T) {
	t.Parallel()
	j, _ := create(t)
	other, err := journal.Create(filepath.Join(t.TempDir(), "other.jsonl"), journal.Config{Key: j.Key(), RunID: "x", Clock: clock()})
	require.NoError(t, err)
	require.ErrorContains(t, other.Seal(0), `is called "journal.jsonl", not "other.jsonl"`)
	require.NoError(t, other.Close())
}

func TestKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.key")
	fingerprints := make([]string, 6)
	var group sync.WaitGroup
	for i := range fingerprints {
		group.Go(func() {
			k, err := journal.LoadKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			fingerprints[i] = k.Fingerprint()
		})
	}
	group.Wait()
	for _, f := range fingerprints {
		require.Equal(t, fingerprints[0], f, "whoever comes first makes the key for all")
	}
	require.Regexp(t, `^[0-9a-f]{64}$`, fingerprints[0])
	k, err := journal.LoadKey(path)
	require.NoError(t, err)
	require.Equal(t, k.Fingerprint(), journal.Fingerprint(k.Public()))
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, st.Mode().Perm())
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = journal.LoadKey(path)
	require.ErrorContains(t, err, "others may read it (mode 0640): run chmod 600")
	secret, err := os.ReadFile(path)
	require.NoError(t, err)

	broken := filepath.Join(t.TempDir(), "broken.key")
	require.NoError(t, os.WriteFile(broken, secret[:len(secret)-9], 0o600))
	_, err = journal.LoadKey(broken)
	require.ErrorContains(t, err, "it is not a record key")
	require.NotContains(t, err.Error(), string(secret[:40]))
	_, err = journal.LoadKey(filepath.Join(t.TempDir(), "none", "key"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestMasked(t *testing.T) {
	t.Parallel()
	run := func(serial string) string {
		j, path := create(t)
		_, _, err := j.Append(journal.KindStart, 0, journal.Start{Run: "r" + serial[:4], Scenario: "S01", RecordKey: j.Key().Fingerprint(), Verifier: j.Key().Verifier(), Epoch: time.Now()})
		require.NoError(t, err)
		_, _, err = j.Append(journal.KindCertificate, time.Minute, map[string]any{
			"serial": serial, "device": "90-B3-D5-1F-30-01-00-00", "signature": "short", "count": 3,
			"text": "certificate " + serial + " since 2026-11-24T09:00:00Z; head " + j.Words(), "der": strings.Repeat("MII+", 20) + "==",
			"files": map[string]any{"certs/" + serial + ".pem": "issued"},
			"pem":   "-----BEGIN CERTIFICATE-----\n" + serial + "\n-----END CERTIFICATE-----\n",
		})
		require.NoError(t, err)
		entries, err := journal.ReadAll(path)
		require.NoError(t, err)
		b, err := journal.Masked(entries)
		require.NoError(t, err)
		return string(b)
	}
	one, two := run("0123456789ABCDEF0123456789ABCDEF"), run("fedcba9876543210fedcba9876543210")
	require.Equal(t, one, two)
	require.Contains(t, one, `2 0:01:00 certificate {"count":3,"der":"<base64>","device":"90-B3-D5-1F-30-01-00-00","files":{"certs/<hex>.pem":"issued"},"pem":"<pem>\n","serial":"<serial>","signature":"<signature>","text":"certificate <hex> since <time>; head <words>"}`)
	require.NotContains(t, one, "drill-record+")
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.MapOf(rapid.String(), rapid.OneOf(
			rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "s") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.Int64().Draw(t, "i") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.SliceOf(rapid.Bool()).Draw(t, "l") }),
		)).Draw(t, "v")
		once, err := journal.Canonical(v)
		require.NoError(t, err)
		twice, err := journal.Canonical(json.RawMessage(once))
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		require.NotContains(t, string(once), "\n")
	})
	_, err := journal.Canonical(json.RawMessage(`{} {}`))
	require.Error(t, err)
}

func TestScenarioTime(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0:00:00", 40 * time.Minute: "0:40:00", 36*time.Hour + time.Second: "36:00:01", -time.Minute: "-0:01:00", 1500 * time.Millisecond: "0:00:01.5",
	} {
		require.Equal(t, want, journal.FormatAt(d))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(-1<<62, 1<<62).Draw(t, "d"))
		got, err := journal.ParseAt(journal.FormatAt(d))
		require.NoError(t, err)
		require.Equal(t, d, got)
	})
	for _, bad := range []string{"", "0:40", "0:4:00", "00:40:00", "0:60:00", "0:40:00.", "0:40:00.50", "-0:00:00", "9999999999:00:00", "0:00:00.0000000001"} {
		_, err := journal.ParseAt(bad)
		require.Error(t, err, bad)
	}
}
