package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// A chooser finds the serial numbers to revoke.
type chooser func(ctx context.Context, d *desk) ([]policy.Serial, error)

// choice reads the one flag that says what to revoke, and refuses two.
func choice(c *cli.Context) (chooser, error) {
	var chosen []string
	for _, name := range []string{"serial", "spki", "list", "entity", "issuer"} {
		if c.IsSet(name) {
			chosen = append(chosen, name)
		}
	}
	if len(chosen) != 1 {
		return nil, clikit.Usagef("smki revoke: want one of --serial, --spki, --list, --entity and --issuer, got %d of them", len(chosen))
	}
	var since time.Time
	if t := c.Timestamp("not-before"); t != nil {
		since = *t
	}
	value := c.String(chosen[0])
	usage := func(err error) error { return clikit.Usagef("smki revoke: --%s: %v", chosen[0], err) }
	filter := ca.Filter{Since: since}
	switch chosen[0] {
	case "serial":
		s, err := policy.ParseSerial(value)
		if err != nil {
			return nil, usage(err)
		}
		return recordedSince([]policy.Serial{s}, since), nil
	case "list":
		serials, err := readSerials(value)
		if err != nil {
			return nil, usage(err)
		}
		return recordedSince(serials, since), nil
	case "spki":
		key, err := ca.ParseKeyHash(value)
		if err != nil {
			return nil, usage(err)
		}
		filter.Key = &key
	case "entity":
		entity, err := policy.ParseEntityID(value)
		if err != nil {
			return nil, usage(err)
		}
		filter.Entity = &entity
	case "issuer":
		name, _ := ca.SplitID(value)
		if !policy.ProfileName(name).Authority() {
			return nil, usage(fmt.Errorf("%q is no authority; want root-oca, issuing-oca, root-dca or issuing-dca", value))
		}
		filter.Issuer = value
	}
	return func(ctx context.Context, d *desk) ([]policy.Serial, error) {
		var serials []policy.Serial
		for cert, err := range d.issuer.List(ctx, filter) {
			if err != nil {
				return nil, err
			}
			if !cert.Profile.Root() {
				serials = append(serials, cert.Serial)
			}
		}
		if len(serials) > 0 {
			return serials, nil
		}
		early := leftOut{}
		filter.Since, filter.Until = time.Time{}, since
		for cert, err := range d.issuer.List(ctx, filter) {
			if err != nil {
				return nil, err
			}
			if !cert.Profile.Root() {
				early.add(cert)
			}
		}
		if !since.IsZero() && early.n > 0 {
			return nil, early.error(since)
		}
		return nil, fmt.Errorf("no certificate in the ledger fits --%s %s; look with: smki list --home %s", chosen[0], value, d.home.dir)
	}, nil
}

// recordedSince chooses of some serial numbers those recorded at a time or later.
func recordedSince(serials []policy.Serial, since time.Time) chooser {
	return func(ctx context.Context, d *desk) ([]policy.Serial, error) {
		if since.IsZero() {
			return serials, nil
		}
		var late []policy.Serial
		var early leftOut
		for _, s := range serials {
			c, err := d.issuer.BySerial(ctx, s)
			if client, found := iki.BySerial(ctx, d.store, s); errors.Is(err, ca.ErrNotFound) && found == nil {
				c, err = &ca.Certificate{Serial: client.Serial, RecordedAt: client.RecordedAt}, nil
			}
			if err != nil {
				return nil, d.unknown(ctx, s, err)
			}
			if c.RecordedAt.Before(since) {
				early.add(c)
				continue
			}
			late = append(late, s)
		}
		if len(late) == 0 {
			return nil, early.error(since)
		}
		return late, nil
	}
}

// leftOut is what --not-before takes away from a choice.
type leftOut struct {
	n      int
	latest *ca.Certificate
}

func (l *leftOut) add(c *ca.Certificate) {
	l.n++
	if l.latest == nil || c.RecordedAt.After(l.latest.RecordedAt) {
		l.latest = c
	}
}

// error is what is said when nothing remained.
func (l *leftOut) error(since time.Time) error {
	return fmt.Errorf("nothing was revoked: --not-before %s left out all certificates that fit, %d of them; the latest is %s, recorded at %s",
		since.Format(time.RFC3339), l.n, l.latest.Serial, l.latest.RecordedAt.Format(time.RFC3339Nano))
}

// readSerials reads the serial numbers of a CSV file. Rows without one (items of a
// batch that were refused) are passed over; a serial that stands twice counts once.
func readSerials(path string) ([]policy.Serial, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	reader := csv.NewReader(f)
	reader.FieldsPerRecord, reader.ReuseRecord = -1, true
	column, first := 0, true
	var serials []policy.Serial
	seen := make(map[policy.Serial]bool)
	for {
		row, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		line, _ := reader.FieldPos(0)
		if first {
			first = false
			if n := slices.Index(row, "serial"); n >= 0 {
				column = n
				continue
			}
		}
		if column >= len(row) || strings.TrimSpace(row[column]) == "" {
			continue
		}
		s, err := policy.ParseSerial(strings.TrimSpace(row[column]))
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, line, err)
		}
		if !seen[s] {
			seen[s] = true
			serials = append(serials, s)
		}
	}
	if len(serials) == 0 {
		return nil, fmt.Errorf("%s: no serial number in it; want one a line, or a heading with a column \"serial\"", path)
	}
	return serials, nil
}
