package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func partyCommand() *cli.Command {
	return &cli.Command{
		Name:  "party",
		Usage: "found the registration authority, and look into the register of parties",
		Description: `A command line proves nobody's identity. So whoever owns the home does here what nobody could agree to yet, and sees everything; all that
changes the register afterwards (parties, officers, identifiers, credentials, requests, votes) is done by officers at the console of
smki serve, each known by an IKI certificate, two persons where the table of rights says so.

The way from an empty home to the first party:

  smki issue --home ca --type iki --interface console --csr manager-1.csr --out manager-1.pem     once for each manager
  smki party found --home ca --managers managers.json
  smki serve --home ca --listen HOST:8443 --public HOST:8080
  and at https://HOST:8443/ra/ the managers enrol the party, its SRO, AROs and systems, and their certificates`,
		Subcommands: []*cli.Command{
			{
				Name:  "found",
				Usage: "enrol the first managers of the registration authority",
				Description: `Works once, while the register has no officer. At least two managers, who are two persons: from then on every officer is appointed by
others. --managers is a file with a list of {"officer", "person", "name", "screened", "nomination", "certificate"}: a name for the office,
the reference under which the person's identity was verified, the person's name, the date of the security screening, the reference of
the nomination form, and the PEM file of an IKI certificate, as seen from the list.

--json prints {managers}.

Example:
  smki party found --home ca --managers managers.json

  [{"officer": "manager-1", "person": "id-2026-0001", "name": "First Manager", "screened": "2026-01-31", "nomination": "form-1", "certificate": "manager-1.pem"},
   {"officer": "manager-2", "person": "id-2026-0002", "name": "Second Manager", "screened": "2026-01-31", "nomination": "form-2", "certificate": "manager-2.pem"}]`,
				Flags: []cli.Flag{
					homeFlag(),
					&cli.StringFlag{Name: "managers", Usage: "`FILE` with the list", Required: true},
					byFlag(),
					clikit.JSONFlag(),
				},
				Action: runPartyFound,
			},
			{
				Name:        "list",
				Usage:       "list the parties",
				Description: "Withdrawn ones too. --json prints a list of {id, name, category, roles, subscriber {device, organisation}, state, cause, revision, created_at, changed_at}.\n\nExample:\n  smki party list --home ca",
				Flags:       []cli.Flag{homeFlag(), clikit.JSONFlag()},
				Action:      runPartyList,
			},
			{
				Name:  "show",
				Usage: "show a party, or the registration authority, with officers, identifiers and credentials",
				Description: `Without PARTY the registration authority's own officers are shown. --json prints {party, officers [{…, credentials}], identifiers}.

Examples:
  smki party show --home ca supplier-a
  smki party show --home ca`,
				ArgsUsage: "[PARTY]",
				Flags:     []cli.Flag{homeFlag(), clikit.JSONFlag()},
				Action:    runPartyShow,
			},
			{
				Name:  "decisions",
				Usage: "list what was decided, newest first",
				Description: `Decisions that are settled, or expired with nobody having carried them out, with who proposed them and who agreed; the last 200, or
those before a number. --json prints a list of {id, act, subject, party, state,
cause, result, proposed_by, votes [{officer, accept, comment, at}], settled_at, sha256}.

Example:
  smki party decisions --home ca
  smki party decisions --home ca --before 1200 --most 50`,
				Flags: []cli.Flag{homeFlag(), &cli.Int64Flag{Name: "before", Usage: "only decisions with a lower number (`N`)"},
					&cli.Int64Flag{Name: "most", Value: 200, Usage: "`N` at most"}, clikit.JSONFlag()},
				Action: runPartyDecisions,
			},
		},
	}
}

// founder is a manager as the file has him.
type founder struct {
	Officer     ra.OfficerID `json:"officer"`
	Person      ra.PersonID  `json:"person"`
	Name        string       `json:"name"`
	Screened    string       `json:"screened"`
	Nomination  string       `json:"nomination"`
	Certificate string       `json:"certificate"`
}

// readFounders reads the list, strictly, and the certificates it names.
func readFounders(path string) ([]ra.Founder, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var listed []founder
	if err := ca.ReadStrict(b, &listed); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var founders []ra.Founder
	for _, m := range listed {
		file := m.Certificate
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(path), file)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: officer %q: %w", path, m.Officer, err)
		}
		block, _ := pem.Decode(b)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: officer %q: %q holds no PEM certificate", path, m.Officer, file)
		}
		founders = append(founders, ra.Founder{Officer: m.Officer, Person: m.Person, Name: m.Name, Screened: m.Screened, Nomination: m.Nomination, Certificate: block.Bytes})
	}
	return founders, nil
}

func runPartyFound(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	founders, err := readFounders(c.String("managers"))
	if err != nil {
		return clikit.Usagef("smki party found: --managers: %v", err)
	}
	return at(c, false, func(d *desk) error {
		for _, f := range founders {
			if err := d.ownCertificate(c, f.Certificate); err != nil {
				return fmt.Errorf("officer %q: %w", f.Officer, err)
			}
		}
		if err := d.registry.Found(c.Context, who(c), founders); err != nil {
			if errors.Is(err, ca.ErrConflict) {
				return refused("refused: %v: at the console of smki serve", err)
			}
			return oneLine(err)
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, map[string]int{"managers": len(founders)})
		}
		_, err := fmt.Fprintf(c.App.Writer, "the registration authority has %d managers; what follows is theirs, at the console of smki serve\n", len(founders))
		return err
	})
}

// columns prints rows under a heading.
func columns(w io.Writer, heading string, rows func(add func(cells ...any))) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	rows(func(cells ...any) {
		words := make([]string, 0, len(cells))
		for _, cell := range cells {
			words = append(words, printable(fmt.Sprint(cell)))
		}
		fmt.Fprintln(t, strings.Join(words, "\t"))
	})
	return t.Flush()
}

// printable keeps what people typed from moving a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 {
			return '?'
		}
		return r
	}, s)
}

func runPartyList(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	return at(c, false, func(d *desk) error {
		parties, err := d.registry.Parties(c.Context)
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, append([]ra.Party{}, parties...))
		}
		return columns(c.App.Writer, "PARTY\tNAME\tCATEGORY\tROLES\tSTATE", func(add func(...any)) {
			for _, p := range parties {
				add(p.ID, p.Name, p.Category, roleNames(p.Roles), p.State)
			}
		})
	})
}

func roleNames(roles []policy.RemotePartyRole) string {
	names := make([]string, 0, len(roles))
	for _, role := range roles {
		names = append(names, role.String())
	}
	return strings.Join(names, ",")
}

// shownParty is a party with what belongs to it.
type shownParty struct {
	Party       *ra.Party        `json:"party"` // nil: the registration authority
	Officers    []shownOfficer   `json:"officers"`
	Identifiers []ra.Identifiers `json:"identifiers"`
}

type shownOfficer struct {
	ra.Officer
	Credentials []ra.Credential `json:"credentials"`
}

func runPartyShow(c *cli.Context) error {
	arguments, err := clikit.Arguments(c, "[PARTY]")
	if err != nil {
		return err
	}
	id := ra.PartyID("")
	if len(arguments) > 0 {
		id = ra.PartyID(arguments[0])
	}
	return at(c, false, func(d *desk) error {
		shown, err := d.showParty(c, id)
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, shown)
		}
		return shown.print(c.App.Writer)
	})
}

func (d *desk) showParty(c *cli.Context, id ra.PartyID) (*shownParty, error) {
	shown := &shownParty{Officers: []shownOfficer{}, Identifiers: []ra.Identifiers{}}
	if id != "" {
		p, err := d.registry.Party(c.Context, id)
		if errors.Is(err, ca.ErrNotFound) {
			return nil, fmt.Errorf("party %q is not in the register; look with: smki party list --home %s", id, d.home.dir)
		}
		if err != nil {
			return nil, err
		}
		shown.Party = &p
		owned, err := d.registry.Identifiers(c.Context, id)
		if err != nil {
			return nil, err
		}
		shown.Identifiers = append(shown.Identifiers, owned...)
	}
	officers, err := d.registry.Officers(c.Context, id)
	if err != nil {
		return nil, err
	}
	for _, o := range officers {
		credentials, err := d.registry.Credentials(c.Context, o.ID)
		if err != nil {
			return nil, err
		}
		shown.Officers = append(shown.Officers, shownOfficer{o, append([]ra.Credential{}, credentials...)})
	}
	return shown, nil
}

func (s *shownParty) print(w io.Writer) error {
	if p := s.Party; p != nil {
		fmt.Fprintf(w, "party       %s, %s\ncategory    %s\nroles       %s\nsubscriber  device %v, organisation %v\nstate       %s %s\n",
			p.ID, printable(p.Name), p.Category, roleNames(p.Roles), p.Subscriber.Device, p.Subscriber.Organisation, p.State, printable(p.Cause))
		for _, i := range s.Identifiers {
			until := ""
			if !i.ReleasedAt.IsZero() {
				until = ", released " + i.ReleasedAt.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "identifiers %s%s\n", i.Range, until)
		}
	}
	return columns(w, "OFFICER\tROLE\tPERSON\tNAME\tSTATE\tCREDENTIAL\tUNTIL\tSTATE", func(add func(...any)) {
		for _, o := range s.Officers {
			if len(o.Credentials) == 0 {
				add(o.ID, o.Role, o.Person, o.Name, o.State, "none", "", "")
			}
			for _, cr := range o.Credentials {
				add(o.ID, o.Role, o.Person, o.Name, o.State, cr.Serial, cr.NotAfter.Format(time.DateOnly), cr.State)
			}
		}
	})
}

// decision is a settled approval as it is listed.
type decision struct {
	ID         int64            `json:"id"`
	Act        ra.Act           `json:"act"`
	Subject    string           `json:"subject"`
	Party      ra.PartyID       `json:"party,omitempty"`
	State      ra.ApprovalState `json:"state"`
	Cause      string           `json:"cause,omitempty"`
	Result     string           `json:"result,omitempty"`
	ProposedBy ra.OfficerID     `json:"proposed_by"`
	Votes      []decisionVote   `json:"votes"`
	SettledAt  time.Time        `json:"settled_at"`
	SHA256     string           `json:"sha256"`
}

type decisionVote struct {
	Officer ra.OfficerID `json:"officer"`
	Accept  bool         `json:"accept"`
	Comment string       `json:"comment,omitempty"`
	At      time.Time    `json:"at"`
}

func runPartyDecisions(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	return at(c, false, func(d *desk) error {
		settled, next, err := d.registry.History(c.Context, "", ra.Page{From: c.Int64("before"), Most: int(c.Int64("most"))})
		if err != nil {
			return err
		}
		decisions := []decision{}
		for _, a := range settled {
			one := decision{ID: a.ID, Act: a.Act, Subject: a.Subject, Party: a.Party, State: a.State, Cause: a.Cause, Result: a.Result,
				ProposedBy: a.ProposedBy, Votes: []decisionVote{}, SettledAt: a.SettledAt, SHA256: fmt.Sprintf("%x", a.Hash)}
			for _, v := range a.Votes {
				one.Votes = append(one.Votes, decisionVote{v.Officer, v.Accept, v.Comment, v.At})
			}
			decisions = append(decisions, one)
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, decisions)
		}
		return columns(c.App.Writer, "ID\tACT\tSUBJECT\tSTATE\tPROPOSED BY\tVOTES\tSETTLED", func(add func(...any)) {
			for _, one := range decisions {
				var votes []string
				for _, v := range one.Votes {
					word := "for"
					if !v.Accept {
						word = "against"
					}
					votes = append(votes, fmt.Sprintf("%s %s", v.Officer, word))
				}
				add(one.ID, one.Act, one.Subject, one.State, one.ProposedBy, strings.Join(votes, ", "), one.SettledAt.Format(time.RFC3339))
			}
			if next != 0 {
				add("…", fmt.Sprintf("older ones: --before %d", next))
			}
		})
	})
}
