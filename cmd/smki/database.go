package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/ca/work"
	"smki.example/cmd/clikit"
)

func databaseCommand() *cli.Command {
	return &cli.Command{
		Name:  "database",
		Usage: "move a CA to PostgreSQL, and give its service the rights that it needs there and no others",
		Description: `A new CA keeps everything in a SQLite file in its home. For several nodes the ledger is a PostgreSQL database. The way there, with
a user smki_owner, to whom the database belongs and who may make roles, and a user smki, as whom the service logs in:

  smki database move --home ca --to 'postgres://smki_owner@db.example/smki?passfile=/etc/smki/pgpass' --dry-run
  smki database move --home ca --to 'postgres://smki_owner@db.example/smki?passfile=/etc/smki/pgpass'
  smki database role --home ca --login smki --apply
  smki database use  --home ca --store 'postgres://smki@db.example/smki?passfile=/etc/smki/pgpass'

After an upgrade of this program run "role" once more, with --as and the address of smki_owner.`,
		Subcommands: []*cli.Command{
			{
				Name:  "move",
				Usage: "move the ledger from the home's SQLite file to a PostgreSQL database",
				Description: `Stop every server and command of the home first; a living one is refused. Everything is copied in one transaction over there, read
back, and compared: the rows of each table by number and contents, and the head of the audit log. Only then is the old file marked as
moved, after which it refuses every change and every command, and the new address written to home.json. The file is kept; keep the
last backup of it too.

Killed at any moment, the CA is where it was, or is moved: run the same command again, which finds out what is left to do.

The database must exist and be empty, and the address be that of its owner. --dry-run looks and counts, and changes nothing:
of a file whose tables are of an older version of this program it says so, and counts nothing.

Exit: 0 moved, or may be moved; 1 not moved; 2 wrong usage; 3 it was moved to another database before, or --dry-run found tables of an older version; 4 a database is not available.

--json prints {from, to, moved, tables [{table, rows}], audit_records, audit_head}.

Example:
  smki database move --home ca --to 'postgres://smki_owner@db.example/smki?passfile=/etc/smki/pgpass' --dry-run`,
				Flags: []cli.Flag{
					homeFlag(),
					&cli.StringFlag{Name: "to", Usage: "postgres:// address of the new database, as its owner (`URL`)", Required: true},
					&cli.BoolFlag{Name: "dry-run", Usage: "look and count only"},
					clikit.JSONFlag(),
				},
				Action: runDatabaseMove,
			},
			{
				Name:  "role",
				Usage: "print, or carry out, the SQL that gives the service its rights on PostgreSQL",
				Description: `The role may do what the services do: add to the ledger and to the audit log, and change what is work in progress. It may neither
change nor delete certificates, intents, revocations, lists, votes or audit records, nor change a table, so that the server refuses what
a stolen login of the service would try.

Without --apply the SQL is printed, to be read, or run with psql by the owner of the tables. With --apply it is run at the home's
database, or at the address of --as, after the tables have been brought up to this version. Run it again after each upgrade.

--json prints {role, login, applied, sql}.

Examples:
  smki database role --home ca --login smki > role.sql
  smki database role --home ca --login smki --apply
  smki database role --home ca --login smki --apply --as 'postgres://smki_owner@db.example/smki?passfile=/etc/smki/pgpass'`,
				Flags: []cli.Flag{
					homeFlag(),
					&cli.StringFlag{Name: "role", Value: "smki_service", Usage: "`NAME` of the role"},
					&cli.StringFlag{Name: "login", Usage: "`NAME` of the user that the service logs in as, who is given the role; he must exist"},
					&cli.BoolFlag{Name: "apply", Usage: "carry it out"},
					&cli.StringFlag{Name: "as", Usage: "address of the database as the owner of its tables (`URL`); default: the home's"},
					clikit.JSONFlag(),
				},
				Action: runDatabaseRole,
			},
			{
				Name:  "use",
				Usage: "have the home log in at its database as somebody else",
				Description: `Writes another address of the same ledger to home.json, after it has found the same audit log there. Restart the servers afterwards.

--json prints {store}.

Example:
  smki database use --home ca --store 'postgres://smki@db.example/smki?passfile=/etc/smki/pgpass'`,
				Flags: []cli.Flag{
					homeFlag(),
					&cli.StringFlag{Name: "store", Usage: "the address (`URL`)", Required: true},
					clikit.JSONFlag(),
				},
				Action: runDatabaseUse,
			},
		},
	}
}

// noDatabase says that a database cannot be used as things are.
func noDatabase(err error) error {
	if errors.Is(err, store.ErrNotOwner) {
		err = fmt.Errorf("%w; run: smki database role --home DIR --login NAME --apply --as and the owner's address", err)
	}
	if errors.Is(err, store.ErrMoved) {
		err = fmt.Errorf("%w; the same smki database move, once more, writes the address to home.json", err)
	}
	return clikit.With(clikit.Unavailable, fmt.Errorf("the database is not available: %w", err))
}

// withoutPassword refuses an address that holds a password before anything is opened.
// It does not repeat it.
func withoutPassword(command, flag, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return clikit.Usagef("smki database %s: --%s: this is no address; want postgres://USER@HOST:PORT/DATABASE", command, flag)
	}
	_, is := u.User.Password()
	if q := u.Query(); is || q.Has("password") || q.Has("sslpassword") {
		return clikit.Usagef("smki database %s: --%s: the address holds a password, which others can read: put it in a file of mode 0600 in the form HOST:PORT:DATABASE:USER:PASSWORD and name the file with ?passfile=", command, flag)
	}
	return nil
}

// sameLog refuses two databases whose audit logs are not one: the second must contain
// all of the first.
func sameLog(ctx context.Context, from, to store.Tx) (int64, string, error) {
	n, head, err := audit.Head(ctx, from)
	if err != nil {
		return 0, "", err
	}
	there, _, err := audit.Head(ctx, to)
	if err != nil {
		return 0, "", err
	}
	if there < n {
		return 0, "", fmt.Errorf("the audit log has %d records here and %d there", n, there)
	}
	again, err := audit.HeadAt(ctx, to, n)
	if err == nil && again != head {
		err = fmt.Errorf("the audit log over %d records has the head %s here and %s there", n, head, again)
	}
	return n, head.String(), err
}

var loginName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func runDatabaseRole(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	script, err := store.ServiceRole(c.String("role"))
	if err != nil {
		return clikit.Usagef("smki database role: --role: %v", err)
	}
	login := c.String("login")
	if login != "" {
		if !loginName.MatchString(login) {
			return clikit.Usagef("smki database role: --login %q: want the name of a PostgreSQL user, of lower-case letters, digits and _", login)
		}
		script += fmt.Sprintf("\nGRANT %s TO %s;\n", c.String("role"), login)
	}
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	if c.Bool("apply") {
		address := h.path(h.Store)
		if as := c.String("as"); as != "" {
			if err := withoutPassword("role", "as", as); err != nil {
				return err
			}
			address = as
		}
		if err := giveRights(c.Context, address, script, login); err != nil {
			return err
		}
	}
	switch {
	case clikit.WantsJSON(c):
		return clikit.JSON(c.App.Writer, map[string]any{"role": c.String("role"), "login": login, "applied": c.Bool("apply"), "sql": script})
	case !c.Bool("apply"):
		_, err = fmt.Fprint(c.App.Writer, script)
		return err
	}
	next := "give it to the user that the service logs in as (--login)"
	if login != "" {
		next = fmt.Sprintf("%q has it; next: smki database use --home %s --store postgres://%s@…", login, h.dir, login)
	}
	_, err = fmt.Fprintf(c.App.Writer, "the role %q has its rights: %s\n", c.String("role"), next)
	return err
}

// giveRights runs the script as the owner of the tables, all of which are there by
// then, the job queue's among them.
func giveRights(ctx context.Context, address, script, login string) (err error) {
	s, err := store.Open(ctx, store.Config{URL: address})
	if err != nil {
		return noDatabase(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !s.Distributed() {
		return clikit.Usagef("smki database role: %s is a SQLite file, which has no roles: triggers in it refuse what the role may not do; see smki database move --help", s)
	}
	queue, err := work.New(ctx, work.Config{Store: s})
	if err != nil {
		return noDatabase(err)
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	return s.Migrating(ctx, func(db *sql.DB) error {
		if login != "" {
			var mine bool
			if err := db.QueryRowContext(ctx, `SELECT current_user = $1`, login).Scan(&mine); err != nil {
				return noDatabase(err)
			}
			if mine {
				return clikit.Usagef("smki database role: %q is whom this address logs in as, and nobody gives himself his rights: give the address of the tables' owner with --as", login)
			}
		}
		if _, err := db.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("giving the rights: %w; it takes the owner of the tables (--as), with CREATEROLE where the role is new, and a user %q who exists", err, login)
		}
		return nil
	})
}

func runDatabaseUse(c *cli.Context) (err error) {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	address := c.String("store")
	if !strings.Contains(address, "://") {
		return clikit.Usagef("smki database use: --store: want a postgres:// address")
	}
	if err := withoutPassword("use", "store", address); err != nil {
		return err
	}
	if err := h.databaseThere(); err != nil {
		return err
	}
	here, err := store.Open(c.Context, store.Config{URL: h.path(h.Store)})
	if err != nil {
		return noDatabase(err)
	}
	defer func() { err = errors.Join(err, here.Close()) }()
	there, err := store.Open(c.Context, store.Config{URL: address})
	if err != nil {
		return noDatabase(err)
	}
	defer func() { err = errors.Join(err, there.Close()) }()
	if !here.Distributed() {
		return clikit.Usagef("smki database use: the ledger is in %s; it is moved with: smki database move --home %s --to %s", here, h.dir, there)
	}
	err = here.Read(c.Context, func(from store.Tx) error {
		return there.Read(c.Context, func(to store.Tx) error {
			if _, _, err := sameLog(c.Context, from, to); err != nil {
				return fmt.Errorf("%s holds another ledger: %w", there, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	h.Store = address
	if err := h.save(); err != nil {
		return err
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]string{"store": there.String()})
	}
	_, err = fmt.Fprintf(c.App.Writer, "the home uses %s; restart its servers\n", there)
	return err
}
