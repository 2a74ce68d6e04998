package policy

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// Universal tags that SMKI objects use; checkDER refuses every other one.
const (
	tagBoolean         = byte(asn1.BOOLEAN)
	tagInteger         = byte(asn1.INTEGER)
	tagBitString       = byte(asn1.BIT_STRING)
	tagOctetString     = byte(asn1.OCTET_STRING)
	tagNull            = byte(asn1.NULL)
	tagOID             = byte(asn1.OBJECT_IDENTIFIER)
	tagEnumerated      = byte(asn1.ENUM)
	tagUTF8String      = byte(asn1.UTF8String)
	tagPrintableString = byte(asn1.PrintableString)
	tagIA5String       = byte(asn1.IA5String)
	tagUTCTime         = byte(asn1.UTCTime)
	tagGeneralizedTime = byte(asn1.GeneralizedTime)
	tagSequence        = byte(asn1.SEQUENCE)
	tagSet             = byte(asn1.SET)
	classContext       = 0x80
	constructed        = 0x20
)

// checkDER walks der, which must hold one element and nothing else, and names
// the first octet at which it is not strict DER (X.690, 10 and 11).
//
// Readers call it before they look at the content, so that what they then read
// with cryptobyte has one encoding only: an object that could be written in two
// ways could pass a check in one form and be signed, hashed or compared in the
// other. It does not look into OCTET STRINGs; whoever knows that one of them
// holds DER calls checkDER for it.
func checkDER(der []byte) *Violation {
	n, v := derElement(der, 0, 0)
	if v != nil {
		return v
	}
	if n != len(der) {
		return derViolation(n, "nothing after the end of the object", fmt.Sprintf("%d more octets", len(der)-n), "X.690, 10.1")
	}
	return nil
}

func derViolation(at int, want, got, clause string) *Violation {
	return &Violation{Rule: "der", Field: fmt.Sprintf("octet %d", at), Want: want, Got: got, Clause: clause}
}

// derElement checks the element at der[at:] and everything in it and returns
// the offset just after it. Offsets count from the start of the whole object.
func derElement(der []byte, at, depth int) (int, *Violation) {
	if depth > maxDepth {
		return 0, derViolation(at, fmt.Sprintf("at most %d levels", maxDepth), "deeper nesting", "limit of this reader")
	}
	tag, start, end, v := derHeader(der, at)
	if v != nil {
		return 0, v
	}
	if tag&0xc0 == classContext {
		if tag&constructed == 0 {
			return end, nil
		}
		return end, derChildren(der, start, end, depth, false)
	}
	switch tag {
	case tagSequence:
		return end, derChildren(der, start, end, depth, false)
	case tagSet:
		return end, derChildren(der, start, end, depth, true)
	}
	return end, derPrimitive(tag, der[start:end], start)
}

// derHeader reads tag and length and returns where the content starts and ends.
func derHeader(der []byte, at int) (tag byte, start, end int, v *Violation) {
	if len(der)-at < 2 {
		return 0, 0, 0, derViolation(at, "tag and length", "the end of the data", "X.690, 8.1")
	}
	tag = der[at]
	if tag&0x1f == 0x1f {
		return 0, 0, 0, derViolation(at, "a tag in one octet", fmt.Sprintf("high-tag form %02X", tag), "RFC 5280, appendix A")
	}
	length, start := int(der[at+1]), at+2
	if length >= 0x80 {
		count := length & 0x7f
		switch {
		case count == 0:
			return 0, 0, 0, derViolation(at+1, "a definite length", "the indefinite form", "X.690, 10.1")
		case count > 4:
			return 0, 0, 0, derViolation(at+1, "a length of at most four octets", fmt.Sprintf("%d octets", count), "limit of this reader")
		case len(der)-start < count:
			return 0, 0, 0, derViolation(at+1, fmt.Sprintf("%d length octets", count), "the end of the data", "X.690, 8.1.3")
		}
		length = 0
		for _, o := range der[start : start+count] {
			length = length<<8 | int(o)
		}
		if der[start] == 0 || length < 0x80 {
			return 0, 0, 0, derViolation(at+1, "the shortest form of the length", "a longer one", "X.690, 10.1")
		}
		start += count
	}
	if length > len(der)-start {
		return 0, 0, 0, derViolation(at+1, fmt.Sprintf("%d content octets", length), fmt.Sprintf("only %d", len(der)-start), "X.690, 8.1.3")
	}
	return tag, start, start + length, nil
}

// derChildren checks the elements of a constructed value. Elements of a SET OF
// must ascend by their octets; SMKI objects have no SET of another kind.
func derChildren(der []byte, start, end, depth int, set bool) *Violation {
	var before []byte
	for at := start; at < end; {
		next, v := derElement(der[:end], at, depth+1)
		if v != nil {
			return v
		}
		if set && before != nil && bytes.Compare(before, der[at:next]) > 0 {
			return derViolation(at, "elements of the SET in ascending order", "a smaller one after a larger", "X.690, 11.6")
		}
		before, at = der[at:next], next
	}
	return nil
}

func derPrimitive(tag byte, content []byte, at int) *Violation {
	switch tag {
	case tagBoolean:
		if len(content) != 1 || content[0] != 0 && content[0] != 0xff {
			return derViolation(at, "BOOLEAN 00 or FF", fmt.Sprintf("% X", clip(string(content))), "X.690, 11.1")
		}
	case tagInteger, tagEnumerated:
		if len(content) == 0 {
			return derViolation(at, "an INTEGER of at least one octet", "none", "X.690, 8.3.1")
		}
		if len(content) > 1 && (content[0] == 0 && content[1] < 0x80 || content[0] == 0xff && content[1] >= 0x80) {
			return derViolation(at, "the shortest form of the INTEGER", "a needless leading octet", "X.690, 8.3.2")
		}
	case tagBitString:
		if len(content) == 0 || content[0] > 7 || len(content) == 1 && content[0] != 0 {
			return derViolation(at, "a BIT STRING with 0 to 7 unused bits", "another count", "X.690, 8.6.2")
		}
		if content[len(content)-1]&(1<<content[0]-1) != 0 && len(content) > 1 {
			return derViolation(at, "unused bits of zero", "a one", "X.690, 11.2.1")
		}
	case tagOctetString:
	case tagNull:
		if len(content) != 0 {
			return derViolation(at, "an empty NULL", fmt.Sprintf("%d octets", len(content)), "X.690, 8.8")
		}
	case tagOID:
		if _, ok := checkOID(content); !ok {
			return derViolation(at, "an OBJECT IDENTIFIER in its shortest form", "another value", "X.690, 8.19")
		}
	case tagUTF8String:
		if !utf8.Valid(content) {
			return derViolation(at, "UTF-8", "other octets", "RFC 5280, 4.1.2.4")
		}
		return derNoControl(content, at)
	case tagPrintableString:
		for _, c := range content {
			if !printable(c) {
				return derViolation(at, "characters of PrintableString", fmt.Sprintf("octet %02X", c), "X.680, 41.4")
			}
		}
	case tagIA5String:
		for _, c := range content {
			if c >= 0x80 {
				return derViolation(at, "characters of IA5String", fmt.Sprintf("octet %02X", c), "X.680, 41.2")
			}
		}
		return derNoControl(content, at)
	case tagUTCTime:
		if _, ok := parseUTCTime(content); !ok {
			return derViolation(at, "UTCTime YYMMDDHHMMSSZ of a real date", fmt.Sprintf("%q", clip(string(content))), "RFC 5280, 4.1.2.5.1")
		}
	case tagGeneralizedTime:
		if _, ok := parseGeneralizedTime(content); !ok {
			return derViolation(at, "GeneralizedTime YYYYMMDDHHMMSSZ of a real date", fmt.Sprintf("%q", clip(string(content))), "RFC 5280, 4.1.2.5.2")
		}
	default:
		return derViolation(at, "a type that SMKI objects use", fmt.Sprintf("tag %02X", tag), "RFC 5280, appendix A")
	}
	return nil
}

// derNoControl refuses NUL and the other control characters: a name that ends
// early for one reader and not for another names two parties.
func derNoControl(content []byte, at int) *Violation {
	for _, c := range content {
		if c < 0x20 || c == 0x7f {
			return derViolation(at, "no control characters in a string", fmt.Sprintf("octet %02X", c), "limit of this reader")
		}
	}
	return nil
}

// printable reports whether c belongs to PrintableString (X.680, 41.4).
func printable(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		bytes.IndexByte([]byte(" '()+,-./:=?"), c) >= 0
}

// parseUTCTime reads YYMMDDHHMMSSZ, 1950 to 2049 (RFC 5280, 4.1.2.5.1).
func parseUTCTime(b []byte) (time.Time, bool) {
	if len(b) != 13 {
		return time.Time{}, false
	}
	century := "20"
	if b[0] >= '5' {
		century = "19"
	}
	return parseGeneralizedTime(append([]byte(century), b...))
}

// parseGeneralizedTime reads YYYYMMDDHHMMSSZ (RFC 5280, 4.1.2.5.2).
func parseGeneralizedTime(b []byte) (time.Time, bool) {
	if len(b) != 15 || b[14] != 'Z' {
		return time.Time{}, false
	}
	var n [14]int
	for i := range n {
		if b[i] < '0' || b[i] > '9' {
			return time.Time{}, false
		}
		n[i] = int(b[i] - '0')
	}
	year := n[0]*1000 + n[1]*100 + n[2]*10 + n[3]
	two := func(i int) int { return n[i]*10 + n[i+1] }
	t := time.Date(year, time.Month(two(4)), two(6), two(8), two(10), two(12), 0, time.UTC)
	// time.Date turns 31 April into 1 May: a date that is not itself afterwards
	// was not a date.
	same := t.Year() == year && int(t.Month()) == two(4) && t.Day() == two(6) &&
		t.Hour() == two(8) && t.Minute() == two(10) && t.Second() == two(12)
	return t, same
}
