package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Kind says what an entry tells. Kinds are strings on disk and stay as they
// are; new ones may be added, and readers pass over kinds they do not know.
type Kind string

// The kinds of entries. The engine writes those whose bodies are in body.go;
// custody, keyuse, certificate, revocation, crl, shard and message come from
// whoever carries out the verbs.
const (
	KindStart       Kind = "start"
	KindSteady      Kind = "steady"
	KindInject      Kind = "inject"
	KindNotify      Kind = "notify"
	KindQuestion    Kind = "question"
	KindDecision    Kind = "decision"
	KindCustody     Kind = "custody"
	KindKeyUse      Kind = "keyuse"
	KindCertificate Kind = "certificate"
	KindRevocation  Kind = "revocation"
	KindCRL         Kind = "crl"
	KindShard       Kind = "shard"
	KindMessage     Kind = "message"
	KindAct         Kind = "act"
	KindSkip        Kind = "skip"
	KindMissed      Kind = "missed"
	KindPause       Kind = "pause"
	KindSteer       Kind = "steer"
	KindFinding     Kind = "finding"
	KindClosing     Kind = "closing"
	KindOutcome     Kind = "outcome"
	KindSeal        Kind = "seal"
)

// noPrev stands in the first entry, which has no line before it.
var noPrev = strings.Repeat("0", 2*sha256.Size)

// maxLine bounds an entry: a shard of 100,000 devices is counts and a root, so
// even a generous entry stays far below, and a reader need not fear a file.
const maxLine = 4 << 20

// Entry is one line of a journal.
//
// On disk it is `{"seq":1,"prev":"…","at":"0:40:00","wall":"…","kind":"…",
// "body":{…},"hash":"…"}` with the members in this order. hash is the SHA-256
// of the same text without its hash member; prev is the SHA-256 of the whole
// line before, without its line end.
type Entry struct {
	Seq  int64
	Prev string
	At   time.Duration // scenario time
	Wall time.Time
	Kind Kind
	Body json.RawMessage
	Hash string
	Line []byte // as on disk, without the line end; set by Read
}

// Decode reads the body into v, one of the types in body.go or the caller's.
func (e Entry) Decode(v any) error {
	if err := json.Unmarshal(e.Body, v); err != nil {
		return fmt.Errorf("reading entry %d (%s): %w", e.Seq, e.Kind, err)
	}
	return nil
}

// encode writes the line and its hash.
func (e Entry) encode() (line []byte, hash string, err error) {
	var b bytes.Buffer
	kind, err := Canonical(string(e.Kind))
	if err != nil {
		return nil, "", err
	}
	fmt.Fprintf(&b, `{"seq":%d,"prev":"%s","at":"%s","wall":"%s","kind":%s,"body":%s`,
		e.Seq, e.Prev, FormatAt(e.At), e.Wall.Format(time.RFC3339Nano), kind, e.Body)
	sum := sha256.Sum256(append(b.Bytes(), '}'))
	hash = hex.EncodeToString(sum[:])
	fmt.Fprintf(&b, `,"hash":"%s"}`, hash)
	return b.Bytes(), hash, nil
}

// parseEntry reads a line and requires that writing it again gives the same
// octets, so that nothing can hide in spaces, doubled members or odd escapes.
func parseEntry(line []byte) (Entry, error) {
	var raw struct {
		Seq  int64           `json:"seq"`
		Prev string          `json:"prev"`
		At   string          `json:"at"`
		Wall string          `json:"wall"`
		Kind Kind            `json:"kind"`
		Body json.RawMessage `json:"body"`
		Hash string          `json:"hash"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return Entry{}, err
	}
	at, err := ParseAt(raw.At)
	if err != nil {
		return Entry{}, err
	}
	wall, err := time.Parse(time.RFC3339Nano, raw.Wall)
	if err != nil {
		return Entry{}, err
	}
	body, err := Canonical(raw.Body)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Seq: raw.Seq, Prev: raw.Prev, At: at, Wall: wall, Kind: raw.Kind, Body: body}
	again, hash, err := e.encode()
	if err != nil {
		return Entry{}, err
	}
	switch {
	case raw.Hash != hash:
		return Entry{}, fmt.Errorf("its hash is %s, the entry says %s", hash, raw.Hash)
	case !bytes.Equal(again, line):
		return Entry{}, fmt.Errorf("the line is not in canonical form")
	}
	e.Hash, e.Line = hash, again
	return e, nil
}

// Canonical encodes v as JSON in the one form that a journal uses: members in
// alphabetical order, no spaces, no HTML escapes, numbers as encoding/json
// writes them. Encoding the result again changes nothing.
func Canonical(v any) ([]byte, error) {
	first, err := encodeJSON(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(first))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return encodeJSON(tree)
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return trimLine(b.Bytes()), nil
}

// FormatAt writes scenario time as hours, minutes and seconds, "0:40:00"; a
// fraction of a second only if there is one. Times before the start have a
// minus sign.
func FormatAt(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	s := fmt.Sprintf("%s%d:%02d:%02d", sign, int64(d/time.Hour), int64(d/time.Minute)%60, int64(d/time.Second)%60)
	if f := d % time.Second; f != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%09d", int64(f)), "0")
	}
	return s
}

// ParseAt reads what FormatAt writes.
func ParseAt(s string) (time.Duration, error) {
	text, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(text, ".")
	parts := strings.Split(whole, ":")
	if len(parts) == 3 && len(fraction) <= 9 {
		var n [4]int64
		ok := true
		for i, p := range append(parts, (fraction + "000000000")[:9]) {
			v, err := strconv.ParseUint(p, 10, 31)
			ok, n[i] = ok && err == nil, int64(v)
		}
		d := time.Duration(n[0])*time.Hour + time.Duration(n[1])*time.Minute + time.Duration(n[2])*time.Second + time.Duration(n[3])
		if negative {
			d = -d
		}
		if ok && n[0] <= maxHours && FormatAt(d) == s {
			return d, nil
		}
	}
	return 0, fmt.Errorf("reading scenario time %q: want hours, minutes and seconds such as 0:40:00", s)
}

// maxHours is where a time.Duration ends.
const maxHours = 2_500_000
