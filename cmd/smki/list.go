package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list certificates",
		Description: `Lists the ledger, oldest first: a table on a terminal, otherwise one certificate a line with tabs between serial, status, profile,
issuer, entity, role, usage, not before, not after. Filters that are given must all hold. Status is I in use, N not in use, R revoked,
E expired. IKI certificates are listed with --type iki. Needs no token.

--json prints a list of {serial, status, profile, issuer, entity, role, usage, key, not_before, not_after, recorded_at, requester}.

Examples:
  smki list --home ca --status R
  smki list --home ca --type device --since 2026-11-01T00:00:00Z --json
  smki list --home ca --entity 90-B3-D5-1F-30-01-00-02`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "type", Usage: "profile (`NAME`): device, organisation, iki, or that of an authority"},
			&cli.StringFlag{Name: "issuer", Usage: "authority (`NAME`), with or without generation"},
			&cli.StringFlag{Name: "entity", Usage: "device or organisation (`EUI`)"},
			&cli.StringFlag{Name: "role", Usage: "remote party role (`NAME`, or two hex digits)"},
			&cli.StringFlag{Name: "status", Usage: "I, N, R or E (`LETTER`)"},
			&cli.TimestampFlag{Name: "since", Layout: time.RFC3339, Usage: "recorded at `TIME` or later"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N` certificates"},
			clikit.JSONFlag(),
		},
		Action: runList,
	}
}

// listed is one line of a listing, of either ledger.
type listed struct {
	Serial     policy.Serial           `json:"serial"`
	Status     ca.Status               `json:"status"`
	Profile    policy.ProfileName      `json:"profile"`
	Issuer     string                  `json:"issuer"`
	Entity     *policy.EntityID        `json:"entity,omitempty"`
	Name       string                  `json:"name,omitempty"`
	Role       *policy.RemotePartyRole `json:"role,omitempty"`
	Usage      policy.KeyUsage         `json:"usage"`
	Key        string                  `json:"key"`
	NotBefore  time.Time               `json:"not_before"`
	NotAfter   time.Time               `json:"not_after"`
	RecordedAt time.Time               `json:"recorded_at"`
	Requester  string                  `json:"requester"`
}

func listedOf(c *ca.Certificate, now time.Time) listed {
	return listed{Serial: c.Serial, Status: c.StatusAt(now), Profile: c.Profile, Issuer: c.Issuer, Entity: c.Entity, Role: c.Role, Usage: c.Usage,
		Key: c.Key.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter, RecordedAt: c.RecordedAt, Requester: c.Requester}
}

func listedIKI(c *iki.Certificate) listed {
	l := listed{Serial: c.Serial, Status: c.Status, Profile: c.Profile, Issuer: c.Issuer, Name: c.Organisation + ", " + c.CN, Role: c.Role,
		Usage: policy.UsageDigitalSignature, Key: c.Key.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter, RecordedAt: c.RecordedAt, Requester: c.Requester}
	if c.Profile == iki.ProfileAuthority {
		l.Usage = policy.UsageCertSign | policy.UsageCRLSign
	}
	return l
}

func runList(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	filter, err := listFilter(c)
	if err != nil {
		return err
	}
	return at(c, false, func(d *desk) error {
		out := newListing(c)
		if c.String("type") == "iki" {
			for cert, err := range iki.List(c.Context, d.store) {
				if err != nil {
					return err
				}
				if cert.RecordedAt.Before(filter.Since) {
					continue
				}
				if more, err := out.add(listedIKI(cert)); err != nil || !more {
					return errOr(err, out.end())
				}
			}
			return out.end()
		}
		for cert, err := range d.issuer.List(c.Context, filter) {
			if err != nil {
				return err
			}
			if more, err := out.add(listedOf(cert, d.issuer.Now())); err != nil || !more {
				return errOr(err, out.end())
			}
		}
		return out.end()
	})
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func listFilter(c *cli.Context) (ca.Filter, error) {
	if c.String("type") == string(iki.ProfileAuthority) {
		return ca.Filter{Since: sinceFlag(c)}, nil
	}
	f, err := commonFilter(c, "list", "iki or ")
	f.Since = sinceFlag(c)
	return f, err
}

func sinceFlag(c *cli.Context) time.Time {
	if t := c.Timestamp("since"); t != nil {
		return *t
	}
	return time.Time{}
}

// A listing prints certificates as they come: a table needs them all, JSON and
// lines do not, so that a million certificates take no memory there.
type listing struct {
	w      io.Writer
	buffer *bufio.Writer // under w, flushed at the end; nil: none
	json   bool
	table  table.Writer // on a terminal
	limit  int
	n      int
}

func newListing(c *cli.Context) *listing {
	l := &listing{w: c.App.Writer, json: clikit.WantsJSON(c), limit: c.Int("limit")}
	if !l.json && clikit.IsTerminal(l.w) {
		l.table = table.NewWriter()
		l.table.SetStyle(table.StyleLight)
		l.table.AppendHeader(table.Row{"serial", "status", "profile", "issuer", "entity", "role", "usage", "from", "to"})
	}
	if l.table == nil {
		// One write a certificate would be most of what a long listing costs.
		l.buffer = bufio.NewWriterSize(l.w, 1<<16)
		l.w = l.buffer
	}
	return l
}

// add prints one certificate and tells whether more are wanted.
func (l *listing) add(c listed) (bool, error) {
	l.n++
	var err error
	switch {
	case l.json:
		err = l.addJSON(c)
	case l.table != nil:
		cells := c.cells()
		row := make(table.Row, len(cells))
		for n, cell := range cells {
			row[n] = cell
		}
		l.table.AppendRow(row)
	default:
		_, err = fmt.Fprintln(l.w, strings.Join(c.cells(), "\t"))
	}
	return l.limit <= 0 || l.n < l.limit, err
}

func (l *listing) addJSON(c listed) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	before := ",\n  "
	if l.n == 1 {
		before = "[\n  "
	}
	_, err = fmt.Fprintf(l.w, "%s%s", before, b)
	return err
}

func (c listed) cells() []string {
	entity, role := c.Name, ""
	if c.Entity != nil {
		entity = c.Entity.String()
	}
	if c.Role != nil {
		role = c.Role.String()
	}
	return []string{c.Serial.String(), string(c.Status), string(c.Profile), c.Issuer, entity, role, c.Usage.String(),
		c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly)}
}

func (l *listing) end() error {
	var err error
	switch {
	case l.json && l.n == 0:
		_, err = fmt.Fprintln(l.w, "[]")
	case l.json:
		_, err = fmt.Fprintln(l.w, "\n]")
	case l.table != nil:
		_, err = fmt.Fprintf(l.w, "%s\n%d certificates\n", l.table.Render(), l.n)
	}
	if l.buffer != nil {
		err = errors.Join(err, l.buffer.Flush())
	}
	return err
}
