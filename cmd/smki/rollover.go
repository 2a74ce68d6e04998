package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/policy"
)

const rolloverLock = "rollover.lock" // held while home.json is changed

func rolloverCommand() *cli.Command {
	return &cli.Command{
		Name:  "rollover",
		Usage: "give the issuing authorities new keys, beside the old ones",
		Description: `Without --ceremony the embedded rollover script is run on the home's token, for exercises only: the roots that are there sign a second
Issuing OCA and a second Issuing DCA. With --ceremony DIR the certificates of a finished rollover ceremony are taken over, whose keys must
be on the home's token. First lists of the new authorities are published at once.

From then on both generations are there. New certificates come from the newest one; smki issue --issuer issuing-oca-1 asks an older one.
Lists of all generations go on, each with numbers of its own, until the certificate of an authority ends. --retire issuing-oca-1 ends
issuing by a generation for good and leaves its lists going; the newest cannot be retired.

A process that is running does not know: restart smki serve. A rollover that stopped is gone on with by the same command once its ceremony
is finished; if the ceremony itself stopped, what it says must be done.

--json prints {home, ceremony, transcript_key, authorities [{name, generation, certificate, offline, retired}], iki [{…}], lists}.

--iki gives the IKI authority a new key instead: iki-N, which an exercise makes on the home's token, and which elsewhere a ceremony has put
there. It certifies itself; both generations' clients are let in, and both lists go on. An IKI certificate that is renewed is the new one's.

Examples:
  smki rollover --home ca
  smki rollover --home ca --iki
  smki rollover --home ca --ceremony rollover-2027
  smki rollover --home ca --retire issuing-oca-1 --retire issuing-dca-1`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "ceremony", Usage: "folder of a finished rollover ceremony (`DIR`)"},
			&cli.BoolFlag{Name: "iki", Usage: "a new generation of the IKI authority instead"},
			&cli.StringSliceFlag{Name: "retire", Usage: "authority and generation (`NAME-N`) that is to issue no more; may be given again"},
			clikit.JSONFlag(),
		},
		Action: runRollover,
	}
}

func runRollover(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	retire := c.StringSlice("retire")
	if acts := len(retire); acts > 0 && (c.IsSet("ceremony") || c.Bool("iki")) || c.IsSet("ceremony") && c.Bool("iki") {
		return clikit.Usagef("smki rollover: --retire, --ceremony and --iki are acts of their own; do one after the other")
	}
	unlock, err := lockRollover(c.String("home"))
	if err != nil {
		return err
	}
	defer unlock()
	r := &rollover{lists: []string{}, progress: clikit.NewProgress(c.App.ErrWriter)}
	d, err := openCA(c.Context, c.String("home"), nil)
	if err != nil {
		return err
	}
	switch {
	case len(retire) > 0:
		err = d.retire(retire)
	case c.Bool("iki"):
		err = r.renewIKI(c.Context, d)
	default:
		err = r.hold(c, d)
	}
	r.progress.Clear()
	if err = errors.Join(err, d.Close(context.WithoutCancel(c.Context))); err != nil {
		return err
	}
	if len(retire) == 0 && !c.Bool("iki") {
		// Opened anew, with the new authorities, to publish their first lists: the home
		// is complete by now, and smki serve would publish them as well.
		if err := at(c, true, func(d *desk) error { return r.publish(c.Context, d) }); err != nil {
			return fmt.Errorf("the new authorities are in the home, but have no lists yet: %w; publish them with: smki crl --home %s --issuer NAME", err, c.String("home"))
		}
	}
	return r.print(c, d.home)
}

// lockRollover lets one process at a time change the authorities of a home.
func lockRollover(dir string) (unlock func(), err error) {
	if _, err := openHome(dir); err != nil {
		return nil, err // before a file is made in what is no home
	}
	f, err := os.OpenFile(filepath.Join(dir, rolloverLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("rolling over: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("rolling over: another process is at it in %q: %w", dir, err), f.Close())
	}
	return func() { f.Close() }, nil
}

// A rollover is the taking in of new generations, in the order of [rollover.hold].
type rollover struct {
	result   *ceremony.Result
	lists    []string
	progress *clikit.Progress
}

// hold holds the ceremony, or reads a finished one, and takes it over: first the
// ledger, so that the signatures are accounted for, then the certificates' files, and
// home.json last, since with it the authorities exist.
func (r *rollover) hold(c *cli.Context, d *desk) (err error) {
	dir := c.String("ceremony")
	if dir == "" {
		dir, err = r.ceremony(c.Context, d)
	}
	if err == nil {
		r.result, err = ceremony.Load(dir)
	}
	if err != nil {
		return err
	}
	if r.result.Rehearsal {
		return refused("refused: %q holds a rehearsal, whose keys are gone; run the ceremony", dir)
	}
	fresh, err := r.newAuthorities(c.Context, d)
	if err != nil {
		return err
	}
	var signed []ca.CeremonyIntent
	for _, in := range r.result.Intents {
		signed = append(signed, ca.CeremonyIntent{TBS: in.TBS, Signature: in.Signature, Profile: in.Profile, KeyLabel: string(in.KeyLabel)})
	}
	if err := d.issuer.ImportCeremony(c.Context, signed); err != nil {
		return oneLine(err)
	}
	for _, a := range fresh {
		issued, _ := r.issued(a)
		if err := writeWhole(d.home.path(a.Certificate), certificatePEM(issued.DER), 0o644); err != nil {
			return err
		}
	}
	d.home.Authorities = append(d.home.Authorities, fresh...)
	return d.home.save()
}

// ceremony runs the embedded script, or finds that it was run: a rollover that died
// afterwards is gone on with.
func (r *rollover) ceremony(ctx context.Context, d *desk) (string, error) {
	if !d.home.env.Exercise {
		return "", refused("refused: environment %q takes its keys from a ceremony with witnesses; run the ceremony binary and give --ceremony DIR", d.home.env.Name)
	}
	script := ceremony.RolloverScript()
	dir := filepath.Join(d.home.dir, strings.Replace(rolloverGlob, "*", "2", 1))
	st, err := ceremony.Inspect(dir)
	if err != nil {
		return "", err
	}
	if st.Finished {
		if _, there := d.home.authority("issuing-oca", 2); there {
			return "", refused("refused: this home has the second generation already; for the next, write a script after the model of %s, run it with the ceremony binary, and give --ceremony DIR", filepath.Join(dir, "script.yaml"))
		}
		return dir, nil
	}
	existing := map[string][]byte{}
	for _, name := range []string{"root-oca", "root-dca"} {
		a, there := d.home.authority(name, 1)
		if !there || a.Offline {
			return "", refused("refused: the key of %s is not on this token, so that it cannot sign here; run the ceremony where it is, and give --ceremony DIR", hsm.Label(name, 1))
		}
		if existing[name], err = d.home.certificate(a); err != nil {
			return "", err
		}
	}
	_, err = ceremony.Run(ctx, ceremony.Config{
		Script: script, Environment: d.home.env, Out: dir, Existing: existing,
		Token:    func(context.Context, string) (*hsm.Token, error) { return d.token, nil },
		Progress: func(step, of int, text string) { r.progress.Step("ceremony: "+text, step, of) },
	})
	return dir, err
}

// newAuthorities are those that the ceremony certified, all of which must be new to
// the home, newer than what it has, and on its token.
func (r *rollover) newAuthorities(ctx context.Context, d *desk) ([]homeAuthority, error) {
	var fresh []homeAuthority
	for _, issued := range r.result.Issued {
		name, generation := issued.Key.Name(), issued.Key.Generation()
		switch {
		case !issued.Profile.Authority() || issued.Profile.Root() || name != string(issued.Profile):
			return nil, refused("refused: the ceremony certified %q with key %q; a rollover makes issuing authorities, whose keys are named for their profiles", issued.Name, issued.Key)
		case generation <= d.home.newest(name):
			return nil, refused("refused: the ceremony made %s, and this home has generation %d of it", issued.Key, d.home.newest(name))
		}
		key, err := d.token.Key(ctx, issued.Key)
		if err != nil {
			return nil, tokenGone(err)
		}
		a := homeAuthority{Name: name, Generation: generation, Certificate: filepath.Join(authorityDir, string(issued.Key)+".pem")}
		if evidence, ok := r.result.Key(issued.Key); !ok || evidence.KeyID != policy.KeyIDOf(key.Public()) {
			return nil, refused("refused: key %s on the token is not the one of the ceremony", issued.Key)
		}
		fresh = append(fresh, a)
	}
	if len(fresh) == 0 {
		return nil, refused("refused: the ceremony in %q certified no authority", r.result.Dir)
	}
	return fresh, nil
}

func (r *rollover) issued(a homeAuthority) (ceremony.Issued, bool) {
	for _, issued := range r.result.Issued {
		if issued.Key == a.label() {
			return issued, true
		}
	}
	return ceremony.Issued{}, false
}

// publish makes the first list of every authority that has none, so that there is
// never a time without one.
func (r *rollover) publish(ctx context.Context, d *desk) error {
	for _, a := range d.issuer.Authorities() {
		if !d.issuer.PublishesCRL(a.ID()) {
			continue
		}
		_, err := d.register.Current(ctx, a.ID())
		if err == nil {
			continue
		}
		if !errors.Is(err, ca.ErrNotFound) {
			return err
		}
		if _, err := d.register.PublishCRL(ctx, a.ID()); err != nil {
			return err
		}
		r.lists = append(r.lists, a.ID())
	}
	return nil
}

// retire marks generations that issue no more.
func (d *desk) retire(ids []string) error {
	for _, id := range ids {
		name, generation := ca.SplitID(id)
		n := slices.IndexFunc(d.home.Authorities, func(a homeAuthority) bool { return a.Name == name && a.Generation == generation })
		switch {
		case n < 0:
			return clikit.Usagef("smki rollover: --retire %q: want an authority with its generation, of this home", id)
		case generation == d.home.newest(name):
			return refused("refused: %s is the newest generation, and without it nothing would be issued; roll over first", id)
		}
		d.home.Authorities[n].Retired = true
	}
	return d.home.save()
}

// authority finds one generation of an authority.
func (h *home) authority(name string, generation int) (homeAuthority, bool) {
	for _, a := range h.Authorities {
		if a.Name == name && a.Generation == generation {
			return a, true
		}
	}
	return homeAuthority{}, false
}

// newest is the highest generation of an authority, 0 if there is none.
func (h *home) newest(name string) int {
	newest := 0
	for _, a := range h.Authorities {
		if a.Name == name {
			newest = max(newest, a.Generation)
		}
	}
	return newest
}

func (r *rollover) print(c *cli.Context, h *home) error {
	dir, fingerprint := "", ""
	if r.result != nil {
		dir, fingerprint = r.result.Dir, r.result.Fingerprint
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]any{"home": h.dir, "ceremony": dir, "transcript_key": fingerprint, "authorities": h.Authorities, "iki": h.ikis(), "lists": r.lists})
	}
	w := c.App.Writer
	for _, a := range h.Authorities {
		note := "issues"
		switch {
		case a.Offline:
			note = "signs nothing here"
		case a.Retired:
			note = "retired: its lists go on"
		case a.Generation < h.newest(a.Name):
			note = "issues when asked by name; its lists go on"
		}
		fmt.Fprintf(w, "authority     %s, %s: %s\n", a.label(), a.Certificate, note)
	}
	for _, a := range h.ikis() {
		note := "issues"
		if a.label() != h.IKI.label() {
			note = "its clients are let in; its lists go on"
		}
		fmt.Fprintf(w, "authority     %s, %s: %s\n", a.label(), a.Certificate, note)
	}
	if dir != "" {
		fmt.Fprintf(w, "lists         %s\ntranscript    %s, in %s\n", strings.Join(r.lists, ", "), fingerprint, dir)
	}
	_, err := fmt.Fprintln(w, "next          restart smki serve, which knows the authorities it began with")
	return err
}
