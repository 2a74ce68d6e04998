package verify_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/verify"
)

func check(t *testing.T, dir string, o verify.Options) *verify.Result {
	t.Helper()
	r, err := verify.Pack(dir, o)
	require.NoError(t, err)
	return r
}

func TestHonestRecord(t *testing.T) {
	t.Parallel()
	w := pack{}.write(t)

	plain := check(t, w.dir, verify.Options{})
	require.True(t, plain.Intact, plain.Verdict())
	require.False(t, plain.Bound)
	require.Equal(t, "intact; signer not checked (give --key or --head from the minutes)", plain.Verdict())
	require.Equal(t, "finished", plain.Outcome)
	require.Equal(t, "held", plain.Finding)

	for _, o := range []verify.Options{
		{Key: w.key},
		{Head: w.closing},
		{Head: strings.ToLower(strings.ReplaceAll(w.closing, "-", " "))},
		{Key: strings.ToUpper(w.key), Head: w.atDecision},
	} {
		r := check(t, w.dir, o)
		require.True(t, r.Intact, r.Verdict())
		require.True(t, r.Bound)
	}
}

// The words of a decision, alone, let everything after it be written anew.
func TestEarlierWordsAreNotEnough(t *testing.T) {
	t.Parallel()
	w := pack{}.write(t)
	r := check(t, w.dir, verify.Options{Head: w.atDecision})
	require.False(t, r.Intact)
	require.Contains(t, r.Verdict(), "bind nothing after it")
}

// Whoever holds a pack can write another and sign it with a key of his own. Only
// what stands outside the pack shows it.
func TestWhollyRewrittenRecord(t *testing.T) {
	t.Parallel()
	minutes, forged := pack{}.write(t), pack{}.write(t)
	require.True(t, check(t, forged.dir, verify.Options{}).Intact, "a forgery is a record like any other to somebody without the minutes")
	require.Contains(t, check(t, forged.dir, verify.Options{Key: minutes.key}).Verdict(), "NOT INTACT: binding")
	require.Contains(t, check(t, forged.dir, verify.Options{Head: minutes.closing}).Verdict(), "NOT INTACT: binding")
	require.Contains(t, check(t, forged.dir, verify.Options{Head: "not a word"}).Verdict(), "nearest")
}

const yes, no, wait = "required", "not required", "wait"

// Votes that carry, by each rule that a question may state.
func TestVotesThatCarry(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]pack{
		"three of five":               {votes: []string{yes, yes, yes, no, no}},
		"three of the five seats":     {votes: []string{yes, yes, yes}, majority: "more than half of the members with a vote"},
		"two thirds":                  {votes: []string{yes, yes, no}, majority: "two thirds of the votes cast"},
		"a tie that the chair broke":  {votes: []string{yes, no, yes, no}, casting: "chair"},
		"a chair who did not have to": {votes: []string{no, yes, yes}, casting: "chair"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, p.write(t).dir, verify.Options{})
			require.True(t, r.Intact, r.Verdict())
		})
	}
}

func TestBentRecords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why  string
		pack pack
		want string
	}{
		{"silence never opens a key", pack{silence: true}, `silence opened "recovery"`},
		{"a factor that shall be weighed was not", pack{unassessed: true}, `factor "evidence" not assessed`},
		{"an answer without a question", pack{noQuestion: true}, "never asked"},
		{"an answer that was no option", pack{otherOption: true}, "which was no option"},
		{"too few custodians", pack{shares: 2}, "2 shares of the 3 needed"},
		{"a key used with nobody holding it open", pack{noCustody: true}, "no custodians held it open"},
		{"more signatures than allowed", pack{count: -1}, "1 signatures, the authorisation allows 0"},
		{"a command of the Recovery key that no entry tells of", pack{untold: true}, "no decision accounts for"},
		{"a command laid on an intruder that the drill does not have", pack{untold: true, copied: true}, "the drill has none with that key"},
		{"a command that neither a decision nor the intruder made", pack{untold: true, intruder: true}, "no decision accounts for"},
		{"an authorisation for another decision", pack{otherDecision: true}, "names another decision"},
		{"an authorisation by somebody else", pack{strangersNote: true}, "not signed by the record key"},
		{"the token made more signatures than were told", pack{uses: 1}, "made 2 signatures, the record accounts for 1"},
		{"a command signed by a stranger's key", pack{wrongSignature: true}, "verifies its signature"},
		{"a key opened and never closed", pack{neverClosed: true}, "never closed"},
		{"a command of another mode signed by the Recovery key", pack{otherMode: true, untold: true, noCustody: true}, "no decision accounts for"},
		{"an authorisation signed for another count", pack{signedCount: 1}, "is not the one that is told"},
		{"a key used after its time", pack{late: true}, "outside the time of authorisation"},
		{"an entry told for an earlier time", pack{backwards: true}, "runs backwards"},
		{"a verdict that its own findings do not bear out", pack{falseVerdict: true}, `its own findings say "not held"`},
		{"a decision on another question", pack{otherAsked: true}, "is not the one that was asked"},
		{"fewer votes than the quorum", pack{twoVotes: true}, "2 members voted"},
		{"a tie", pack{votes: []string{yes, no, yes, no}}, `"required" was chosen with 2 of 4 votes, the question wants more than half of the votes cast`},
		{"the most votes without a majority", pack{votes: []string{yes, no, yes, wait}}, `chosen with 2 of 4 votes`},
		{"fewer votes than another option", pack{votes: []string{yes, no, no}}, `chosen with 1 votes, "not required" had 2`},
		{"half of the seats", pack{votes: []string{yes, yes, no}, majority: "more than half of the members with a vote"}, "wants more than half of the members"},
		{"three fifths", pack{votes: []string{yes, yes, yes, no, no}, majority: "two thirds of the votes cast"}, "wants two thirds"},
		{"a tie with the casting vote for the other", pack{votes: []string{no, yes, yes, no}, casting: "chair"}, "chosen with 2 of 4 votes"},
		{"a casting vote with no tie to break", pack{votes: []string{yes, no, yes, wait}, casting: "chair"}, "chosen with 2 of 4 votes"},
		{"a vote for nothing that was asked", pack{votes: []string{yes, yes, "beer"}}, `"small" voted for "beer", which was no option`},
		{"no votes at all", pack{votes: []string{}}, "0 members voted"},
		{"a majority nobody knows", pack{majority: "whoever shouts loudest"}, "not known here"},
		{"members without a rule", pack{noRule: true}, "states no rule"},
		{"a vote of a guest", pack{guest: "authority"}, `"authority" voted and has no vote`},
		{"a member twice", pack{guest: "network"}, `"network" voted twice`},
		{"a public key that signed nothing, for people with openssl", pack{strangersKey: true}, "is not the key that signed the head"},
		{"a drill that broke off", pack{noOutcome: true}, "no outcome"},
		{"a pack that was never sealed", pack{noSeal: true}, "never sealed"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			r := check(t, row.pack.write(t).dir, verify.Options{})
			require.False(t, r.Intact)
			require.Contains(t, r.Verdict(), row.want)
		})
	}
}

// One octet changed anywhere, one file more or one file less: found, without
// anything from outside the pack.
func TestOneOctetAnywhere(t *testing.T) {
	t.Parallel()
	w := pack{}.write(t)
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		original, err := os.ReadFile(path)
		require.NoError(t, err)
		step := max(1, len(original)/60)
		for i := 0; i < len(original); i += step {
			changed := bytes.Clone(original)
			changed[i] ^= 0x01
			require.NoError(t, os.WriteFile(path, changed, 0o644))
			require.False(t, check(t, w.dir, verify.Options{}).Intact, "%s, octet %d", path, i)
		}
		require.NoError(t, os.WriteFile(path, original[:len(original)-1], 0o644))
		require.False(t, check(t, w.dir, verify.Options{}).Intact, "%s cut by one octet", path)
		require.NoError(t, os.Remove(path))
		require.False(t, check(t, w.dir, verify.Options{}).Intact, "%s taken away", path)
		return os.WriteFile(path, original, 0o644)
	})
	require.NoError(t, err)
	require.True(t, check(t, w.dir, verify.Options{}).Intact, "the pack is as it was")

	added := filepath.Join(w.dir, "certs", "another.pem")
	require.NoError(t, os.WriteFile(added, []byte("x"), 0o644))
	require.Contains(t, check(t, w.dir, verify.Options{}).Verdict(), "not listed")
	require.NoError(t, os.Remove(added))
	require.NoError(t, os.Symlink("/dev/null", added))
	require.Contains(t, check(t, w.dir, verify.Options{}).Verdict(), "no plain file")
	require.NoError(t, os.Remove(added))
	require.NoError(t, os.Mkdir(filepath.Join(w.dir, "crls"), 0o755))
	require.Contains(t, check(t, w.dir, verify.Options{}).Verdict(), "empty folder")
}

// The list of sums has one right form: other line ends or another order would let
// a tool that is less strict see another list.
func TestSumsInAnotherForm(t *testing.T) {
	t.Parallel()
	w := pack{}.write(t)
	path := filepath.Join(w.dir, "SHA256SUMS")
	right, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(right), "\n")
	for why, text := range map[string]string{
		"other line ends": strings.ReplaceAll(string(right), "\n", "\r\n"),
		"another order":   lines[1] + lines[0] + strings.Join(lines[2:], ""),
		"a line twice":    lines[0] + string(right),
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		require.False(t, check(t, w.dir, verify.Options{}).Intact, why)
	}
}

// Two readers of one text must read one thing.
func TestMemberTwice(t *testing.T) {
	t.Parallel()
	require.NoError(t, verify.PlainJSON([]byte(`{"a":[{"b":1},{"b":2}],"c":null}`)))
	for _, text := range []string{`{"finding":"not held","Finding":"held"}`, `{"a":{"b":1,"b":2}}`, `{"a":1} {}`, `{"a":`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		require.Error(t, verify.PlainJSON([]byte(text)), text)
	}
}

// A change that the changer covers up in SHA256SUMS still breaks the seal.
func TestSumsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := pack{}.write(t)
	path := filepath.Join(w.dir, "summary.json")
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	after := append(bytes.TrimSpace(before), '\n', '\n')
	require.NoError(t, os.WriteFile(path, after, 0o644))
	sums, err := os.ReadFile(filepath.Join(w.dir, "SHA256SUMS"))
	require.NoError(t, err)
	sums = bytes.Replace(sums, []byte(hexSum(before)), []byte(hexSum(after)), 1)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "SHA256SUMS"), sums, 0o644))
	require.Contains(t, check(t, w.dir, verify.Options{}).Verdict(), "NOT INTACT: seal")
}

func TestNoPack(t *testing.T) {
	t.Parallel()
	_, err := verify.Pack(filepath.Join(t.TempDir(), "none"), verify.Options{})
	require.ErrorContains(t, err, "opening the pack")
	empty := check(t, t.TempDir(), verify.Options{})
	require.False(t, empty.Intact)
}

// In a drill in which somebody has a copy of the key, his signatures are told apart
// from those that a decision allows.
func TestIntrudersCopy(t *testing.T) {
	t.Parallel()
	r := check(t, pack{untold: true, copied: true, intruder: true}.write(t).dir, verify.Options{})
	require.True(t, r.Intact, r.Verdict())
}
