package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make the home of a new CA",
		Description: `Without --ceremony the embedded ceremony script is run: it makes root and issuing keys of both sides, the IKI, Recovery,
Contingency and health keys, and their certificates. That is for exercises only. Without --module the keys are made on a
SoftHSM token of the home's own (DIR/token).

With --ceremony DIR the certificates and every signature of a finished ceremony are taken over, and the keys are looked for on
the token: the one that --module, --token and --pin-file name, or a SoftHSM token in the ceremony's folder, which is copied.
Keys that are not on it, as an offline root's, sign nothing here.

An existing home is never touched. When init dies half way, the next init says what to do.

--json prints {home, environment, authorities [{name, generation, serial, offline}], iki, token {label, serial}, lists, log_key}.

Examples:
  smki init --home ca
  smki init --home ca --environment dcc-test
  smki init --home ca --ceremony ceremony-2026 --module /usr/lib/vendor/libpkcs11.so --token "EXERCISE ca" --pin-file pin`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "environment", Value: "exercise", Usage: "`NAME` of the set of rules: " + strings.Join(policy.EnvironmentNames(), ", ")},
			&cli.StringFlag{Name: "module", Usage: "PKCS#11 library of the token (`SO`); default: SoftHSM"},
			&cli.StringFlag{Name: "token", Usage: "`LABEL` of the token"},
			&cli.StringFlag{Name: "pin-file", Usage: "`FILE` that holds the user PIN, or credential:NAME of a systemd unit; it is read at every login and must stay"},
			&cli.StringFlag{Name: "store", Usage: "path of the database (`URL`); default: " + storeFile + " in the home"},
			&cli.StringFlag{Name: "ceremony", Usage: "folder of a finished ceremony (`DIR`)"},
			clikit.JSONFlag(),
		},
		Action: runInit,
	}
}

func runInit(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	env, err := policy.LoadEnvironment(c.String("environment"))
	if err != nil {
		return clikit.Usagef("smki init: --environment: %v", err)
	}
	f := &founding{from: c.String("ceremony"), progress: clikit.NewProgress(c.App.ErrWriter)}
	f.home = &home{dir: c.String("home"), env: env, Version: homeVersion, Environment: env.Name, Store: storeFile}
	if f.home.Token, err = tokenFlags(c); err != nil {
		return err
	}
	if url := c.String("store"); url != "" {
		if f.home.Store, err = filepath.Abs(url); strings.Contains(url, "://") || err != nil {
			f.home.Store = url
		}
	}
	if err := f.allowed(); err != nil {
		return err
	}
	err = f.run(c.Context)
	f.progress.Clear()
	if f.token != nil {
		err = errors.Join(err, f.token.Close())
	}
	if err != nil {
		return err
	}
	return f.report(c)
}

// tokenFlags reads the three flags that name a token, which belong together.
func tokenFlags(c *cli.Context) (homeToken, error) {
	module, label, pin := c.String("module"), c.String("token"), c.String("pin-file")
	if module == "" {
		if label != "" || pin != "" {
			return homeToken{}, clikit.Usagef("smki init: --token and --pin-file belong to --module; without it a SoftHSM token is made in the home")
		}
		return homeToken{SoftHSM: tokenDir}, nil
	}
	if label == "" || pin == "" {
		return homeToken{}, clikit.Usagef("smki init: --module needs --token LABEL and --pin-file FILE")
	}
	if err := checkCredential(pin); err != nil {
		return homeToken{}, clikit.With(clikit.Usage, err)
	}
	module, err := filepath.Abs(module)
	if err == nil && !strings.HasPrefix(pin, credentialPrefix) {
		pin, err = filepath.Abs(pin)
	}
	return homeToken{Module: module, Label: label, PINFile: pin}, err
}

// refused is a refusal of init, which the exit code tells.
func refused(format string, a ...any) error {
	return clikit.With(clikit.Refused, fmt.Errorf(format, a...))
}

// allowed refuses what the environment forbids, before anything is made.
func (f *founding) allowed() error {
	env := f.home.env
	if !env.Exercise {
		switch {
		case f.home.Token.SoftHSM != "":
			return refused("refused: environment %q does not take SoftHSM, whose keys can be copied with their files; give a hardware token with --module, --token and --pin-file", env.Name)
		case f.from == "":
			return refused("refused: environment %q takes its keys from a ceremony with witnesses; run the ceremony binary and give --ceremony DIR", env.Name)
		case env.Registration == policy.RegistrationOpen:
			return refused("refused: environment %q is no exercise and its registration is open, so that anybody would get certificates", env.Name)
		}
	}
	return nil
}

// vacant refuses a folder that holds anything.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("making home %q: %w", dir, err)
	case len(entries) == 0:
		return nil
	}
	for _, e := range entries {
		if e.Name() == homeFile {
			return refused("refused: %q is the home of a CA already, and its keys are not made twice; give another folder, or look at this one with: smki list --home %s", dir, dir)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, unfinishedFile)); err == nil {
		return unfinished(dir)
	}
	return refused("refused: folder %q is not empty; give one that is empty or not there yet", dir)
}

// unfinished says what to do with a home whose making stopped.
func unfinished(dir string) error {
	return refused("refused: an smki init is at work in %q or stopped half way there; no certificate of it was ever given to anybody. Read %s; if no smki init is running, remove the folder and run it again",
		dir, filepath.Join(dir, unfinishedFile))
}

// mark leaves, for whoever finds the folder after a crash, what it is.
func (f *founding) mark() error {
	where := "They are on the SoftHSM token in this folder, and go with it."
	if f.home.Token.SoftHSM == "" {
		where = fmt.Sprintf("They are on the token %q: destroy those that the ceremony folder names as made, or start with a fresh token,\nbecause a second ceremony refuses keys that are there already.", f.home.Token.Label)
		if f.from != "" {
			where = "They are those of the ceremony and nothing happened to them, except that the IKI key may have signed the IKI CA's own certificate."
		}
	}
	text := fmt.Sprintf(`smki init began to make a CA in this folder and has not finished.

If no smki init is running any more, it died. No certificate of this CA was given to anybody, so nothing has to be revoked.
Keys may have been made. %s
What was signed before it died is in %s/ and in %s.

Keep the folder for the record or remove it, and run smki init again.
`, where, ceremonyDir, storeFile)
	// Made anew and not replaced: of two that begin at once, one goes on.
	file, err := os.OpenFile(filepath.Join(f.home.dir, unfinishedFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return unfinished(f.home.dir)
	}
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err == nil {
		err = syncDir(f.home.dir)
	}
	if err != nil {
		return fmt.Errorf("making home %q: %w", f.home.dir, err)
	}
	return nil
}

func (f *founding) report(c *cli.Context) error {
	h, info := f.home, f.token.Info()
	if clikit.WantsJSON(c) {
		type authority struct {
			Name       string `json:"name"`
			Generation int    `json:"generation"`
			Offline    bool   `json:"offline"`
		}
		authorities := []authority{}
		for _, a := range h.Authorities {
			authorities = append(authorities, authority{a.Name, a.Generation, a.Offline})
		}
		return clikit.JSON(c.App.Writer, map[string]any{
			"home": h.dir, "environment": h.Environment, "exercise": h.env.Exercise, "authorities": authorities, "iki": h.IKI != nil,
			"token": map[string]string{"label": info.Label, "serial": info.Serial}, "lists": f.lists, "ceremony": f.result.Dir, "transcript_key": f.result.Fingerprint,
		})
	}
	w := c.App.Writer
	if h.env.Exercise {
		fmt.Fprintf(w, "EXERCISE: nothing that this CA signs may be trusted elsewhere.\n")
	}
	fmt.Fprintf(w, "home          %s, environment %s\n", h.dir, h.Environment)
	fmt.Fprintf(w, "token         %q, serial %s\n", info.Label, info.Serial)
	for _, a := range h.Authorities {
		note := ""
		if a.Offline {
			note = " (its key is not on this token: it signs nothing here)"
		}
		fmt.Fprintf(w, "authority     %s, %s%s\n", a.label(), a.Certificate, note)
	}
	if h.IKI != nil {
		fmt.Fprintf(w, "authority     %s, %s\n", h.IKI.label(), h.IKI.Certificate)
	}
	fmt.Fprintf(w, "lists         %s\n", strings.Join(f.lists, ", "))
	fmt.Fprintf(w, "transcript    %s\n", f.result.Fingerprint)
	fmt.Fprintf(w, "next          smki issue --home %s --csr FILE\n", h.dir)
	return nil
}
