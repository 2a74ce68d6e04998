package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"smki.example/ca/audit"
	"smki.example/cmd/clikit"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "verify the audit log, or sign its head",
		Subcommands: []*cli.Command{
			{
				Name:  "verify",
				Usage: "recompute the whole log and say whether it is what was written",
				Description: `Compares every record with the hashes that were stored with it and with every checkpoint in the database. --checkpoint FILE adds
one that was kept elsewhere, which is what binds whoever has the database and the log's key: give the oldest and the newest you have.
Needs no token.

Exit: 0 intact; 1 changed, with the first record that is not what was written.

--json prints {intact, size, head, signed_up_to} or {intact, record, reason}.

Examples:
  smki audit verify --home ca
  smki audit verify --home ca --checkpoint monday.txt --checkpoint friday.txt`,
				Flags: []cli.Flag{
					homeFlag(),
					&cli.StringSliceFlag{Name: "checkpoint", Usage: "`FILE` with a checkpoint that was kept elsewhere; may be given again"},
					clikit.JSONFlag(),
				},
				Action: runAuditVerify,
			},
			{
				Name:  "checkpoint",
				Usage: "sign the head of the log and print it",
				Description: `Prints a signed note: the log's name, its size, its head. Keep it where the CA's administrators cannot reach it.

--json prints {size, head, note, verifier}; verifier is the log's public key, which belongs on paper.

Example:
  smki audit checkpoint --home ca > checkpoint-2026-11-24.txt`,
				Flags:  []cli.Flag{homeFlag(), &cli.StringFlag{Name: "out", Usage: "`FILE` for the note"}, clikit.JSONFlag()},
				Action: runAuditCheckpoint,
			},
		},
	}
}

func runAuditVerify(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	var kept [][]byte
	for _, path := range c.StringSlice("checkpoint") {
		b, err := os.ReadFile(path)
		if err != nil {
			return clikit.Usagef("smki audit verify: --checkpoint: %v", err)
		}
		kept = append(kept, b)
	}
	return at(c, false, func(d *desk) error {
		verdict, err := d.issuer.Log().Verify(c.Context, kept...)
		if errors.Is(err, audit.ErrTampered) {
			return tampered(c, err)
		}
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, map[string]any{"intact": true, "size": verdict.Size, "head": verdict.Hash.String(), "signed_up_to": verdict.Checkpoint})
		}
		note := ""
		if len(kept) == 0 {
			note = "; no checkpoint from outside was given, so a log that was rewritten whole would look the same"
		}
		_, err = fmt.Fprintf(c.App.Writer, "intact: %d records, head %s, signed up to %d%s\n", verdict.Size, verdict.Hash, verdict.Checkpoint, note)
		return err
	})
}

// tampered prints a negative verdict, which is a result and no failure.
func tampered(c *cli.Context, err error) error {
	if clikit.WantsJSON(c) {
		result := map[string]any{"intact": false, "reason": err.Error()}
		var bad *audit.BadRecord
		if errors.As(err, &bad) {
			result["record"], result["reason"] = bad.Seq, bad.Reason
		}
		if err := clikit.JSON(c.App.Writer, result); err != nil {
			return err
		}
		return clikit.Silent(clikit.Failed)
	}
	return fmt.Errorf("CHANGED: %w; stop the CA, keep the database as it is, and compare it with the last backup whose checkpoint verifies", err)
}

func runAuditCheckpoint(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	return at(c, false, func(d *desk) error {
		p, err := d.issuer.Log().Checkpoint(c.Context)
		if err != nil {
			return err
		}
		if path := c.String("out"); path != "" {
			if err := writeWhole(path, p.Note, 0o644); err != nil {
				return err
			}
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, map[string]any{"size": p.Size, "head": p.Hash.String(), "note": string(p.Note), "verifier": d.issuer.Log().VerifierKey()})
		}
		if c.String("out") != "" {
			_, err = fmt.Fprintf(c.App.Writer, "head over %d records in %s\n", p.Size, c.String("out"))
			return err
		}
		_, err = io.WriteString(c.App.Writer, string(p.Note))
		return err
	})
}
