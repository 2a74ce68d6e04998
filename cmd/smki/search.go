package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func searchCommand() *cli.Command {
	return &cli.Command{
		Name:  "search",
		Usage: "find certificates and write them as CSV or JSON, signed if wanted",
		Description: `For programs and auditors what smki list is for people: every column, CSV with a heading line (or JSON), in the order of recording and
in constant memory. Filters that are given must all hold. --party takes certificates whose requester is of that party, or whose identifier
is in one of its ranges in the register. What is recorded while it runs may or may not be found.

With --out FILE the result goes to a file. --sign-key FILE (PEM, Ed25519 or ECDSA, made for this purpose: openssl genpkey -algorithm ed25519)
also writes FILE.sha256, which sha256sum -c checks, and its signature FILE.sha256.sig, and records the digest in the audit log. It is a key
of its own because the others must not: a CA key signs certificates and lists alone, the audit log's key heads of the log alone.

--json is --format json: a list of {serial, status, profile, issuer, entity, role, usage, key, not_before, not_after, recorded_at, requester}.

Examples:
  smki search --home ca --entity 90-B3-D5-1F-30-01-00-02
  smki search --home ca --spki 0f3a… --json
  smki search --home ca --party supplier-a --status I --since 2026-11-01 --until 2026-12-01 --out november.csv --sign-key export.pem
  openssl pkeyutl -verify -rawin -pubin -inkey export.pub.pem -sigfile november.csv.sha256.sig -in november.csv.sha256`,
		Flags: append([]cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "type", Usage: "profile (`NAME`): device, organisation, or that of an authority"},
			&cli.StringFlag{Name: "issuer", Usage: "authority (`NAME`), with or without generation"},
			&cli.StringFlag{Name: "entity", Aliases: []string{"device"}, Usage: "device or organisation (`EUI`)"},
			&cli.StringFlag{Name: "party", Usage: "party (`ID`) of the register"},
			&cli.StringFlag{Name: "role", Usage: "remote party role (`NAME`, or two hex digits)"},
			&cli.StringFlag{Name: "spki", Usage: "SHA-256 of the public key info (`HEX`)"},
			&cli.StringFlag{Name: "status", Usage: "I, N, R or E (`LETTER`)"},
			&cli.StringFlag{Name: "since", Usage: "recorded at `TIME` or later; RFC 3339, or a date"},
			&cli.StringFlag{Name: "until", Usage: "recorded before `TIME`"},
			&cli.StringFlag{Name: "format", Value: "csv", Usage: "csv or json (`FORM`)"},
			byFlag(),
			clikit.JSONFlag(),
		}, signFlags()...),
		Action: runSearch,
	}
}

// A search is what was asked for.
type search struct {
	filter ca.Filter
	party  string
	json   bool
	ranges []ra.Range // of the party
}

func runSearch(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	s, err := readSearch(c)
	if err != nil {
		return err
	}
	if c.String("sign-key") != "" && c.String("out") == "" {
		return clikit.Usagef("smki search: --sign-key needs --out: a file is what is signed")
	}
	return at(c, false, func(d *desk) error {
		if err := s.of(c.Context, d); err != nil {
			return err
		}
		if c.String("out") == "" {
			_, err := s.write(c.Context, d, c.App.Writer)
			return err
		}
		result, err := d.signedFile(c, "search", func(w io.Writer) (int, error) { return s.write(c.Context, d, w) })
		if err != nil {
			return err
		}
		return result.print(c)
	})
}

func readSearch(c *cli.Context) (*search, error) {
	f, err := commonFilter(c, "search", "")
	if err != nil {
		return nil, err
	}
	s := &search{filter: f, party: c.String("party"), json: clikit.WantsJSON(c) || c.String("format") == "json"}
	if format := c.String("format"); format != "csv" && format != "json" {
		return nil, clikit.Usagef("smki search: --format %q: want csv or json", format)
	}
	if text := c.String("spki"); text != "" {
		key, err := ca.ParseKeyHash(text)
		if err != nil {
			return nil, clikit.Usagef("smki search: --spki: %v", err)
		}
		s.filter.Key = &key
	}
	for name, to := range map[string]*time.Time{"since": &s.filter.Since, "until": &s.filter.Until} {
		if text := c.String(name); text != "" {
			if *to, err = parseTime(text); err != nil {
				return nil, clikit.Usagef("smki search: --%s: %v", name, err)
			}
		}
	}
	return s, nil
}

// of looks the party's identifiers up. Ranges that were released count: what was
// certified in them was the party's then.
func (s *search) of(ctx context.Context, d *desk) error {
	if s.party == "" {
		return nil
	}
	ids, err := d.registry.Identifiers(ctx, ra.PartyID(s.party))
	for _, id := range ids {
		s.ranges = append(s.ranges, id.Range)
	}
	return err
}

// fits tells what the ledger cannot: whose a certificate is, and whether one that is
// stored as in use has ended.
func (s *search) fits(c *ca.Certificate, now time.Time) bool {
	if s.filter.Status != "" && c.StatusAt(now) != s.filter.Status {
		return false
	}
	if s.party == "" || c.Requester == s.party || strings.HasPrefix(c.Requester, s.party+"/") {
		return true
	}
	return c.Entity != nil && slices.ContainsFunc(s.ranges, func(g ra.Range) bool { return g.Contains(*c.Entity) })
}

// write writes what fits and returns how many.
func (s *search) write(ctx context.Context, d *desk, w io.Writer) (int, error) {
	buffered := bufio.NewWriterSize(w, 1<<16)
	var out rowWriter = newCSVRows(buffered)
	if s.json {
		out = &listing{w: buffered, json: true}
	}
	n := 0
	for c, err := range d.issuer.List(ctx, s.filter) {
		if err != nil {
			return n, err
		}
		now := d.issuer.Now()
		if !s.fits(c, now) {
			continue
		}
		n++
		if _, err := out.add(listedOf(c, now)); err != nil {
			return n, err
		}
	}
	if err := out.end(); err != nil {
		return n, err
	}
	return n, buffered.Flush()
}

// A rowWriter prints certificates one at a time.
type rowWriter interface {
	add(listed) (more bool, err error)
	end() error
}

// csvRows is a rowWriter with a heading line.
type csvRows struct{ w *csv.Writer }

func newCSVRows(w io.Writer) *csvRows {
	rows := &csvRows{csv.NewWriter(w)}
	// An error stays in the writer and comes back from end.
	_ = rows.w.Write([]string{"serial", "status", "profile", "issuer", "entity", "role", "usage", "key", "not_before", "not_after", "recorded_at", "requester"})
	return rows
}

func (r *csvRows) add(c listed) (bool, error) {
	entity, role := "", ""
	if c.Entity != nil {
		entity = c.Entity.String()
	}
	if c.Role != nil {
		role = c.Role.String()
	}
	return true, r.w.Write([]string{c.Serial.String(), string(c.Status), string(c.Profile), c.Issuer, entity, role, c.Usage.String(), c.Key,
		c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339), c.RecordedAt.Format(time.RFC3339Nano), c.Requester})
}

func (r *csvRows) end() error {
	r.w.Flush()
	return r.w.Error()
}

// commonFilter reads the filters that list and search share. more is what --type
// takes besides profiles, for the error.
func commonFilter(c *cli.Context, command, more string) (ca.Filter, error) {
	f := ca.Filter{Issuer: c.String("issuer"), Profile: policy.ProfileName(c.String("type")), Status: ca.Status(strings.ToUpper(c.String("status")))}
	if f.Profile != "" && !slices.Contains(policy.ProfileNames(), f.Profile) {
		return f, clikit.Usagef("smki %s: --type %q: want %sone of %v", command, f.Profile, more, policy.ProfileNames())
	}
	switch f.Status {
	case "", ca.StatusInUse, ca.StatusNotInUse, ca.StatusRevoked, ca.StatusExpired:
	default:
		return f, clikit.Usagef("smki %s: --status %q: want I in use, N not in use, R revoked or E expired", command, c.String("status"))
	}
	if s := c.String("entity"); s != "" {
		id, err := policy.ParseEntityID(s)
		if err != nil {
			return f, clikit.Usagef("smki %s: --entity: %v", command, err)
		}
		f.Entity = &id
	}
	if s := c.String("role"); s != "" {
		role, err := policy.ParseRole(s)
		if err != nil {
			return f, clikit.Usagef("smki %s: --role: %v", command, err)
		}
		f.Role = &role
	}
	return f, nil
}

func cleanUp(err error, path string) error {
	_ = os.Remove(path) // the error says why; a file that stays is only unsigned
	return err
}
