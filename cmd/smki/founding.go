package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/softhsm"
)

// A founding is the making of a home, in the order of [founding.run].
type founding struct {
	home     *home
	from     string // folder of a finished ceremony, or empty
	progress *clikit.Progress

	token  *hsm.Token
	result *ceremony.Result
	lists  []string
}

// run makes the home. The order is its purpose: the marker first, so that a folder
// that was left half way says so; the ledger takes over the ceremony before it is
// asked for anything else; home.json last, since with it the home exists.
func (f *founding) run(ctx context.Context) error {
	dir := f.home.dir
	if err := vacant(dir); err != nil {
		return err
	}
	if err := f.readCeremony(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making home %q: %w", dir, err)
	}
	if err := f.mark(); err != nil {
		return err
	}

	// 1. Token and ceremony.
	steps := []func(context.Context) error{f.openToken, f.holdCeremony, f.listAuthorities}
	for n, step := range steps {
		f.progress.Step("making the CA", n, len(steps)+2)
		if err := step(ctx); err != nil {
			return f.stopped(err)
		}
	}

	// 2. Ledger, IKI authority, first lists.
	f.progress.Step("making the CA", len(steps), len(steps)+2)
	if err := f.fillLedger(ctx); err != nil {
		return f.stopped(err)
	}

	// 3. The home exists.
	f.progress.Step("making the CA", len(steps)+1, len(steps)+2)
	if err := f.home.save(); err != nil {
		return f.stopped(err)
	}
	if err := os.Remove(filepath.Join(dir, unfinishedFile)); err != nil {
		return fmt.Errorf("home %q is complete, but its mark %s could not be removed: %w", dir, unfinishedFile, err)
	}
	return nil
}

// stopped adds to an error what to do with the folder.
func (f *founding) stopped(err error) error {
	return fmt.Errorf("making home %q: %w; the folder is no CA: %s in it says what to do", f.home.dir, err, unfinishedFile)
}

// readCeremony reads a finished ceremony, before anything is made: most mistakes are
// made in naming it.
func (f *founding) readCeremony() (err error) {
	if f.from == "" {
		return nil
	}
	if f.result, err = ceremony.Load(f.from); err != nil {
		return err
	}
	if f.result.Rehearsal {
		return refused("refused: %q holds a rehearsal, whose keys are gone; run the ceremony", f.from)
	}
	return nil
}

// copyToken copies the SoftHSM token of the ceremony that holds the CA keys into
// the home.
func (f *founding) copyToken() error {
	dirs, err := filepath.Glob(filepath.Join(f.from, tokenDir+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		token, err := softhsm.Open(dir)
		if err != nil {
			continue // not a token: a ceremony's folder may hold other things
		}
		for _, issued := range f.result.Issued {
			evidence, ok := f.result.Key(issued.Key)
			if !ok || !issued.Profile.Authority() || issued.Profile.Root() || evidence.TokenSerial != token.Serial {
				continue
			}
			to := filepath.Join(f.home.dir, tokenDir)
			if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
				return fmt.Errorf("copying the token %q: %w", dir, err)
			}
			return private(to)
		}
	}
	return fmt.Errorf("no SoftHSM token in %q holds the ceremony's issuing keys; name the token with --module, --token and --pin-file", f.from)
}

// private takes all rights from group and others, which a copy had not.
func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()&0o700|0o600)
	})
}

func (f *founding) openToken(ctx context.Context) error {
	switch {
	case f.home.Token.SoftHSM == "":
	case f.from != "":
		if err := f.copyToken(); err != nil {
			return err
		}
	default:
		if _, err := softhsm.New(filepath.Join(f.home.dir, tokenDir), "EXERCISE smki"); err != nil {
			return clikit.With(clikit.Unavailable, err)
		}
	}
	config, err := f.home.tokenConfig()
	if err != nil {
		return err
	}
	if f.token, err = hsm.Open(ctx, config); err != nil {
		return tokenGone(err)
	}
	if info := f.token.Info(); !f.home.env.Exercise && strings.Contains(strings.ToLower(info.Manufacturer+" "+info.Model), "softhsm") {
		return refused("refused: environment %q does not take SoftHSM, and token %q is one", f.home.env.Name, info.Label)
	}
	return nil
}

// holdCeremony runs the embedded script on the one token, unless there was a
// ceremony already.
func (f *founding) holdCeremony(ctx context.Context) (err error) {
	if f.result != nil {
		return nil
	}
	f.result, err = ceremony.Run(ctx, ceremony.Config{
		Script: ceremony.DefaultScript(), Environment: f.home.env, Out: filepath.Join(f.home.dir, ceremonyDir),
		Token:    func(context.Context, string) (*hsm.Token, error) { return f.token, nil },
		Progress: func(step, of int, text string) { f.progress.Step("ceremony: "+text, step, of) },
	})
	return err
}

// listAuthorities writes the certificates of the authorities and looks which of
// their keys are on the token.
func (f *founding) listAuthorities(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(f.home.dir, authorityDir), 0o700); err != nil {
		return err
	}
	for _, issued := range f.result.Issued {
		if !issued.Profile.Authority() {
			continue
		}
		a := homeAuthority{Name: issued.Key.Name(), Generation: issued.Key.Generation(), Certificate: filepath.Join(authorityDir, string(issued.Profile)+".pem")}
		if a.Name != string(issued.Profile) {
			return fmt.Errorf("the ceremony certified %q with key %q; the key of an authority is named for its profile, %q", issued.Name, issued.Key, hsm.Label(string(issued.Profile), 1))
		}
		_, err := f.token.Key(ctx, issued.Key)
		if a.Offline = errors.Is(err, hsm.ErrNotFound); err != nil && !a.Offline {
			return err
		}
		f.home.Authorities = append(f.home.Authorities, a)
		if err := writeWhole(f.home.path(a.Certificate), certificatePEM(issued.DER), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fillLedger opens the new CA, takes the ceremony over, founds the IKI authority
// and publishes the first lists, so that there is never a time without one.
func (f *founding) fillLedger(ctx context.Context) (err error) {
	if _, err := f.home.newLogKey(); err != nil {
		return err
	}
	d := &desk{home: f.home, token: f.token}
	defer func() {
		d.token = nil // closed by runInit
		err = errors.Join(err, d.Close(context.WithoutCancel(ctx)))
	}()
	if err := d.openIssuer(ctx, nil); err != nil {
		return err
	}
	var signed []ca.CeremonyIntent
	for _, in := range f.result.Intents {
		signed = append(signed, ca.CeremonyIntent{TBS: in.TBS, Signature: in.Signature, Profile: in.Profile, KeyLabel: string(in.KeyLabel)})
	}
	if err := d.issuer.ImportCeremony(ctx, signed); err != nil {
		return err
	}
	if err := f.foundIKI(ctx, d); err != nil {
		return err
	}
	for _, a := range d.issuer.Authorities() {
		if !d.issuer.PublishesCRL(a.ID()) {
			continue
		}
		if _, err := d.register.PublishCRL(ctx, a.ID()); err != nil {
			return err
		}
		f.lists = append(f.lists, a.ID())
	}
	return nil
}

// foundIKI makes the IKI authority's own certificate, if its key is on the token.
func (f *founding) foundIKI(ctx context.Context, d *desk) error {
	a := homeAuthority{Name: iki.Name, Generation: 1, Certificate: filepath.Join(authorityDir, iki.Name+".pem")}
	key, err := f.token.Key(ctx, a.label())
	if errors.Is(err, hsm.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	authority, err := iki.Found(ctx, iki.Config{Issuer: d.issuer, Generation: a.Generation, Signer: key.Signer}, f.home.ikiOrganisation())
	if err != nil {
		return err
	}
	f.home.IKI = &a
	if _, err := authority.PublishCRL(ctx); err != nil {
		return err
	}
	f.lists = append(f.lists, string(a.label()))
	return writeWhole(f.home.path(a.Certificate), certificatePEM(authority.Certificate()), 0o644)
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
