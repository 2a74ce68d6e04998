// Package verify checks the record of a drill, as an auditor who trusts nobody
// would: not the people who ran it, and not the program that wrote it.
//
// An evidence pack is a folder. [Pack] reads it from the outside in: first the
// list of checksums and that nothing else lies in the folder; then the journal,
// line by line, each bound to the one before; then the signed checkpoint over
// the whole journal; then the seal, the journal's last entry, which binds every
// other file; and only then what the files say: certificates and CRLs by their
// issuers' keys, messages by the certificates in the pack, and every signature
// of the Recovery or Contingency key by the decision that allowed it.
//
// What a pack cannot prove alone is who wrote it: whoever holds the folder can
// write all of it anew and sign it with another key. [Options] bind it to what
// was read into the minutes, the fingerprint of the record key or the words of
// the closing head. Without either, a [Result] says that the signer was not
// checked.
//
// The package uses the standard library, golang.org/x/mod, the readers of
// policy and the list of words, and none of the code that writes a record: an
// auditor that shares code with the writer shares its mistakes. It knows the
// shape of an entry from the text of docs/record.md and nowhere else.
package verify

import (
	"fmt"
	"os"
)

// Options bind a record to what stands outside it.
type Options struct {
	// Key is the fingerprint of the record key, 64 hex digits: SHA-256 of the
	// raw Ed25519 public key. Empty: not checked.
	Key string
	// Head is the head in words, as read into the minutes. Empty: not checked.
	Head string
}

// A Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	Held   bool   `json:"held"`
	Detail string `json:"detail"`
}

// A Result is what an auditor can say of a pack. Intact is the verdict on the
// record; Outcome and Finding are what the record says of the drill, and have
// no influence on it: a record of a failed drill may be perfectly intact.
type Result struct {
	Intact    bool    `json:"intact"`
	Bound     bool    `json:"bound"` // to a key or to closing words given from outside
	Signer    string  `json:"signer"`
	RecordKey string  `json:"record_key"`
	Head      string  `json:"head"`
	Entries   int64   `json:"entries"`
	Scenario  string  `json:"scenario"`
	Outcome   string  `json:"outcome"`
	Finding   string  `json:"finding"`
	Checks    []Check `json:"checks"`
	// Redacted is what was taken out of this copy; nil for a whole record.
	Redacted *Redacted `json:"redacted,omitempty"`
}

// Verdict is the result in one sentence, and what was taken out in another.
func (r *Result) Verdict() string {
	said := r.verdict()
	if r.Intact && r.Redacted != nil {
		said += "; " + r.Redacted.said()
	}
	return said
}

func (r *Result) verdict() string {
	switch {
	case !r.Intact:
		for _, c := range r.Checks {
			if !c.Held {
				return fmt.Sprintf("NOT INTACT: %s: %s", c.Name, c.Detail)
			}
		}
		return "NOT INTACT"
	case !r.Bound:
		return "intact; signer not checked (give --key or --head from the minutes)"
	default:
		return "intact; " + r.Signer
	}
}

// Pack checks the evidence pack in dir. The error is about reading the folder
// at all (it is not there, it is no folder); whatever is wrong with what it
// holds is in the Result, which is never nil without an error. Every check that
// can still be made is made, so that one broken file does not hide another.
func Pack(dir string, o Options) (*Result, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("opening the pack: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("opening the pack: %q is not a folder; give the folder that holds journal.jsonl", dir)
	}
	a := &audit{dir: dir, options: o, result: &Result{}}
	for _, step := range []struct {
		name string
		run  func() (string, error)
	}{
		{"checksums", a.sums},
		{"journal", a.journal},
		{"checkpoint", a.checkpoint},
		{"seal", a.seal},
		{"binding", a.binding},
		{"room", a.room},
		{"redaction", a.redacted},
		{"summary", a.summary},
		{"certificates", a.certificates},
		{"crls", a.crls},
		{"messages", a.messages},
		{"recovery keys", a.keyUses},
		{"decisions", a.decisions},
	} {
		detail, err := step.run()
		check := Check{Name: step.name, Held: err == nil, Detail: detail}
		if err != nil {
			check.Detail = err.Error()
		}
		a.result.Checks = append(a.result.Checks, check)
	}
	a.result.Intact = true
	for _, c := range a.result.Checks {
		a.result.Intact = a.result.Intact && c.Held
	}
	return a.result, nil
}
