package auditor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// A comparison collects the first field in which ledger and log differ.
type comparison struct {
	record int64
	what   string
	err    error
}

func compare(r *record, what fmt.Stringer) *comparison {
	return &comparison{record: r.Seq, what: what.String()}
}

// text compares a field as text.
func (c *comparison) text(field, ledger, log string) {
	if c.err == nil && ledger != log {
		c.err = differ(c.record, "%s: its %s is %s in the ledger, %s in the log", c.what, field, shown(ledger), shown(log))
	}
}

func shown(s string) string {
	if s == "" {
		return "missing"
	}
	return s
}

func (c *comparison) number(field string, ledger, log int64) {
	c.text(field, fmt.Sprint(ledger), fmt.Sprint(log))
}

func (c *comparison) time(field string, ledger, log int64) {
	c.text(field, timeText(ledger), timeText(log))
}

// digest compares bytes of the ledger with a SHA-256 of the log, which differ
// without it being of use to see how.
func (c *comparison) digest(field string, ledger []byte, log string) {
	sum := sha256.Sum256(ledger)
	if c.err == nil && hex.EncodeToString(sum[:]) != log {
		c.err = differ(c.record, "%s: the %s in the ledger are not those whose SHA-256 is in the log", c.what, field)
	}
}

// as is a text as it comes back from the log, where what is no UTF-8 was replaced.
func as(text string) string {
	var out string
	if b, err := json.Marshal(text); err == nil {
		_ = json.Unmarshal(b, &out) // what was marshalled a moment ago
	}
	return out
}
