package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/hsm/ceremony"
	"smki.example/policy"
)

func scriptCommand() *cli.Command {
	return &cli.Command{
		Name: "script", Usage: "print the built-in exercise script",
		Description: "Example:\n  ceremony script > script.yaml",
		Flags:       []cli.Flag{clikit.JSONFlag()},
		Action: func(c *cli.Context) error {
			if _, err := clikit.Arguments(c); err != nil {
				return err
			}
			s := ceremony.DefaultScript()
			if clikit.WantsJSON(c) {
				return clikit.JSON(c.App.Writer, map[string]any{"script": s.Hash(), "title": s.Title, "text": string(s.Raw)})
			}
			_, err := c.App.Writer.Write(s.Raw)
			return err
		},
	}
}

func checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "find everything that is wrong in a script before anything is done", ArgsUsage: "SCRIPT",
		Description: "Each fault is printed as file:line:column and what would have been right.\n\nExamples:\n  ceremony check default\n  ceremony check script.yaml --out DIR        also: can DIR be used for the run?",
		Flags:       []cli.Flag{outFlag("a directory that the run is to use; it is looked at, not made"), clikit.JSONFlag()},
		Action: func(c *cli.Context) error {
			s, err := scriptArgument(c)
			if err != nil {
				return err
			}
			if err := s.Check(); err != nil {
				return err
			}
			if out := c.String("out"); out != "" {
				if err := vacant(out); err != nil {
					return err
				}
			}
			if clikit.WantsJSON(c) {
				return clikit.JSON(c.App.Writer, map[string]any{
					"script": s.Hash(), "title": s.Title, "environment": s.Environment, "verified": s.Verified, "source": s.Source,
					"roles": len(s.Roles), "steps": len(s.Steps), "keys": len(s.Keys), "certificates": len(s.Certificates),
				})
			}
			fmt.Fprintf(c.App.Writer, "%s\nenvironment %s; %d roles, %d steps, %d keys, %d certificates\n", s.Title, s.Environment, len(s.Roles), len(s.Steps), len(s.Keys), len(s.Certificates))
			if !s.Verified {
				fmt.Fprintf(c.App.Writer, "not verified: %s\n", s.Source)
			}
			fmt.Fprintf(c.App.Writer, "SHA-256 %s\n", s.Hash())
			return nil
		},
	}
}

// vacant says what stands in a directory that a run could not use.
func vacant(out string) error {
	st, err := ceremony.Inspect(out)
	switch {
	case err != nil:
		return err
	case st.Finished:
		return fmt.Errorf("%w: %q holds a finished ceremony; give another directory", ceremony.ErrRefused, out)
	case !st.Empty:
		return fmt.Errorf("%w; see: ceremony verify %s", ceremony.ErrUnfinished, out)
	}
	return nil
}

func rehearseCommand() *cli.Command {
	return &cli.Command{
		Name: "rehearse", Usage: "do everything on a throw-away token, throw it away, and print the script's SHA-256", ArgsUsage: "SCRIPT",
		Description: "On a terminal each step is confirmed by the people in the room, as in the run.\n\nExamples:\n  ceremony rehearse default --unattended\n  ceremony rehearse script.yaml --out DIR     a run in DIR is then held to this script",
		Flags:       []cli.Flag{outFlag("keep the minutes of the rehearsal (rehearsal.json) where the run will be"), environmentFlag(), unattendedFlag(), clikit.JSONFlag()},
		Action: func(c *cli.Context) error {
			config, err := baseConfig(c)
			if err != nil {
				return err
			}
			progress := show(c, &config)
			r, err := ceremony.Rehearse(c.Context, config)
			progress.Clear()
			if err != nil {
				return err
			}
			if clikit.WantsJSON(c) {
				return clikit.JSON(c.App.Writer, r)
			}
			fmt.Fprintf(c.App.Writer, "rehearsed %d steps, %d keys, %d certificates; all of it is thrown away\nSHA-256 %s\n", r.Steps, len(r.Keys), len(r.Certificates), r.Hash)
			return nil
		},
	}
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "carry the script out", ArgsUsage: "SCRIPT",
		Description: `Without --token an exercise gets a SoftHSM token of its own under --out.
The environment "production" takes no token made of software.

A run that stops cannot be continued: run it again on the same directory, or
"ceremony verify DIR", to read what stands and what to do.

Examples:
  ceremony run default --out DIR --unattended
  ceremony run script.yaml --out DIR --rehearsed SHA256 \
    --module /usr/lib/module.so --token "ca=SMKI CA" --pin-file ca=/media/ca.pin \
    --token "recovery=SMKI Recovery" --pin-file recovery=/media/recovery.pin …`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "directory for certificates, evidence and transcript", Required: true},
			&cli.StringFlag{Name: "rehearsed", Usage: "SHA-256 that the rehearsal printed; another script is refused"},
			environmentFlag(), unattendedFlag(),
			&cli.StringFlag{Name: "shares", Usage: "directory for the custodians' shares (default: custodians under --out)"},
			existingFlag(),
			clikit.JSONFlag(),
		}, tokenFlags()...),
		Action: runAction,
	}
}

func runAction(c *cli.Context) (err error) {
	config, err := baseConfig(c)
	if err != nil {
		return err
	}
	config.Out, config.Rehearsed = c.String("out"), c.String("rehearsed")
	if config.Existing, err = existingCertificates(c); err != nil {
		return err
	}
	// Looked at before a token is opened or made, so that a directory that cannot
	// be used costs nothing.
	st, err := ceremony.Inspect(config.Out)
	if err != nil {
		return err
	}
	if st.Empty {
		tokens, err := openTokens(c, config.Script)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tokens.Close()) }()
		config.Token = tokens.Token
	} else {
		config.Token = noToken // Run refuses the directory and says why
	}
	if dir := c.String("shares"); dir != "" {
		config.Custodian = shareWriter(dir)
	}
	progress := show(c, &config)
	r, err := ceremony.Run(c.Context, config)
	progress.Clear()
	if err != nil {
		return err
	}
	return report(c, r, c.String("shares"))
}

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "read a ceremony's directory back: verify it, or say what stands if it stopped", ArgsUsage: "DIR",
		Description: "Compare the fingerprint with the minutes: it says whose ceremony this is.\n\nExample:\n  ceremony verify DIR",
		Flags:       []cli.Flag{clikit.JSONFlag()},
		Action: func(c *cli.Context) error {
			args, err := clikit.Arguments(c, "DIR")
			if err != nil {
				return err
			}
			r, err := ceremony.Load(args[0])
			if errors.Is(err, ceremony.ErrUnfinished) {
				return clikit.With(clikit.Failed, err) // asked for, so a verdict and no refusal
			}
			if err != nil {
				return err
			}
			return report(c, r, "")
		},
	}
}

func outFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "out", Usage: usage} }

func environmentFlag() cli.Flag {
	return &cli.StringFlag{Name: "environment", Usage: "policy environment, if not the script's own (exercises only)"}
}

func unattendedFlag() cli.Flag {
	return &cli.BoolFlag{Name: "unattended", Usage: "ask nobody to confirm the steps, and say so in the transcript"}
}

func scriptArgument(c *cli.Context) (*ceremony.Script, error) {
	args, err := clikit.Arguments(c, "SCRIPT")
	if err != nil {
		return nil, err
	}
	switch args[0] {
	case "default":
		return ceremony.DefaultScript(), nil
	case "rollover":
		return ceremony.RolloverScript(), nil
	}
	content, err := readScript(args[0])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, clikit.Usagef("script %q does not exist; give a file, or default or rollover for a built-in script", args[0])
	}
	if err != nil {
		return nil, fmt.Errorf("reading the script: %w", err)
	}
	return ceremony.Parse(args[0], content)
}

// mostScript bounds what is read as a script: forty times the built-in one.
const mostScript = 256 << 10

func readScript(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, mostScript+1))
	if err == nil && len(content) > mostScript {
		err = fmt.Errorf("%q has more than %d octets, which is no script", path, mostScript)
	}
	return content, err
}

func baseConfig(c *cli.Context) (ceremony.Config, error) {
	s, err := scriptArgument(c)
	if err != nil {
		return ceremony.Config{}, err
	}
	if err := s.Check(); err != nil {
		return ceremony.Config{}, err
	}
	config := ceremony.Config{Script: s, Out: c.String("out")}
	if name := c.String("environment"); name != "" {
		if config.Environment, err = policy.LoadEnvironment(name); err != nil {
			return config, clikit.Usagef("--environment: %v", err)
		}
	}
	return config, nil
}

func report(c *cli.Context, r *ceremony.Result, shares string) error {
	if shares == "" && r.Script.Contingency != nil {
		if _, err := os.Lstat(ceremony.ShareFile(r.Dir, r.Script.Contingency.Custodians[0])); err == nil {
			shares = filepath.Dir(ceremony.ShareFile(r.Dir, "x"))
		}
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, resultDocument(r, shares))
	}
	w := c.App.Writer
	fmt.Fprintf(w, "%s\nenvironment %s\nscript SHA-256 %s\n", r.Script.Title, r.Environment, r.Script.Hash())
	for _, i := range r.Issued {
		fmt.Fprintf(w, "certificate  %s\n", filepath.Join(r.Dir, "certificates", i.Name+".pem"))
	}
	for _, k := range r.Keys {
		fmt.Fprintf(w, "key          %s on %q, key identifier %s\n", k.Label, k.TokenLabel, k.KeyID)
	}
	fmt.Fprintf(w, "signatures   %d by CA keys, each with its intent\n", len(r.Intents))
	if r.Script.Contingency != nil {
		fmt.Fprintf(w, "contingency  key wrapped into the root: %s\n", ceremony.OurReading)
	}
	if shares != "" {
		fmt.Fprintf(w, "shares       %s: each custodian takes one away and erases it here\n", shares)
	}
	fmt.Fprintf(w, "transcript   %s\nfor the minutes: fingerprint %s\n", r.Transcript, r.Fingerprint)
	return nil
}

func resultDocument(r *ceremony.Result, shares string) map[string]any {
	certificates := map[string]string{}
	for _, i := range r.Issued {
		certificates[i.Name] = filepath.Join(r.Dir, "certificates", i.Name+".pem")
	}
	return map[string]any{
		"script": r.Script.Hash(), "title": r.Script.Title, "environment": r.Environment, "out": r.Dir, "certificates": certificates,
		"keys": r.Keys, "signatures": len(r.Intents), "transcript": r.Transcript, "transcript_key": r.TranscriptKey, "fingerprint": r.Fingerprint, "shares": shares,
	}
}
