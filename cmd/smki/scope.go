package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/scope"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func scopeCommand() *cli.Command {
	return &cli.Command{
		Name:  "scope",
		Usage: "what is at risk if a key was compromised at some time",
		Description: `Begins with the certificates that carry the key: --key is the SHA-256 of the public key info (64 hex digits), or the serial number of a
certificate with it. If it is an authority's key, what that authority has issued is in question, through the authorities below it too:
certificates recorded at --since or later are listed, older ones counted (--all lists them as well). For each: whose it is, how it stands,
whether it could be misused at that time or later, and the trust anchor cells of devices that it may stand in, with what a key there can
authorise. Then the records of the audit log that tell of it (--no-log leaves them out: the log is read from the front).

In constant memory, whatever the size of the ledger; needs no token. What a thief has signed is in no ledger, and which devices hold a
certificate is known to the parties, not to the CA.

With --out FILE the report goes to a file, and with --sign-key FILE (see: smki search --help) it is signed: FILE.sha256, FILE.sha256.sig.

--json prints {certificates [{serial, why, status, revoked, profile, issuer, entity, party, requester, role, usage, not_before, not_after,
recorded_at, exposed, late, cells}], summary}.

Examples:
  smki scope --home ca --key 0F3A… --since 2026-11-20T08:00:00Z
  smki scope --home ca --key $(openssl pkey -pubin -in stolen.pem -outform DER | sha256sum | cut -c-64) --since 2026-11-20 --json`,
		Flags: append([]cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "key", Usage: "hash of the key, or serial number of a certificate with it (`SPKI|SERIAL`)", Required: true},
			&cli.StringFlag{Name: "since", Usage: "`TIME` of the compromise, RFC 3339, or a date", Required: true},
			&cli.BoolFlag{Name: "all", Usage: "list what an authority issued before that time too"},
			&cli.BoolFlag{Name: "no-log", Usage: "leave the audit log out"},
			byFlag(),
			clikit.JSONFlag(),
		}, signFlags()...),
		Action: runScope,
	}
}

func runScope(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	if c.String("sign-key") != "" && c.String("out") == "" {
		return clikit.Usagef("smki scope: --sign-key needs --out: a file is what is signed")
	}
	since, err := parseTime(c.String("since"))
	if err != nil {
		return clikit.Usagef("smki scope: --since: %v", err)
	}
	key, keyErr := ca.ParseKeyHash(c.String("key"))
	serial, serialErr := policy.ParseSerial(c.String("key"))
	if keyErr != nil && serialErr != nil {
		return clikit.Usagef("smki scope: --key %q: want 64 hex digits, the SHA-256 of a public key info, or a serial number", c.String("key"))
	}
	return at(c, false, func(d *desk) error {
		if keyErr != nil {
			cert, err := d.issuer.BySerial(c.Context, serial)
			if err != nil {
				return d.unknown(c.Context, serial, err)
			}
			key = cert.Key
		}
		owner, err := d.owners(c.Context)
		if err != nil {
			return err
		}
		cfg := scope.Config{Issuer: d.issuer, Register: d.register, Owner: owner}
		for _, a := range d.home.Authorities {
			cert, err := d.home.authorityCertificate(a)
			if err != nil {
				return err
			}
			hash, err := ca.KeyHashOf(cert.PublicKey)
			if err != nil {
				return err
			}
			cfg.Authorities = append(cfg.Authorities, scope.Authority{ID: string(a.label()), Key: hash})
		}
		report := func(w io.Writer) (int, error) {
			buffered := bufio.NewWriterSize(w, 1<<16)
			out := &scopeWriter{w: buffered, json: clikit.WantsJSON(c)}
			summary, err := scope.Look(c.Context, cfg, scope.Question{Key: key, Since: since, All: c.Bool("all"), Log: !c.Bool("no-log")}, out.add)
			if errors.Is(err, ca.ErrNotFound) && out.n == 0 {
				return 0, fmt.Errorf("no certificate of this CA carries key %s; look with: smki list --home %s", key, d.home.dir)
			}
			if err == nil {
				err = out.end(summary)
			}
			return out.n, errors.Join(err, buffered.Flush())
		}
		if c.String("out") == "" {
			_, err := report(c.App.Writer)
			return err
		}
		result, err := d.signedFile(c, "scope", report)
		if err != nil {
			return err
		}
		return result.print(c)
	})
}

// parseTime reads a time, or the beginning of a day in UTC.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: want a time as 2026-11-20T08:00:00Z, or a date as 2026-11-20", s)
}

// owners reads which identifiers belong to whom, as the register has it now, and
// returns who names the party of one. Ranges that are not released never overlap.
func (d *desk) owners(ctx context.Context) (func(context.Context, policy.EntityID) (string, error), error) {
	parties, err := d.registry.Parties(ctx)
	if err != nil {
		return nil, err
	}
	var ranges []ra.Identifiers
	for _, p := range parties {
		ids, err := d.registry.Identifiers(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if id.ReleasedAt.IsZero() {
				ranges = append(ranges, id)
			}
		}
	}
	slices.SortFunc(ranges, func(a, b ra.Identifiers) int { return bytes.Compare(a.Range.First[:], b.Range.First[:]) })
	return func(_ context.Context, id policy.EntityID) (string, error) {
		at, exact := slices.BinarySearchFunc(ranges, id, func(g ra.Identifiers, id policy.EntityID) int { return bytes.Compare(g.Range.First[:], id[:]) })
		if !exact {
			at--
		}
		if at >= 0 && ranges[at].Range.Contains(id) {
			return string(ranges[at].Party), nil
		}
		return "", nil
	}, nil
}

// A scopeWriter prints certificates as they come and the counts at the end.
type scopeWriter struct {
	w    io.Writer
	json bool
	n    int
}

func (o *scopeWriter) add(c *scope.Certificate) error {
	o.n++
	if o.json {
		b, err := json.Marshal(c)
		if err != nil {
			return err
		}
		before := ",\n    "
		if o.n == 1 {
			before = "{\n  \"certificates\": [\n    "
		}
		_, err = fmt.Fprintf(o.w, "%s%s", before, b)
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s, %s", c.Serial, c.Status, c.Profile, c.Why)
	if c.Entity != nil {
		fmt.Fprintf(&b, ", %s", c.Entity)
	}
	if c.Role != nil {
		fmt.Fprintf(&b, ", %s", c.Role)
	}
	fmt.Fprintf(&b, ", %s, %s", c.Usage, partyOr(c.Party, c.Requester))
	if c.Revoked != nil {
		fmt.Fprintf(&b, ", revoked %s (%s)", c.Revoked.At.Format(time.RFC3339), c.Revoked.Reason)
	}
	if c.Exposed {
		b.WriteString(", EXPOSED")
	}
	b.WriteByte('\n')
	for _, cell := range c.Cells {
		fmt.Fprintf(&b, "    may stand in %s: %s\n", cell, cell.Authorises)
	}
	_, err := io.WriteString(o.w, b.String())
	return err
}

func partyOr(party, requester string) string {
	if party != "" {
		return "of " + party
	}
	return "asked for by " + requester
}

func (o *scopeWriter) end(s *scope.Summary) error {
	if o.json {
		b, err := json.MarshalIndent(s, "  ", "  ")
		if err == nil {
			_, err = fmt.Fprintf(o.w, "\n  ],\n  \"summary\": %s\n}\n", b)
		}
		return err
	}
	var b strings.Builder
	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-14s%s\n", name, fmt.Sprintf(format, a...)) }
	b.WriteByte('\n')
	line("key", "%s, compromised %s", s.Key, s.Since.Format(time.RFC3339))
	line("carry it", "%d certificates", s.Carries)
	for _, a := range s.Authorities {
		line("in question", "%d issued by %s (%d devices): %d in use, %d recorded since", a.Certificates, a.Issuer, a.Devices, a.InUse, a.Late)
		if a.LastList > 0 {
			line("", "lists %d to %d of it were signed since", a.FirstList, a.LastList)
		}
	}
	line("listed", "%d, of which %d could be misused since", s.Listed, s.Exposed)
	tally := func(name string, counts map[string]int) {
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			line(name, "%d  %s", counts[key], key)
			name = ""
		}
	}
	tally("parties", s.Parties)
	tally("roles", s.Roles)
	tally("cells", s.Cells)
	if len(s.Cells) > 0 {
		line("", "from: %s%s", s.CellsSource, unverified(s.CellsVerified))
		line("", "which devices hold them is known to the parties, not to the CA")
	}
	if l := s.Log; l != nil {
		if l.First < 0 {
			line("audit log", "nothing since")
		} else {
			var kinds []string
			for _, k := range slices.Sorted(maps.Keys(l.Kinds)) {
				kinds = append(kinds, fmt.Sprintf("%d %s", l.Kinds[k], k))
			}
			line("audit log", "records %d to %d since: %s", l.First, l.Last, strings.Join(kinds, ", "))
		}
		line("", "the certificates with the key are named in records %s", strings.Trim(fmt.Sprint(l.Naming), "[]"))
	}
	if len(s.Authorities) > 0 {
		line("not here", "what a thief signed with the key: no ledger has it. Compare with certificates found outside: smki import")
	}
	_, err := io.WriteString(o.w, b.String())
	return err
}

func unverified(verified bool) string {
	if verified {
		return ""
	}
	return " (not verified)"
}
