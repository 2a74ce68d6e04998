package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/verify"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check the record of a drill, trusting neither those who ran it nor the program that wrote it",
		ArgsUsage: "DIR",
		Description: `Every file is held against the seal, every line against the one before, every message, certificate and list against its signer,
and every signature of a recovery key against the decision that allowed it.

A pack cannot say who wrote it. --head takes the closing words from the minutes and binds the whole record to them; --key takes
the fingerprint of the record key and binds it to the installation. Without either the verdict is "intact; signer not checked".

A copy that drill redact made is checked as it is; the verdict says how much was taken out of it.

--json prints {intact, bound, signer, record_key, head, entries, scenario, outcome, finding, checks}, and of a copy {redacted}.

Exit: 0 intact, whatever the drill's finding was; 1 not; 2 wrong usage.

Examples:
  drill verify packs/monday
  drill verify packs/monday --head TALON-SUMMIT-… --key 5f0c…`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "fingerprint of the record key, 64 hex digits (`FPR`)"},
			&cli.StringFlag{Name: "head", Usage: "the closing head in words (`WORDS`)"},
			clikit.JSONFlag(),
		},
		Action: verifyPack,
	}
}

func verifyPack(c *cli.Context) error {
	args, err := clikit.Arguments(c, "DIR")
	if err != nil {
		return err
	}
	for _, flag := range []string{"key", "head"} {
		// An empty value is a variable that nobody set: it must not pass for a check.
		if c.IsSet(flag) && strings.TrimSpace(c.String(flag)) == "" {
			return clikit.Usagef("drill verify: --%s was given empty: give what the minutes say, or leave it out", flag)
		}
	}
	if err := packFolder(c, args[0]); err != nil {
		return err
	}
	result, err := verify.Pack(args[0], verify.Options{Key: c.String("key"), Head: c.String("head")})
	if err != nil {
		return clikit.With(clikit.Usage, err)
	}
	if clikit.WantsJSON(c) {
		if err := clikit.JSON(c.App.Writer, result); err != nil {
			return err
		}
	} else {
		for _, check := range result.Checks {
			word := "ok"
			if !check.Held {
				word = "BAD"
			}
			fmt.Fprintf(c.App.Writer, "%-4s %-14s %s\n", word, check.Name, check.Detail)
		}
		if result.Scenario != "" {
			fmt.Fprintf(c.App.Writer, "     the record says: %s %s, finding: %s\n", result.Scenario, result.Outcome, result.Finding)
		}
		fmt.Fprintln(c.App.Writer, result.Verdict())
	}
	if !result.Intact {
		return clikit.Silent(clikit.Failed)
	}
	return nil
}

// packFolder says what to give instead where there is no evidence pack.
func packFolder(c *cli.Context, dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return clikit.Usagef("drill %s: there is no folder %q: give the folder of an evidence pack, which drill run prints as its last line", c.Command.Name, dir)
	case err != nil:
		return clikit.With(clikit.Usage, fmt.Errorf("drill %s: looking into the pack: %w", c.Command.Name, err))
	case !info.IsDir():
		return clikit.Usagef("drill %s: %q is a file: give the folder of the evidence pack that it is in", c.Command.Name, dir)
	}
	return nil
}
