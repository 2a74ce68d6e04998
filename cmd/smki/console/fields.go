package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// A row is one field of what will be done.
type row struct {
	Path  string // as the bytes name it: "deed.checks.1.kind"
	Label string // for people
	Value string
	Note  string // what the eye could miss
	Hex   string // of what is DER
}

// labels are words for the names in the bytes; a name without words stands for
// itself.
var labels = map[string]string{
	"form": "form of these bytes", "act": "act", "subject": "what it is about", "party": "party", "environment": "environment",
	"policy_version": "version of the environment", "table_version": "version of the table of rights", "profile": "certificate profile",
	"profile_version": "version of the profile", "deed": "what will be done", "on": "resting on", "asker": "asked by", "der": "request, PKCS #10",
	"sha256": "SHA-256", "cn": "common name", "role": "role", "entity": "EUI-64", "usage": "key usage", "key": "public key, SHA-256",
	"checks": "identity check", "kind": "kind", "passed": "passed", "evidence": "evidence", "by": "by", "person": "person", "at": "at",
	"request": "certificate request", "revocation": "revocation request", "serials": "serial number", "holders": "holder", "until": "until (UTC)", "why": "reason given",
	"decision": "decision of the SMKI PMA", "emergency": "emergency", "reason": "reason code", "name": "name", "category": "category",
	"roles": "Remote Party Role", "subscriber": "Authorised Subscriber", "device": "for Device Certificates", "organisation": "for Organisation Certificates",
	"application": "papers", "range": "EUI-64", "first": "first", "last": "last", "officer": "officer", "screened": "screened on",
	"nomination": "nomination form", "nominated_by": "nominated by", "certificate": "certificate", "serial": "serial number",
	"fingerprint": "certificate, SHA-256", "holder": "holder", "not_after": "valid to", "batch": "batch", "interface": "received through",
	"digest": "upload, SHA-256", "requests": "requests in it", "state": "state", "cause": "cause", "revision": "revision", "created_at": "created",
	"changed_at": "changed", "asked_by": "asked by", "assigned_at": "assigned", "released_at": "released", "id": "name or number",
	"subject_name": "subject", "added_at": "added",
}

// fields takes the bytes of an approval apart, field by field and in their order, so
// that nothing that is bound is left out of the picture: it knows nothing of what
// deeds there are.
func fields(b []byte) ([]row, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var rows []row
	err := walk(d, nil, &rows)
	return rows, err
}

func walk(d *json.Decoder, path []string, rows *[]row) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("reading what will be done: %w", err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		*rows = append(*rows, leaf(path, token))
		return nil
	}
	before := len(*rows)
	for n := 1; d.More(); n++ {
		name := fmt.Sprint(n)
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return fmt.Errorf("reading what will be done: %w", err)
			}
			name, _ = key.(string)
		}
		if err := walk(d, append(path[:len(path):len(path)], name), rows); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("reading what will be done: %w", err)
	}
	if len(*rows) == before {
		*rows = append(*rows, row{Path: strings.Join(path, "."), Label: label(path), Value: "none"})
	}
	return nil
}

func leaf(path []string, token json.Token) row {
	r := row{Path: strings.Join(path, "."), Label: label(path)}
	switch v := token.(type) {
	case nil:
		r.Value = "none"
	case bool:
		r.Value = map[bool]string{true: "yes", false: "no"}[v]
	case string:
		r.Value = v
		r.Note = unusual(v)
		if name := path[len(path)-1]; name == "der" || name == "certificate" {
			var der []byte
			if json.Unmarshal([]byte(`"`+v+`"`), &der) == nil {
				r.Value, r.Note, r.Hex = fmt.Sprintf("%d octets of DER", len(der)), "", hexdump(der)
			}
		}
	default:
		r.Value = fmt.Sprint(v)
	}
	return r
}

// label puts the words for a path together.
func label(path []string) string {
	var said []string
	for n, name := range path {
		if n == 0 && (name == "deed" || name == "on") && len(path) > 1 {
			continue // the heading of the table says so
		}
		if w, ok := labels[name]; ok {
			name = w
		}
		said = append(said, strings.ReplaceAll(name, "_", " "))
	}
	return strings.Join(said, ", ")
}

// unusual names the characters of a text that may look like others: whatever is not
// ASCII, by its code.
func unusual(s string) string {
	var codes []string
	seen := make(map[rune]bool)
	for _, r := range s {
		if r > unicode.MaxASCII && !seen[r] {
			seen[r] = true
			codes = append(codes, fmt.Sprintf("%U", r))
		}
	}
	if len(codes) == 0 {
		return ""
	}
	return "contains characters that are not ASCII: " + strings.Join(codes, " ")
}
