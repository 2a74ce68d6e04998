package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Masked returns the entries in the form in which two runs with one seed and
// the same decisions are equal: keys, serials, signatures, hashes
// and wall times are masked; numbers, scenario times, texts, devices, counts
// and results stay. One line an entry: number, scenario time, kind, body. This is
// what a scenario's `.want` file holds.
func Masked(entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	for _, e := range entries {
		d := json.NewDecoder(bytes.NewReader(e.Body))
		d.UseNumber()
		var body any
		if err := d.Decode(&body); err != nil {
			return nil, fmt.Errorf("masking entry %d: %w", e.Seq, err)
		}
		masked, err := encodeJSON(mask("", body))
		if err != nil {
			return nil, fmt.Errorf("masking entry %d: %w", e.Seq, err)
		}
		fmt.Fprintf(&b, "%d %s %s %s\n", e.Seq, FormatAt(e.At), e.Kind, masked)
	}
	return b.Bytes(), nil
}

// maskedMembers are masked whatever they hold: values too short to be told from
// ordinary words and numbers.
var maskedMembers = map[string]string{
	"run": "run", "serial": "serial", "serials": "serial", "key_id": "key", "key_ids": "key",
	"scenario_text": "text", "procedure_text": "text", "subject_key_id": "key", "authority_key_id": "key", "signature": "signature", "wall": "time",
}

// masks are looked for inside every text, the longest forms first.
var masks = []struct {
	find *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----`), "<pem>"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "<time>"},
	{regexp.MustCompile(`\b[A-Z]{4,8}(-[A-Z]{4,8}){15}\b`), "<words>"},
	{regexp.MustCompile(`\b[A-Z0-9]+-\d{8}T\d{6}Z\b`), "<run>"},
	{regexp.MustCompile(`\b[0-9a-fA-F]{32,}\b`), "<hex>"},
	{regexp.MustCompile(`[A-Za-z0-9+/]{43,}={0,2}`), "<base64>"},
}

func mask(member string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[maskText(k)] = mask(k, x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = mask(member, x)
		}
		return out
	case string:
		if as, ok := maskedMembers[strings.ToLower(member)]; ok && v != "" {
			return "<" + as + ">"
		}
		return maskText(v)
	default:
		return v
	}
}

func maskText(s string) string {
	for _, m := range masks {
		s = m.find.ReplaceAllString(s, m.mask)
	}
	return s
}
