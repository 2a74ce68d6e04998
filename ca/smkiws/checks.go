package smkiws

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"smki.example/ca"
)

//go:embed checks.json
var defaultChecks []byte

// The checks that this package makes itself; the others are the rules of package ca
// and package policy by their own names.
const (
	checkXML           = "xml"
	checkTooMany       = "too-many"
	checkUnknownBatch  = "unknown-batch"
	checkBadQuery      = "bad-query"
	checkUnreadable    = "unreadable"
	checkEncoding      = "encoding"
	checkUnknownDevice = "unknown-device"
	checkConflict      = "conflict"
	checkKeyReuse      = "key-reuse"
	checkSigning       = "signing"
	checkRecording     = "recording"
	checkWorkflow      = "workflow"
	checkRegister      = "register"
	checkAny           = "request" // a refusal whose rule has no row
)

// A Verdict is the status and the code under which a failed check is reported.
type Verdict struct{ Status, Code string }

// A Check is one row of the table: what a failed check is called in an ad hoc answer,
// for a whole batch, for an item of a batch, and in the portal's report. Where the
// check is not made the Verdict is zero.
type Check struct {
	Name                       string
	AdHoc, Batch, Item, Report Verdict
	Mark                       string // S: AppM says so; I: our choice
	Means                      string
}

// Checks is the table of failed checks.
type Checks struct{ rows []Check }

// The statuses of each channel with the prefix of their codes (AppM, App. A, D; App. F
// for the report, whose codes are those of the item). ISSUANCE_ANOMALY and CA_ERROR
// share a prefix: only the status tells them apart.
var (
	adHocPrefixes = map[string][]string{"UNKNOWN_DEVICE": {"UD"}, "ISSUANCE_ANOMALY": {"CA"}, "CSR_ERROR": {"CR"}, "CA_ERROR": {"CA"},
		"FORMAT_ERROR": {"FM"}, "WORKFLOW_ERROR": {"WF"}}
	batchPrefixes = map[string][]string{"FORMAT_ERROR": {"FM"}, "WORKFLOW_ERROR": {"WF"}}
	itemPrefixes  = map[string][]string{"ISSUANCE_ANOMALY": {"CA"}, "INELIGIBLE": {"IN"}, "CSR_ERROR": {"CR"}, "CA_ERROR": {"CA"},
		"WORKFLOW_ERROR": {"WF"}}
	reportPrefixes = map[string][]string{"error": {"CR", "CA", "WF"}, "anomaly": {"CA"}, "ineligible": {"IN"}}
)

var none Verdict

var codeForm = regexp.MustCompile(`^[A-Z]{2}:[A-Za-z0-9]+$`)

// DefaultChecks returns the embedded table.
func DefaultChecks() (*Checks, error) { return ParseChecks("checks.json", defaultChecks) }

// ParseChecks reads a table of failed checks; file is its name in errors. Reading is
// strict: an unknown field, a status that the channel does not have, a code of
// another prefix or form, a check that stands twice, and the absence of one that
// this package makes are errors.
func ParseChecks(file string, b []byte) (*Checks, error) {
	var in struct {
		Note   string `json:"note"`
		Checks []struct {
			Check, AdHoc, Batch, Item, Report, Mark, Means string
		} `json:"checks"`
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return nil, fmt.Errorf("reading checks %q: %w", file, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("reading checks %q: something stands after the object", file)
	}
	table := &Checks{}
	for _, row := range in.Checks {
		c := Check{Name: row.Check, Mark: row.Mark, Means: row.Means}
		var err error
		for _, cell := range []struct {
			text     string
			verdict  *Verdict
			prefixes map[string][]string
		}{{row.AdHoc, &c.AdHoc, adHocPrefixes}, {row.Batch, &c.Batch, batchPrefixes}, {row.Item, &c.Item, itemPrefixes}, {row.Report, &c.Report, reportPrefixes}} {
			if *cell.verdict, err = parseVerdict(cell.text, cell.prefixes); err != nil {
				break
			}
		}
		switch {
		case err != nil:
		case c.Name == "" || c.Means == "" || c.Mark != "S" && c.Mark != "I":
			err = errors.New("want a name, what it means, and the mark S or I")
		case slices.ContainsFunc(table.rows, func(other Check) bool { return other.Name == c.Name }):
			err = errors.New("stands twice")
		}
		if err != nil {
			return nil, fmt.Errorf("reading checks %q: check %q: %w", file, c.Name, err)
		}
		table.rows = append(table.rows, c)
	}
	for _, name := range []string{checkAny, checkEncoding, checkConflict, checkKeyReuse, checkSigning, checkRecording, checkWorkflow, checkRegister} {
		if c, _ := table.row(name); c.AdHoc == none || c.Item == none || c.Report == none {
			return nil, fmt.Errorf("reading checks %q: check %q is made and has no verdict for adhoc, item and report", file, name)
		}
	}
	for _, name := range []string{checkXML, checkTooMany, checkUnknownBatch, checkBadQuery, checkUnreadable, checkWorkflow} {
		if c, _ := table.row(name); c.Batch == none {
			return nil, fmt.Errorf("reading checks %q: check %q is made and has no verdict for batch", file, name)
		}
	}
	for _, name := range []string{checkXML, checkUnknownDevice} {
		if c, _ := table.row(name); c.AdHoc == none {
			return nil, fmt.Errorf("reading checks %q: check %q is made and has no verdict for adhoc", file, name)
		}
	}
	return table, nil
}

func parseVerdict(s string, prefixes map[string][]string) (Verdict, error) {
	if s == "-" {
		return Verdict{}, nil
	}
	status, code, _ := strings.Cut(s, " ")
	allowed, known := prefixes[status]
	switch {
	case !known:
		return Verdict{}, fmt.Errorf("%q: no such status in this channel", s)
	case !codeForm.MatchString(code) || len(code) > 10:
		return Verdict{}, fmt.Errorf("%q: want a code of two capital letters, a colon and letters or digits, at most 10 in all", s)
	case !slices.Contains(allowed, code[:2]):
		return Verdict{}, fmt.Errorf("%q: codes of this status begin with %s", s, strings.Join(allowed, " or "))
	}
	return Verdict{status, code}, nil
}

// Rows returns the table in the order of its file.
func (c *Checks) Rows() []Check { return slices.Clone(c.rows) }

func (c *Checks) row(name string) (Check, bool) {
	for _, row := range c.rows {
		if row.Name == name {
			return row, true
		}
	}
	return Check{}, false
}

// named returns the row of a check, or that of any refusal.
func (c *Checks) named(name string) Check {
	row, found := c.row(name)
	if !found {
		row, _ = c.row(checkAny)
	}
	return row
}

// A failure is a check that failed, and what to tell people about it.
type failure struct {
	check  string
	detail string
	// ours says that it is no verdict on the request: trying again may help.
	ours bool
}

func (f *failure) Error() string { return f.check + ": " + f.detail }

// failureOf says which check an error of the issuer is. whole tells that the whole
// call failed, before anything was signed, which is the database's doing; an error
// of one request that says nothing else is the token's.
func failureOf(err error, whole bool) *failure {
	var refusal *ca.Refusal
	var uncertain *ca.UncertainError
	switch {
	case errors.As(err, &refusal):
		return &failure{check: refusal.Rule, detail: refusal.Err.Error()}
	case errors.Is(err, ca.ErrConflict):
		return &failure{check: checkConflict, detail: "another request for the same key is being issued", ours: true}
	case errors.Is(err, ca.ErrOutage):
		return &failure{check: checkRegister, detail: "the register of parties did not answer; try again", ours: true}
	case errors.As(err, &uncertain) && uncertain.Step == "recording":
		return &failure{check: checkRecording, detail: "the certificate could not be recorded, and is written off; try again", ours: true}
	case errors.As(err, &uncertain), !whole:
		return &failure{check: checkSigning, detail: "the CA could not sign; try again", ours: true}
	}
	return &failure{check: checkWorkflow, detail: "an internal failure; report this code to the Service Desk", ours: true}
}
