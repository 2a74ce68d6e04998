package roombook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"smki.example/drills/journal"
)

// Bounds on what a book takes, so that a reader need not fear a file.
const (
	maxLine = 4 << 20 // an entry; the largest holds a scenario
	maxText = 1 << 20 // what a person types
)

// Entry is one line of a book.
//
// On disk it is `{"seq":1,"prev":"…","at":"0:40:00","wall":"…","run":1,
// "kind":"…","body":{…},"hash":"…"}` with the members in this order, as in a
// journal: hash is the SHA-256 of the same text without its hash member; prev is
// the SHA-256 of the whole line before, without its line end, and zeros in the
// first.
type Entry struct {
	Seq  int64
	Prev string
	At   time.Duration // scenario time
	Wall time.Time
	Run  int // run of the drill that it belongs to; 0 before the first
	Kind Kind
	Body Body // with its texts; nil for a kind that this program does not know
	Raw  json.RawMessage
	Hash string
	Line []byte // as on disk, without the line end
}

// noPrev stands in the first entry, which has no line before it.
var noPrev = strings.Repeat("0", 2*sha256.Size)

// sum is what the next entry has as prev.
func (e Entry) sum() string {
	if e.Seq == 0 {
		return noPrev
	}
	sum := sha256.Sum256(e.Line)
	return hex.EncodeToString(sum[:])
}

// encode sets Raw, Hash and Line from the rest; Raw alone if Body is nil.
func (e *Entry) encode() error {
	if e.Body != nil {
		raw, err := journal.Canonical(e.Body)
		if err != nil {
			return err
		}
		e.Raw = raw
	}
	kind, err := journal.Canonical(string(e.Kind))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"seq":%d,"prev":"%s","at":"%s","wall":"%s","run":%d,"kind":%s,"body":%s`,
		e.Seq, e.Prev, journal.FormatAt(e.At), e.Wall.Format(time.RFC3339Nano), e.Run, kind, e.Raw)
	sum := sha256.Sum256(append(b.Bytes(), '}'))
	e.Hash = hex.EncodeToString(sum[:])
	fmt.Fprintf(&b, `,"hash":"%s"}`, e.Hash)
	if b.Len() > maxLine {
		return fmt.Errorf("an entry of %d octets is above the limit of %d", b.Len(), maxLine)
	}
	e.Line = b.Bytes()
	return nil
}

// parseEntry reads a line and requires that writing it again gives the same
// octets, so that nothing can hide in spaces, doubled members or odd escapes.
func parseEntry(line []byte) (Entry, error) {
	var raw struct {
		Seq  int64           `json:"seq"`
		Prev string          `json:"prev"`
		At   string          `json:"at"`
		Wall string          `json:"wall"`
		Run  int             `json:"run"`
		Kind Kind            `json:"kind"`
		Body json.RawMessage `json:"body"`
		Hash string          `json:"hash"`
	}
	if err := strict(line, &raw); err != nil {
		return Entry{}, err
	}
	at, err := journal.ParseAt(raw.At)
	if err != nil {
		return Entry{}, err
	}
	wall, err := time.Parse(time.RFC3339Nano, raw.Wall)
	if err != nil {
		return Entry{}, err
	}
	body, err := journal.Canonical(raw.Body)
	if err != nil {
		return Entry{}, err
	}
	if !bytes.HasPrefix(body, []byte("{")) {
		return Entry{}, fmt.Errorf("the body is not an object")
	}
	e := Entry{Seq: raw.Seq, Prev: raw.Prev, At: at, Wall: wall, Run: raw.Run, Kind: raw.Kind, Raw: body}
	if err := e.encode(); err != nil {
		return Entry{}, err
	}
	switch {
	case raw.Hash != e.Hash:
		return Entry{}, fmt.Errorf("its hash is %s, the entry says %s", e.Hash, raw.Hash)
	case !bytes.Equal(e.Line, line):
		return Entry{}, fmt.Errorf("the line is not in canonical form")
	}
	if kind, known := bodies[e.Kind]; known {
		v := reflect.New(kind)
		if err := json.Unmarshal(e.Raw, v.Interface()); err != nil {
			return Entry{}, err
		}
		e.Body = v.Elem().Interface().(Body)
	}
	return e, nil
}

// encodeSaid writes a line of the file of texts.
func encodeSaid(l saidLine) ([]byte, error) { return journal.Canonical(l) }

// parseSaid reads a line of the file of texts and checks that the text is the one
// that its hash commits to.
func parseSaid(line []byte) (saidLine, error) {
	var l saidLine
	if err := strict(line, &l); err != nil {
		return l, err
	}
	salt, err := hex.DecodeString(l.Salt)
	if err != nil || len(salt) != saltSize {
		return l, fmt.Errorf("its salt is not %d octets in hex", saltSize)
	}
	if got := hashOf(salt, l.Text); got != l.SHA256 {
		return l, fmt.Errorf("it is not the text that was typed: its hash is %s, the line says %s", got, l.SHA256)
	}
	again, err := encodeSaid(l)
	if err != nil {
		return l, err
	}
	if !bytes.Equal(again, line) {
		return l, fmt.Errorf("the line is not in canonical form")
	}
	return l, nil
}

// strict decodes one JSON value without members that v does not have.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}
