package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/redact"
	"smki.example/drills/verify"
)

func redactCommand() *cli.Command {
	return &cli.Command{
		Name:      "redact",
		Usage:     "copy a record without what must not be passed on; the words of the minutes still hold for the copy",
		ArgsUsage: "DIR",
		Description: `--entry takes an entry of journal.jsonl out: its hash stays, from which nobody can tell what it said. What people were told, who was
told, decisions, pauses and steering can be taken out; what the checks of a record stand on cannot, nor what the scenario says.
--text takes out what somebody typed in the exercise room: the texts of an entry of room.jsonl. Both can be given more than once, or
with several numbers, as in --entry 14,15.

The same words often stand in two places: the reason of a vote is in the book as it was typed and in the decision as it was counted.
Then nothing is taken out, and the places are named; --leave takes out what was named and nothing else.

Reports, minutes and tables that lie in the pack say all of it again, so the copy has none of them. Make new ones from it:
drill report COPY --only minutes --out minutes.pdf. Keep the whole record: only that shows what was taken out.

--json prints {out, entries, files, texts, verdict}.

Exit: 0 done; 1 the record or the copy does not verify; 2 wrong usage; 3 refused.

Examples:
  drill redact packs/monday --out packs/monday-to-send --text 31
  drill redact packs/monday --out packs/monday-to-send --entry 14 --text 31,33
  drill verify packs/monday-to-send --head TALON-SUMMIT-…`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Required: true, Usage: "`DIR2` to make, for the copy"},
			&cli.StringSliceFlag{Name: "entry", Usage: "number `N` of an entry of the journal"},
			&cli.StringSliceFlag{Name: "text", Usage: "number `N` of an entry of the room's book, whose texts are taken out"},
			&cli.BoolFlag{Name: "leave", Usage: "leave the same words where they stand in other places"},
			clikit.JSONFlag(),
		},
		Action: redactPack,
	}
}

func redactPack(c *cli.Context) error {
	args, err := clikit.Arguments(c, "DIR")
	if err != nil {
		return err
	}
	o := redact.Options{Leave: c.Bool("leave")}
	if o.Entries, err = numbers(c, "entry"); err != nil {
		return err
	}
	if o.Texts, err = numbers(c, "text"); err != nil {
		return err
	}
	if inside(args[0], c.String("out")) {
		return clikit.Usagef("drill redact: %q lies in the pack, which is sealed: name a folder elsewhere", c.String("out"))
	}
	// A copy of a record that does not verify would not verify either, and whoever
	// got it would not know which of the two was at fault.
	if _, err := verifies(args[0], "the record"); err != nil {
		return err
	}
	taken, err := redact.Pack(args[0], c.String("out"), o)
	var refusal *redact.Refusal
	if errors.As(err, &refusal) {
		return clikit.With(clikit.Refused, fmt.Errorf("drill redact: %w", refusal))
	}
	if err != nil {
		return err
	}
	result, err := verifies(c.String("out"), "the copy")
	if err != nil {
		return err
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]any{"out": c.String("out"), "entries": taken.Entries, "files": taken.Files, "texts": taken.Texts, "verdict": result.Verdict()})
	}
	for _, check := range result.Checks {
		if check.Name == "redaction" || check.Name == "recovery keys" && strings.Contains(check.Detail, "taken out") {
			fmt.Fprintln(c.App.Writer, check.Detail)
		}
	}
	fmt.Fprintf(c.App.Writer, "closing words, as before: %s\n", result.Head)
	_, err = fmt.Fprintln(c.App.Writer, c.String("out"))
	return err
}

// verifies is what an auditor says of a pack, and an error for one that does not
// verify.
func verifies(dir, what string) (*verify.Result, error) {
	result, err := verify.Pack(dir, verify.Options{})
	if err != nil {
		return nil, clikit.With(clikit.Usage, err)
	}
	if !result.Intact {
		return nil, clikit.With(clikit.Failed, fmt.Errorf("drill redact: %s in %q does not verify: %s", what, dir, result.Verdict()))
	}
	return result, nil
}

// numbers reads a flag that may be given more than once and with several numbers.
func numbers(c *cli.Context, flag string) ([]int64, error) {
	var out []int64
	for _, text := range strings.Split(strings.Join(c.StringSlice(flag), ","), ",") {
		if text == "" && len(c.StringSlice(flag)) == 0 {
			return nil, nil
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 1 {
			return nil, clikit.Usagef("drill redact: --%s %q: give the number of an entry, as it stands in its line after \"seq\"", flag, text)
		}
		out = append(out, n)
	}
	return out, nil
}
