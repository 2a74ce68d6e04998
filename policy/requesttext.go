package policy

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// requestLabels are the PEM labels of a request (SMKI IDS, Appendix F).
var requestLabels = []string{"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}

// DecodePEMOrBase64 returns the DER of a request that was sent as a file: the
// DER itself, its base64 in one line or in lines of 64 or 76 characters, with
// line ends LF or CRLF, and with or without the PEM lines CERTIFICATE REQUEST or
// NEW CERTIFICATE REQUEST (SMKI IDS, Appendix F; RFC 7468, 3).
//
// There must be exactly one object and nothing before or after it but line
// ends: two requests in one file are two decisions. what names the input in
// errors, for example its file name. The error is a *[Violation].
func DecodePEMOrBase64(b []byte, what string) ([]byte, error) {
	if strings.ContainsFunc(what, func(r rune) bool { return !unicode.IsPrint(r) }) {
		what = strconv.Quote(clip(what)) // a file may have any name
	}
	bad := func(want, got string) ([]byte, error) {
		return nil, refuse("encoding", what, want, got, "SMKI IDS, Appendix F; RFC 7468, 3")
	}
	if len(b) > maxRequestText {
		return bad(fmt.Sprintf("at most %d octets", maxRequestText), fmt.Sprintf("%d", len(b)))
	}
	// No base64 of a request begins with "0", the octet that begins its DER.
	if len(b) > 0 && b[0] == tagSequence {
		return b, nil
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	if first := lines[0]; strings.HasPrefix(first, "-----") {
		label := ""
		for _, l := range requestLabels {
			if first == "-----BEGIN "+l+"-----" {
				label = l
			}
		}
		if label == "" {
			return bad("a PEM label "+strings.Join(requestLabels, " or "), fmt.Sprintf("%q", clip(first)))
		}
		if last := lines[len(lines)-1]; last != "-----END "+label+"-----" {
			return bad("one object that ends with -----END "+label+"-----", fmt.Sprintf("%q", clip(last)))
		}
		lines = lines[1 : len(lines)-1]
	}
	if len(lines) == 0 || lines[0] == "" {
		return bad("DER, or its base64 with or without PEM lines", "nothing")
	}
	if width := len(lines[0]); len(lines) > 1 && width != 64 && width != 76 {
		return bad("one line, or lines of 64 or 76 characters", fmt.Sprintf("%d", width))
	}
	for i, line := range lines[1:] {
		if last := i == len(lines)-2; !last && len(line) != len(lines[0]) || len(line) > len(lines[0]) || line == "" {
			return bad(fmt.Sprintf("lines of %d characters, the last no longer", len(lines[0])), fmt.Sprintf("%d in line %d", len(line), i+2))
		}
	}
	joined := []byte(strings.Join(lines, ""))
	if i := bytes.IndexFunc(joined, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '+' || r == '/' || r == '=')
	}); i >= 0 {
		return bad("base64 characters", fmt.Sprintf("octet %02X", joined[i]))
	}
	der, err := base64.StdEncoding.Strict().DecodeString(string(joined))
	if err != nil {
		return bad("one base64 text, padded as RFC 4648 says", err.Error())
	}
	if len(der) == 0 || der[0] != tagSequence {
		return bad("base64 of a DER SEQUENCE", "base64 of something else")
	}
	return der, nil
}
