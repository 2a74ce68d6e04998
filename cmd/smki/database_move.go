package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/ca/store"
	"smki.example/cmd/clikit"
)

// moveResult is the result of a move as --json has it.
type moveResult struct {
	From    string               `json:"from"`
	To      string               `json:"to"`
	Moved   bool                 `json:"moved"`
	Tables  []store.RemovedTable `json:"tables"`
	Records int64                `json:"audit_records"`
	Head    string               `json:"audit_head,omitempty"`
}

func runDatabaseMove(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	if strings.Contains(h.Store, "://") && !strings.HasPrefix(h.Store, "sqlite:") {
		return clikit.Usagef("smki database move: the ledger of %q is in a PostgreSQL database already: another address of it is chosen with smki database use", h.dir)
	}
	if err := h.databaseThere(); err != nil {
		return err
	}
	if err := withoutPassword("move", "to", c.String("to")); err != nil {
		return err
	}
	if c.Bool("dry-run") {
		if err := ofThisLevel(c.Context, h); err != nil {
			return err
		}
	}
	result := moveResult{Moved: !c.Bool("dry-run")}
	progress := clikit.NewProgress(c.App.ErrWriter)
	moved, err := store.Move(c.Context, store.Removal{
		From: h.path(h.Store), To: c.String("to"), DryRun: c.Bool("dry-run"),
		Agree: func(ctx context.Context, from, to store.Tx) (err error) {
			result.Records, result.Head, err = sameLog(ctx, from, to)
			return err
		},
		Progress: func(table string, done, total int) { progress.Step("moving "+table, done, total) },
	})
	progress.Clear()
	if err != nil {
		if errors.Is(err, store.ErrMoved) {
			return refused("%v; give that address", err)
		}
		code := clikit.Failed
		if errors.Is(err, store.ErrAway) {
			code = clikit.Unavailable
		}
		return clikit.With(code, fmt.Errorf("%w; the CA is where it was", err))
	}
	result.From, result.To, result.Tables = moved.From, moved.To, moved.Tables
	if result.Moved {
		// The old file refuses everything by now, so that no command can write to it in
		// between; killed here, the same command finds the copy and comes here again.
		h.Store = c.String("to")
		if err := h.save(); err != nil {
			return fmt.Errorf("%w; the ledger is moved: run the command again", err)
		}
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, result)
	}
	return printMove(c, h, &result, moved.Before)
}

// ofThisLevel refuses to count in a file whose tables a move would bring up to this
// version first, which a dry run must not.
func ofThisLevel(ctx context.Context, h *home) error {
	found, err := store.Look(ctx, store.Config{URL: h.path(h.Store)})
	if err != nil {
		return noDatabase(err)
	}
	if found.Moved == "" && found.Pending > 0 {
		return refused("refused: the tables of %s are %d levels behind this program; a move brings them up to it first, as does any other command that opens the ledger. Nothing was changed", found.Name, found.Pending)
	}
	return nil
}

func printMove(c *cli.Context, h *home, r *moveResult, before bool) error {
	var total int64
	err := columns(c.App.Writer, "TABLE\tROWS", func(add func(...any)) {
		for _, t := range r.Tables {
			if t.Rows > 0 {
				add(t.Name, t.Rows)
			}
			total += t.Rows
		}
	})
	if err != nil {
		return err
	}
	says := fmt.Sprintf(`moved %d rows of %d tables from %s
to %s
read back and compared: every row; audit log of %d records, head %s
The old file is kept, marked, and refuses every change. home.json names the new database.
Next: the service's own user, smki database role --home %s --login NAME --apply
`, total, len(r.Tables), r.From, r.To, r.Records, r.Head, h.dir)
	if !r.Moved {
		says = fmt.Sprintf("would move %d rows of %d tables from %s\nto %s\nnothing was changed\n", total, len(r.Tables), r.From, r.To)
		if before {
			says += "the new database is not empty: a copy of this ledger is gone on with, anything else is refused\n"
		}
	}
	_, err = fmt.Fprint(c.App.Writer, says)
	return err
}
