package custody

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The text of a share is made for paper: capital letters and digits without
// those that look alike, in rows of four groups of five, each row ending in two
// check characters, so that whoever types it learns which row to read again.
//
// The octets behind it: version, set, k, n, index, values, and the first four
// octets of a SHA-256 over all of these.
const (
	shareVersion = 1
	headSize     = 8
	sumSize      = 4
	rowSize      = 20
	checkSize    = 2
	groupSize    = 5
)

const characters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var alphabet = base32.NewEncoding(characters).WithPadding(base32.NoPadding)

// A ShareError says which of the shares that were given cannot be read, and
// where it goes wrong.
type ShareError struct {
	Given int // which of the shares given, from 1; 0 if there was one only
	Row   int // which row of its text, from 1; 0 if the text as a whole
	Why   string
}

// Error names the share and the row.
func (e *ShareError) Error() string {
	where := "the share"
	if e.Given > 0 {
		where = fmt.Sprintf("share %d of those given", e.Given)
	}
	if e.Row > 0 {
		where += fmt.Sprintf(", row %d", e.Row)
	}
	return fmt.Sprintf("reading %s: %s", where, e.Why)
}

// Text is the share on one line, which [ParseShare] reads. It is the secret
// itself: it belongs on paper or in a file of the custodian's own.
func (s Share) Text() string { return strings.Join(s.rows(), " ") }

// String says which share this is and nothing of what is in it, so that a share
// in a log or an error gives nothing away.
func (s Share) String() string {
	return fmt.Sprintf("share %d of %d (set %s)", s.index, s.of, s.Set())
}

// GoString is String, for %#v.
func (s Share) GoString() string { return s.String() }

// Card is the share as a sheet for its custodian: what it is, how many open
// what, and the numbered rows. [ParseShare] reads it.
func (s Share) Card(what string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Custodian share %d of %d for %s. Any %d of them open it. Set %s.\n", s.index, s.of, what, s.open, s.Set())
	for i, row := range s.rows() {
		fmt.Fprintf(&b, "%2d) %s\n", i+1, row)
	}
	return b.String()
}

func (s Share) rows() []string {
	octets := append([]byte{shareVersion}, s.set[:]...)
	octets = append(octets, s.open, s.of, s.index)
	octets = append(octets, s.values...)
	sum := sha256.Sum256(octets)
	text := alphabet.EncodeToString(append(octets, sum[:sumSize]...))
	var rows []string
	for i := 0; len(text) > 0; i++ {
		row := text[:min(rowSize, len(text))]
		text = text[len(row):]
		var groups []string
		for rest := row; len(rest) > 0; {
			n := min(groupSize, len(rest))
			groups = append(groups, rest[:n])
			rest = rest[n:]
		}
		rows = append(rows, strings.Join(append(groups, rowCheck(i, row)), "-"))
	}
	return rows
}

// rowCheck is two characters that change whenever one character of the row
// changes or two change places, which is what typing does: the row is read as a
// number in base 37 modulo the prime 1021, in which no two positions of a row
// weigh the same. It depends on the row's number, so that rows in the wrong
// order do not pass either. It is "" for a row with a character that no share
// has.
func rowCheck(i int, row string) string {
	sum := i + 1
	for _, c := range []byte(row) {
		value := strings.IndexByte(characters, c)
		if value < 0 {
			return ""
		}
		sum = (sum*37 + value) % 1021
	}
	return string([]byte{characters[sum/32], characters[sum%32]})
}

var rowNumber = regexp.MustCompile(`^\s*[0-9]{1,2}\)`)

var looksLike = strings.NewReplacer("O", "0", "I", "1", "L", "1", "-", "", " ", "", "\t", "", "\r", "")

// ParseShare reads a share as [Share.Text] or [Share.Card] wrote it or a
// person typed it: small letters, spaces and line breaks anywhere, O for 0 and
// I or L for 1 are understood. The error is a *[ShareError] that names the row
// with the slip.
func ParseShare(text string) (Share, error) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		line = rowNumber.ReplaceAllString(strings.TrimRight(line, "\n"), "")
		b.WriteString(looksLike.Replace(strings.ToUpper(line)))
	}
	rest := b.String()
	if rest == "" {
		return Share{}, &ShareError{Why: "it is empty"}
	}
	var data strings.Builder
	for i := 0; len(rest) > 0; i++ {
		n := min(rowSize+checkSize, len(rest))
		row := rest[:n]
		rest = rest[n:]
		if n <= checkSize {
			return Share{}, &ShareError{Row: i + 1, Why: "it is cut off"}
		}
		body, check := row[:n-checkSize], row[n-checkSize:]
		if rowCheck(i, body) != check {
			return Share{}, &ShareError{Row: i + 1, Why: "its check characters do not match; read that row again"}
		}
		data.WriteString(body)
	}
	octets, err := alphabet.DecodeString(data.String())
	if err != nil {
		return Share{}, &ShareError{Why: "it holds a character that no share has"}
	}
	return decodeShare(octets)
}

func decodeShare(octets []byte) (Share, error) {
	if len(octets) < headSize+valueSize+sumSize {
		return Share{}, &ShareError{Why: "it is cut off; rows are missing at the end"}
	}
	body, sum := octets[:len(octets)-sumSize], octets[len(octets)-sumSize:]
	want := sha256.Sum256(body)
	if string(want[:sumSize]) != string(sum) {
		return Share{}, &ShareError{Why: "its checksum does not match; rows are missing at the end or it was altered"}
	}
	s := Share{open: body[5], of: body[6], index: body[7], values: body[headSize:]}
	copy(s.set[:], body[1:5])
	switch {
	case body[0] != shareVersion:
		return Share{}, &ShareError{Why: fmt.Sprintf("it is of version %d, and version %d can be read", body[0], shareVersion)}
	case len(s.values)%valueSize != 0:
		return Share{}, &ShareError{Why: "its length is that of no share"}
	case s.open < leastOpen || s.of < s.open || s.of > mostShares || s.index == 0 || s.index > s.of:
		return Share{}, &ShareError{Why: fmt.Sprintf("it calls itself share %d of %d, %d open, which is impossible", s.index, s.of, s.open)}
	}
	return s, nil
}

// ParseShares reads several shares; the error, a *[ShareError], says which of
// them cannot be read, counted from 1.
func ParseShares(texts []string) ([]Share, error) {
	shares := make([]Share, len(texts))
	for i, text := range texts {
		s, err := ParseShare(text)
		var shareErr *ShareError
		if errors.As(err, &shareErr) {
			shareErr.Given = i + 1
			return nil, shareErr
		}
		shares[i] = s
	}
	return shares, nil
}
