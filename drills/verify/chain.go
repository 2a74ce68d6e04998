package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"smki.example/drills/words"
)

// An entry is one line of the journal.
type entry struct {
	Seq  int64           `json:"seq"`
	Prev string          `json:"prev"`
	At   string          `json:"at"`
	Wall time.Time       `json:"wall"`
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
	Hash string          `json:"hash"`

	at time.Duration
}

var timeText = regexp.MustCompile(`^(-?)([0-9]+):([0-5][0-9]):([0-5][0-9])(\.[0-9]{1,9})?$`)

// scenarioTime reads hours, minutes and seconds.
func scenarioTime(s string) (time.Duration, error) {
	m := timeText.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no scenario time", s)
	}
	d, err := time.ParseDuration(m[2] + "h" + m[3] + "m" + m[4] + m[5] + "s")
	if m[1] == "-" {
		d = -d
	}
	return d, err
}

var hashEnd = regexp.MustCompile(`,"hash":"([0-9a-f]{64})"}$`)

// journal reads journal.jsonl and checks its chain: numbers without a gap, each
// line's own hash, each line bound to the whole line before, scenario time and
// wall time that never run backwards. It also computes the head after every entry, so that words
// read out in the middle of a drill can be found again.
func (a *audit) journal() (string, error) {
	raw, err := a.read(journalFile)
	if err != nil {
		return "", fmt.Errorf("%s is missing", journalFile)
	}
	if len(raw) == 0 || raw[len(raw)-1] != '\n' {
		return "", fmt.Errorf("the last line is cut off: the drill died while it was written, or the file was shortened")
	}
	lines := bytes.Split(raw[:len(raw)-1], []byte("\n"))
	entries := make([]entry, 0, len(lines))
	heads := map[string]int64{}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	prev := strings.Repeat("0", 64)
	var before entry
	for i, line := range lines {
		// In a copy, the leaf of an entry stands for one that was taken out: the head
		// binds it, and the entry after it cannot be held against its line.
		e, leaf, gone := takenOut(line)
		if !gone {
			var err error
			if e, err = readEntry(line); err != nil {
				return "", fmt.Errorf("line %d: %v", i+1, err)
			}
			leaf = tlog.RecordHash(line)
		}
		switch {
		case e.Seq != int64(i+1):
			return "", fmt.Errorf("line %d has the number %d: an entry is missing or was put in", i+1, e.Seq)
		case gone:
		case prev != "" && e.Prev != prev:
			return "", fmt.Errorf("entry %d is not bound to the entry before it: that one was changed", e.Seq)
		case i > 0 && e.at < before.at:
			return "", fmt.Errorf("entry %d is told for %s, after one for %s: scenario time runs backwards", e.Seq, e.At, before.At)
		case i > 0 && e.Wall.Before(before.Wall):
			return "", fmt.Errorf("entry %d was written at %s, before the entry that it follows", e.Seq, e.Wall.Format(time.RFC3339))
		}
		prev = ""
		if !gone {
			before, prev = e, hexSum(line)
		}
		hashes, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		if err != nil {
			return "", fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		stored = append(stored, hashes...)
		head, err := tlog.TreeHash(int64(i+1), reader)
		if err != nil {
			return "", fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		heads[words.Of(head[:])] = e.Seq
		a.head = head
		entries = append(entries, e)
	}
	a.entries, a.heads = entries, heads
	a.result.Entries = int64(len(entries))
	a.result.Head = words.Of(a.head[:])
	return fmt.Sprintf("%d entries, one chain", len(entries)), nil
}

// readEntry checks a line's own hash and that the line has no octet that the
// hash or the members do not account for.
func readEntry(line []byte) (entry, error) {
	var e entry
	if err := hashedLine(line, &e); err != nil {
		return e, err
	}
	if e.Hash != string(hashEnd.FindSubmatch(line)[1]) {
		return e, fmt.Errorf("entry %d was changed: its hash does not fit", e.Seq)
	}
	var err error
	if e.at, err = scenarioTime(e.At); err != nil {
		return e, fmt.Errorf("entry %d: %v", e.Seq, err)
	}
	return e, nil
}

// checkpoint verifies the signed note with the public key in the pack, and that
// it speaks of this journal.
func (a *audit) checkpoint() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	public, err := a.recordKey()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(public)
	a.result.RecordKey = hex.EncodeToString(sum[:])
	raw, err := a.read(checkpointFile)
	if err != nil {
		return "", fmt.Errorf("%s is missing: the pack was never sealed, or the file was taken away", checkpointFile)
	}
	text, err := openNote(raw, public)
	if err != nil {
		return "", errors.New("the signature under the head does not hold with the record key of the pack")
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "drill-record/") {
		return "", fmt.Errorf("%s is not the checkpoint of a drill", checkpointFile)
	}
	for i, want := range []string{
		lines[0],
		fmt.Sprint(len(a.entries)),
		base64.StdEncoding.EncodeToString(a.head[:]),
		"words " + a.result.Head,
		"",
	} {
		if lines[i] != want {
			return "", fmt.Errorf("%s line %d says %q, the journal gives %q", checkpointFile, i+1, lines[i], want)
		}
	}
	if err := a.publishedKey(public); err != nil {
		return "", err
	}
	return fmt.Sprintf("head over %d entries, signed by record key %s…", len(a.entries), a.result.RecordKey[:16]), nil
}

// openNote returns the text of a note that key signed, and that nobody else did.
func openNote(raw []byte, key ed25519.PublicKey) (string, error) {
	verifierKey, err := note.NewEd25519VerifierKey("drill-record", key)
	if err != nil {
		return "", err
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return "", err
	}
	opened, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	if len(opened.UnverifiedSigs) != 0 {
		return "", errors.New("somebody else signed it too")
	}
	return opened.Text, nil
}

// publishedKey compares the record key with the one that the pack offers to
// people with other tools: they must not be shown a key that signed nothing.
func (a *audit) publishedKey(public ed25519.PublicKey) error {
	raw, err := a.read(recordKeyFile)
	if err != nil {
		return fmt.Errorf("%s is missing", recordKeyFile)
	}
	block, rest := pem.Decode(raw)
	if block == nil || len(bytes.TrimSpace(rest)) != 0 {
		return fmt.Errorf("%s holds no single key in PEM", recordKeyFile)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if published, is := key.(ed25519.PublicKey); err != nil || !is || !published.Equal(public) {
		return fmt.Errorf("%s is not the key that signed the head", recordKeyFile)
	}
	return nil
}

// recordKey reads the public half of the record key from the first entry.
func (a *audit) recordKey() (ed25519.PublicKey, error) {
	var start struct {
		RecordKey string `json:"record_key"`
		Verifier  string `json:"record_verifier"`
	}
	first := a.entries[0]
	if first.Kind != "start" {
		return nil, fmt.Errorf("the first entry is a %q and not the start", first.Kind)
	}
	if err := json.Unmarshal(first.Body, &start); err != nil {
		return nil, fmt.Errorf("the start cannot be read: %v", err)
	}
	fields := strings.SplitN(start.Verifier, "+", 3)
	if len(fields) != 3 {
		return nil, errors.New("the start names no record key")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != 1 {
		return nil, errors.New("the record key in the start is no Ed25519 key")
	}
	public := ed25519.PublicKey(raw[1:])
	sum := sha256.Sum256(public)
	if hex.EncodeToString(sum[:]) != start.RecordKey {
		return nil, errors.New("the start names a fingerprint that is not its record key's")
	}
	return public, nil
}

// binding compares the record with what stands outside it. Words of the closing
// head bind everything, the seal and through it every file. Words of an earlier
// head bind only what stood before them, and a record may have been rewritten
// after them: that is not enough, unless the key vouches for the rest.
func (a *audit) binding() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	keyHolds := false
	var said []string
	if a.options.Key != "" {
		given := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(a.options.Key))
		if given != a.result.RecordKey {
			return "", fmt.Errorf("the record is signed by key %s, not by the one given: another installation wrote it, or it was written anew", a.result.RecordKey)
		}
		keyHolds = true
		said = append(said, "signed by the record key given")
	}
	if a.options.Head != "" {
		head, err := words.Parse(a.options.Head)
		if err != nil {
			return "", fmt.Errorf("reading the words given: %v", err)
		}
		seq, known := a.heads[words.Of(head)]
		switch {
		case !known:
			return "", errors.New("the words given are those of no head of this record: it is another record, or it was written anew")
		case seq < int64(len(a.entries)) && !keyHolds:
			return "", fmt.Errorf("the words given are those of entry %d of %d and bind nothing after it; give the closing words, or --key as well", seq, len(a.entries))
		case seq < int64(len(a.entries)):
			said = append(said, fmt.Sprintf("the words given bind entries 1 to %d", seq))
		default:
			said = append(said, "the words given are those of the closing head")
		}
	}
	if len(said) == 0 {
		a.result.Signer = "signer not checked"
		return "nothing given to bind the record to; signer not checked", nil
	}
	a.result.Bound = true
	a.result.Signer = strings.Join(said, "; ")
	return a.result.Signer, nil
}
