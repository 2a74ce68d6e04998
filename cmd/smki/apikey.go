package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/cmd/clikit"
)

func apikeyCommand() *cli.Command {
	party := &cli.StringFlag{Name: "party", Usage: "`NAME` of the party whose key it is", Required: true}
	note := &cli.StringFlag{Name: "note", Usage: "what it is for (`WORDS`)"}
	return &cli.Command{
		Name:  "apikey",
		Usage: "give out and revoke API keys of the Repository",
		Description: `A key lets its party search and retrieve certificates and fetch the daily files from smki serve. Only its hash is kept. Where registration
is not open, the party must be in the register and not withdrawn, at every request.`,
		Subcommands: []*cli.Command{
			{
				Name:  "create",
				Usage: "make a key and show it, once",
				Description: `The key, 256 random bits in hex, is printed on the standard output, alone, and never again: whoever reads it can use it.

--json prints {id, party, note, created_by, created_at, key}.

Example:
  smki apikey create --home ca --party supplier-a > key`,
				Flags:  []cli.Flag{homeFlag(), party, note, byFlag(), clikit.JSONFlag()},
				Action: runAPIKeyCreate,
			},
			{
				Name:  "adopt",
				Usage: "take over a key that a test client has built in",
				Description: `Exercises only: such a key is known to whoever has the client. The key is read from the first line of --file, or from the standard input
with -, and never from the command line, which others can see.

--json prints {id, party, note, adopted, created_by, created_at}.

Example:
  smki apikey adopt --home ca --party test-client --file client.key`,
				Flags: []cli.Flag{homeFlag(), party, note,
					&cli.StringFlag{Name: "file", Usage: "`FILE` with the key; - is the standard input", Required: true}, byFlag(), clikit.JSONFlag()},
				Action: runAPIKeyAdopt,
			},
			{
				Name:  "revoke",
				Usage: "revoke a key by its id",
				Description: `The next request with it is refused. Revoking again changes nothing. --json prints the key as list does.

Example:
  smki apikey revoke --home ca 3f09c2a41b77 --cause "left on a laptop"`,
				ArgsUsage: "ID",
				Flags:     []cli.Flag{homeFlag(), &cli.StringFlag{Name: "cause", Usage: "why (`WORDS`)", Required: true}, byFlag(), clikit.JSONFlag()},
				Action:    runAPIKeyRevoke,
			},
			{
				Name:  "list",
				Usage: "list keys, revoked ones too",
				Description: `Never the keys themselves. --json prints a list of {id, party, note, adopted, created_by, created_at, revoked_by, revoked_at, cause}.

Example:
  smki apikey list --home ca --party supplier-a`,
				Flags:  []cli.Flag{homeFlag(), &cli.StringFlag{Name: "party", Usage: "only this party's (`NAME`)"}, clikit.JSONFlag()},
				Action: runAPIKeyList,
			},
		},
	}
}

// changeKeys runs f at an open Repository, unless the CA is held after a restore.
func changeKeys(c *cli.Context, f func(*repository.Repository) error) error {
	return withRepository(c, true, f)
}

// withRepository runs f at an open Repository.
func withRepository(c *cli.Context, change bool, f func(*repository.Repository) error) error {
	return at(c, false, func(d *desk) error {
		if change {
			if err := d.goesOn(c.Context); err != nil {
				return err
			}
		}
		r, err := d.newRepository(repository.Config{})
		if err != nil {
			return err
		}
		err = f(r)
		if errors.Is(err, repository.ErrForbidden) {
			return refused("refused: %v; see: smki party list --home %s", err, d.home.dir)
		}
		return oneLine(err)
	})
}

func runAPIKeyCreate(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	return changeKeys(c, func(r *repository.Repository) error {
		secret, key, err := r.CreateKey(c.Context, repository.NewKey{Party: c.String("party"), Note: c.String("note"), By: who(c)})
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, struct {
				repository.Key
				Secret string `json:"key"`
			}{key, secret})
		}
		_, err = fmt.Fprintln(c.App.Writer, secret)
		return err
	})
}

func runAPIKeyAdopt(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	in := c.App.Reader
	if path := c.String("file"); path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return clikit.Usagef("smki apikey adopt: --file: %v", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 4<<10))
	if err != nil {
		return fmt.Errorf("reading the key: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return changeKeys(c, func(r *repository.Repository) error {
		key, err := r.AdoptKey(c.Context, repository.NewKey{Party: c.String("party"), Note: c.String("note"), By: who(c)}, strings.TrimSpace(line))
		if errors.Is(err, ca.ErrConflict) {
			return refused("refused: %v", err)
		}
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, key)
		}
		_, err = fmt.Fprintf(c.App.Writer, "key %s of party %q: whoever has the client that has it built in can use it\n", key.ID, key.Party)
		return err
	})
}

func runAPIKeyRevoke(c *cli.Context) error {
	arguments, err := clikit.Arguments(c, "ID")
	if err != nil {
		return err
	}
	return changeKeys(c, func(r *repository.Repository) error {
		key, err := r.RevokeKey(c.Context, arguments[0], who(c), c.String("cause"))
		if errors.Is(err, ca.ErrNotFound) {
			return fmt.Errorf("no API key has the id %q; look with: smki apikey list --home %s", arguments[0], c.String("home"))
		}
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, key)
		}
		_, err = fmt.Fprintf(c.App.Writer, "key %s of party %q is revoked since %s\n", key.ID, key.Party, key.RevokedAt.Format(time.RFC3339))
		return err
	})
}

func runAPIKeyList(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	return withRepository(c, false, func(r *repository.Repository) error {
		keys := []repository.Key{}
		for key, err := range r.Keys(c.Context, c.String("party")) {
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, keys)
		}
		return columns(c.App.Writer, "ID\tPARTY\tCREATED\tBY\tSTATE\tNOTE", func(add func(...any)) {
			for _, key := range keys {
				state := "in use"
				if !key.RevokedAt.IsZero() {
					state = "revoked: " + key.Cause
				}
				add(key.ID, key.Party, key.CreatedAt.Format(time.RFC3339), key.CreatedBy, state, key.Note)
			}
		})
	})
}
