package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"smki.example/ca/audit"
	"smki.example/ca/auditor"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "verify the audit log and the ledger, or sign the log's head",
		Subcommands: []*cli.Command{
			{
				Name:  "verify",
				Usage: "say whether the log is what was written, and the ledger what the log tells",
				Description: `Compares every record with the hashes that were stored with it and with every checkpoint in the database. --checkpoint FILE adds
one that was kept elsewhere, which is what binds whoever has the database and the log's key: give the oldest and the newest you have.

Then plays the log through and holds every intent, certificate, revocation, list and blocked key in the database against it, both
ways: bytes, signatures (with the certificates in the home), states, dates, reasons, and what each list showed. The same for parties,
officers, their credentials, approvals, votes, requests, batches and API keys; an item's certificate has its request's key. What a crash left
open is no fault. It changes nothing, needs no token, and may run beside a CA at work. A million certificates take some minutes.

Exit: 0 intact; 1 changed, with the first record or row that is not what it was.

--json prints {intact, size, head, signed_up_to, ledger {intents, open, certificates, revocations, lists, blocked_keys,
parties, officers, approvals, batches, api_keys}} or {intact,
record, reason}; record is missing where the log has none.

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
	return withEvidence(c, func(e evidence) error {
		verdict, err := e.log.Verify(c.Context, kept...)
		var ledger auditor.Report
		if err == nil {
			ledger, err = auditor.Audit(c.Context, auditor.Config{Store: e.store, Authorities: e.authorities})
		}
		if errors.Is(err, audit.ErrTampered) || errors.Is(err, auditor.ErrDiffers) {
			return tampered(c, err)
		}
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, map[string]any{"intact": true, "size": verdict.Size, "head": verdict.Hash.String(), "signed_up_to": verdict.Checkpoint,
				"ledger": map[string]any{"intents": ledger.Intents, "open": ledger.Open, "certificates": ledger.Certificates, "revocations": ledger.Revocations,
					"lists": ledger.Lists, "blocked_keys": ledger.BlockedKeys, "parties": ledger.Parties, "officers": ledger.Officers, "approvals": ledger.Approvals,
					"batches": ledger.Batches, "api_keys": ledger.Keys}})
		}
		note := ""
		if len(kept) == 0 {
			note = "; no checkpoint from outside was given, so a log that was rewritten whole would look the same"
		}
		_, err = fmt.Fprintf(c.App.Writer, "intact: %d records, head %s, signed up to %d%s\nthe ledger is what the log tells: %d intents (%d open), %d certificates, %d revocations, %d lists, %d blocked keys; %d parties, %d officers, %d approvals, %d batches, %d API keys\n",
			verdict.Size, verdict.Hash, verdict.Checkpoint, note,
			ledger.Intents, ledger.Open, ledger.Certificates, ledger.Revocations, ledger.Lists, ledger.BlockedKeys,
			ledger.Parties, ledger.Officers, ledger.Approvals, ledger.Batches, ledger.Keys)
		return err
	})
}

// evidence is a home as an auditor opens it. The CA is not opened: that would
// settle what dead processes left behind, and closing it would sign the log's head,
// before anybody has looked.
type evidence struct {
	store       *store.Store
	log         *audit.Log
	authorities map[string][]byte // certificates in DER, by name and generation
}

func withEvidence(c *cli.Context, f func(evidence) error) (err error) {
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	e := evidence{authorities: make(map[string][]byte)}
	all := append(h.Authorities[:len(h.Authorities):len(h.Authorities)], h.ikis()...)
	for _, a := range all {
		if e.authorities[string(a.label())], err = h.certificate(a); err != nil {
			return err
		}
	}
	key, err := h.logKey()
	if err != nil {
		return err
	}
	if err := h.databaseThere(); err != nil {
		return err
	}
	if e.store, err = store.Open(c.Context, store.Config{URL: h.path(h.Store)}); err != nil {
		return clikit.With(clikit.Unavailable, fmt.Errorf("the database is not available: %w", err))
	}
	defer func() { err = errors.Join(err, e.store.Close()) }()
	if e.log, err = audit.Open(audit.Config{Store: e.store, Key: key}); err != nil {
		return err
	}
	return f(e)
}

// tampered prints a negative verdict, which is a result and no failure.
func tampered(c *cli.Context, err error) error {
	if clikit.WantsJSON(c) {
		result := map[string]any{"intact": false, "reason": err.Error()}
		var bad *audit.BadRecord
		if errors.As(err, &bad) {
			result["record"], result["reason"] = bad.Seq, bad.Reason
		}
		var differs *auditor.Difference
		if errors.As(err, &differs) && differs.Record >= 0 {
			result["record"] = differs.Record
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
		_, err = c.App.Writer.Write(p.Note)
		return err
	})
}
