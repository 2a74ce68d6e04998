package policy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A list of a million entries differs from the one before in a hundred. Whoever
// keeps the entries as bytes joins them to a list with what is here, instead of
// building all of it anew; the bytes are those of [TBSCRL].

// AppendCRLEntry appends one entry to out, as [TBSCRL] writes it.
func AppendCRLEntry(out []byte, e CRLEntry) ([]byte, error) {
	if err := checkCRLEntry(e); err != nil {
		return out, fmt.Errorf("building a revocation list: %w", err)
	}
	return appendEntry(out, e), nil
}

// TBSCRLAround returns what stands before and behind the entries in the
// to-be-signed bytes of a list whose entries have so many octets, all together.
// The entries of the template are not looked at. With no octets it is what stands
// around nothing.
func TBSCRLAround(t CRLTemplate, octets int) (before, behind []byte, err error) {
	t.Entries = nil
	empty, err := TBSCRL(t)
	if err != nil {
		return nil, nil, err
	}
	var body, extensions cryptobyte.String
	in := cryptobyte.String(empty)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return nil, nil, errors.New("policy: internal error: a list without entries is no SEQUENCE")
	}
	head := []byte(body)
	for range 5 { // version, signature, issuer, thisUpdate, nextUpdate
		var tag cbasn1.Tag
		if !body.ReadAnyASN1Element(&extensions, &tag) {
			return nil, nil, errors.New("policy: internal error: a list without entries has too few elements")
		}
	}
	behind = []byte(body)
	head = head[:len(head)-len(behind)]
	var entries []byte
	if octets > 0 {
		entries = appendHeader(nil, tagSequence, octets)
	}
	whole := len(head) + len(entries) + octets + len(behind)
	before = appendHeader(make([]byte, 0, len(head)+16), tagSequence, whole)
	before = append(append(before, head...), entries...)
	return before, behind, nil
}

// appendHeader writes tag and length of an element in DER.
func appendHeader(out []byte, tag byte, length int) []byte {
	if length < 0x80 {
		return append(out, tag, byte(length))
	}
	var long [8]byte
	binary.BigEndian.PutUint64(long[:], uint64(length))
	short := bytes.TrimLeft(long[:], "\x00")
	return append(append(out, tag, 0x80|byte(len(short))), short...)
}

// ListRoom is how many octets [AssembleList] needs in front of to-be-signed bytes, and
// ListTail how many behind.
const (
	ListRoom = 8
	ListTail = 128
)

// AssembleList is [Assemble] for the to-be-signed bytes of a list that was linted: it
// does not read fifty megabytes once more, and makes no second copy of them. They
// stand in buffer behind ListRoom octets, and the list is put around them there;
// what it returns is a part of buffer if that has a capacity of ListTail more.
func AssembleList(buffer, sigDER []byte) ([]byte, error) {
	sig, err := normalSignature(sigDER)
	if err != nil {
		return nil, fmt.Errorf("assembling: %w", err)
	}
	var tail cryptobyte.Builder
	tail.AddBytes(algorithmECDSA)
	tail.AddASN1BitString(sig)
	behind, err := tail.Bytes()
	if err != nil {
		return nil, fmt.Errorf("assembling: %w", err)
	}
	header := appendHeader(nil, tagSequence, len(buffer)-ListRoom+len(behind))
	buffer = append(buffer, behind...)
	copy(buffer[ListRoom-len(header):], header)
	return buffer[ListRoom-len(header):], nil
}

// ReadCRLEntries hands each entry of a list, with its bytes, to f, in order. It
// reads the one form that [TBSCRL] writes, and nothing else: strict DER, serial
// numbers that ascend, times in whole seconds of the right type, one reason that
// SMKI allows or none. It is a reader of its own, twenty times faster than
// [ParseCRL], and [LintCRLEntries] rests on it. An error of f ends it and comes
// back.
func ReadCRLEntries(b []byte, f func(der []byte, e CRLEntry) error) error {
	var last Serial
	for n := 0; len(b) > 0; n++ {
		e, length, fault := readCRLEntry(b)
		if fault == "" && bytes.Compare(e.Serial[:], last[:]) <= 0 {
			fault = "its serial does not ascend"
		}
		if fault != "" {
			return fmt.Errorf("reading revocation list: entry %d, behind serial %s: %s", n, last, fault)
		}
		if err := f(b[:length:length], e); err != nil {
			return err
		}
		last, b = e.Serial, b[length:]
	}
	return nil
}

// LintCRLEntries examines the entries of a list that was joined, and returns how
// many there are. The rules are those for entries in [Rules]; what stands around
// the entries is for [LintTBSCRL], which reads a list with some of them or none.
func LintCRLEntries(entries []byte, thisUpdate time.Time) (n int, err error) {
	err = ReadCRLEntries(entries, func(_ []byte, e CRLEntry) error {
		if n++; e.At.After(thisUpdate) {
			return fmt.Errorf("linting revocation list: serial %s: want a revocation date no later than thisUpdate, got %s", e.Serial, e.At.Format(time.RFC3339))
		}
		return nil
	})
	return n, err
}

func readCRLEntry(b []byte) (e CRLEntry, length int, fault string) {
	// SEQUENCE { INTEGER, time, extensions }, each of less than 128 octets.
	if len(b) < 4 || b[0] != tagSequence || b[1] >= 0x80 || len(b) < 2+int(b[1]) {
		return e, 0, "it is no SEQUENCE of one entry"
	}
	length = 2 + int(b[1])
	in := b[2:length]
	if len(in) < 2 || in[0] != tagInteger || in[1] == 0 || in[1] > 16 || len(in) < 2+int(in[1]) {
		return e, 0, "userCertificate is no serial number"
	}
	size := int(in[1])
	content := in[2 : 2+size]
	if content[0] >= 0x80 || content[0] == 0 && (size == 1 || content[1] < 0x80) {
		return e, 0, "userCertificate is not in its one form"
	}
	copy(e.Serial[16-size:], content)
	in = in[2+size:]
	var ok bool
	if e.At, in, ok = readEntryTime(in); !ok {
		return e, 0, "revocationDate is not in its one form"
	}
	if len(in) > 0 {
		if len(in) != len(reasonExtension)+1 || !bytes.Equal(in[:len(reasonExtension)], reasonExtension) {
			return e, 0, "its extensions are not one reasonCode"
		}
		if e.Reason = Reason(in[len(in)-1]); e.Reason == ReasonUnspecified || !e.Reason.Known() {
			return e, 0, "its reason is " + e.Reason.String()
		}
	}
	return e, length, ""
}

// readEntryTime reads a time and returns what follows.
func readEntryTime(in []byte) (at time.Time, rest []byte, ok bool) {
	if len(in) < 2 || len(in) < 2+int(in[1]) {
		return at, nil, false
	}
	text := in[2 : 2+int(in[1])]
	rest = in[2+len(text):]
	layout := 13
	if in[0] == tagGeneralizedTime {
		layout = 15
	} else if in[0] != tagUTCTime {
		return at, nil, false
	}
	if len(text) != layout || text[layout-1] != 'Z' {
		return at, nil, false
	}
	var n [7]int // pairs of digits
	for i := 0; i < layout-1; i += 2 {
		high, low := text[i]-'0', text[i+1]-'0'
		if high > 9 || low > 9 {
			return at, nil, false
		}
		n[i/2] = int(high)*10 + int(low)
	}
	year, month, day, hour, minute, second := n[0]+2000, n[1], n[2], n[3], n[4], n[5]
	if layout == 15 {
		year, month, day, hour, minute, second = n[0]*100+n[1], n[2], n[3], n[4], n[5], n[6]
	} else if year >= 2050 {
		year -= 100 // RFC 5280, 4.1.2.5.1
	}
	at = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	// Date would turn 30 February into 2 March.
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 || at.Day() != day || in[0] != timeTag(at) {
		return at, nil, false
	}
	return at, rest, true
}
