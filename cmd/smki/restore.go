package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/backup"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:  "restore",
		Usage: "put a CA back from a backup, and find out what it lacks",
		Description: `With --in the files of a backup are put into --home, which must be empty or not there, and the CA is held: it issues, revokes and
publishes nothing until it was compared with what others have of it. Without --in the comparison is made again.

Give the list that each authority published last (--crl, or --repository: a folder with lists, or the address of a Repository), or a
checkpoint of the audit log that was kept outside (--checkpoint), best both. A list speaks for its own authority, a checkpoint for all,
and both only for the time when they were made. If nothing is missing, the CA goes on.

If something is missing, the right thing is a newer backup. If there is none, --accept-loss REASON lets the CA go on: the revocations of the
newer lists are taken over, the numbers of lists go on above them, and the audit log says what is missing, why, who decided (--by) and who
stood by (--witness). Where registration is not open, names are not enough: --statement FILE writes what is accepted, two managers sign it
with the keys of their IKI certificates, and the same command with --signature for each goes on. Certificates of which no list tells stay unaccounted for: look for them with smki import.

The token is not in the backup, unless it was asked to be: put it, or its PIN file, where home.json says.

--hold holds a CA whose database was put back by other tools, as PostgreSQL's are, before anything else is done with it.

Exit: 0 restored, or the CA goes on; 1 the CA is behind and is held; 3 refused.

--json prints {home, backup, taken_at, held, comparison {lists, log_size, outside_size, ignored}, says}.

Examples:
  smki restore --in monday.backup --identity identity.txt --home ca2
  smki restore --home ca2 --repository http://repository.example:8080 --checkpoint friday.txt
  smki restore --home ca --hold
  smki restore --home ca2 --crl oca.crl --crl dca.crl --crl arl.crl --accept-loss "disk lost, no later backup" --by alice --witness bob`,
		Flags: append(swornFlags(),
			homeFlag(),
			&cli.StringFlag{Name: "in", Usage: "`FILE` that smki backup wrote"},
			&cli.StringFlag{Name: "identity", Usage: "`FILE` with the age identity that opens it"},
			&cli.StringSliceFlag{Name: "crl", Usage: "`FILE` with a list as it was published; may be given again"},
			&cli.StringFlag{Name: "repository", Usage: "folder or address (`DIR|URL`) where the lists are published"},
			&cli.StringSliceFlag{Name: "checkpoint", Usage: "`FILE` with a checkpoint that was kept elsewhere; may be given again"},
			&cli.BoolFlag{Name: "hold", Usage: "hold a CA whose database was put back by other tools"},
			&cli.StringFlag{Name: "accept-loss", Usage: "let the CA go on although something is missing, and say why (`REASON`)"},
			&cli.StringFlag{Name: "witness", Usage: "with --accept-loss: `NAME` of the second person"},
			byFlag(),
			clikit.JSONFlag(),
		),
		Action: runRestore,
	}
}

func runRestore(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	switch {
	case (c.String("in") == "") != (c.String("identity") == ""):
		return clikit.Usagef("smki restore: --in and --identity belong together")
	case c.Bool("hold") && c.String("in") != "":
		return clikit.Usagef("smki restore: --in holds the CA by itself; --hold is for databases that other tools have put back")
	case !c.IsSet("accept-loss") && (c.IsSet("witness") || c.IsSet("statement") || c.IsSet("signature")):
		return clikit.Usagef("smki restore: --witness, --statement and --signature belong to --accept-loss")
	case c.IsSet("signature") && !c.IsSet("statement"):
		return clikit.Usagef("smki restore: --signature belongs to --statement, the file that was signed")
	}
	evidence, err := gatherEvidence(c)
	if err != nil {
		return err
	}
	if c.String("in") != "" {
		if err := putBack(c); err != nil {
			return err
		}
	}
	d, err := openLedger(c.Context, c.String("home"))
	if err != nil {
		return err
	}
	if c.Bool("hold") {
		err = d.holdAsItIs(c.Context)
	}
	if err == nil {
		err = d.goOn(c, evidence)
	}
	return errors.Join(err, d.Close(context.WithoutCancel(c.Context)))
}

// putBack makes a home of a backup. home.json comes last, when the database is
// held: before that the folder is no home.
func putBack(c *cli.Context) error {
	dir := c.String("home")
	identities, err := readIdentities(c.String("identity"))
	if err != nil {
		return clikit.Usagef("smki restore: --identity: %v", err)
	}
	in, err := os.Open(c.String("in"))
	if err != nil {
		return clikit.Usagef("smki restore: --in: %v", err)
	}
	defer in.Close()
	if err := vacant(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	m, kept, err := backup.Extract(c.Context, in, identities, dir, func(name string) bool { return name == homeFile })
	if err == nil {
		err = hold(c.Context, dir, m)
	}
	if err == nil {
		err = settleIn(dir, kept[homeFile])
	}
	if err != nil {
		return fmt.Errorf("restoring into %q: %w; the folder is no home: remove it before another try", dir, err)
	}
	return nil
}

func readIdentities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	identities, err := age.ParseIdentities(f)
	if err != nil {
		// The error of the library may repeat a line of the file.
		return nil, fmt.Errorf("%q holds no age identities, one a line", path)
	}
	return identities, nil
}

func hold(ctx context.Context, dir string, m *backup.Manifest) (err error) {
	s, err := store.Open(ctx, store.Config{URL: filepath.Join(dir, storeFile)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return backup.Place(ctx, s, m, time.Now())
}

// holdAsItIs holds a database of which nobody says when it was copied.
func (d *desk) holdAsItIs(ctx context.Context) error {
	if h, err := backup.Held(ctx, d.store); err != nil || h != nil {
		return err
	}
	head, err := d.issuer.Log().Checkpoint(ctx)
	if err != nil {
		return err
	}
	now := d.issuer.Now()
	return backup.Place(ctx, d.store, &backup.Manifest{ID: "made by other tools", TakenAt: now, Log: backup.LogHead{Size: head.Size, Head: head.Hash.String()}}, now)
}

// settleIn writes home.json with the database where it is now.
func settleIn(dir string, text []byte) error {
	h := &home{dir: dir}
	if err := ca.ReadStrict(text, h); err != nil {
		return fmt.Errorf("%s of the backup: %w", homeFile, err)
	}
	h.Store = storeFile
	if h.Token.SoftHSM != "" {
		h.Token.SoftHSM = tokenDir
	}
	return h.save()
}

// restored is the result of a restore command.
type restored struct {
	Home       string             `json:"home"`
	Backup     string             `json:"backup"`
	TakenAt    time.Time          `json:"taken_at"`
	Held       bool               `json:"held"`
	Comparison *backup.Comparison `json:"comparison"`
	Says       []string           `json:"says"`
}

// goOn compares, and lets the CA go on if it may.
func (d *desk) goOn(c *cli.Context, e backup.Evidence) error {
	ctx := c.Context
	h, err := backup.Held(ctx, d.store)
	if err != nil {
		return err
	}
	if h == nil {
		return clikit.Usagef("smki restore: %q is not held: it was not restored, or goes on already; give --in to restore into another folder", d.home.dir)
	}
	book, err := d.book()
	if err != nil {
		return err
	}
	found, err := backup.Compare(ctx, book, h, e)
	if errors.Is(err, audit.ErrTampered) {
		return tampered(c, err)
	}
	if err != nil {
		return err
	}
	r := &restored{Home: d.home.dir, Backup: h.Backup, TakenAt: h.TakenAt, Held: true, Comparison: found}
	r.say("backup %s of %s, %d records of the audit log, in %s", h.Backup, h.TakenAt.Format(time.RFC3339), h.LogSize, d.home.dir)
	if says := found.Says(); says != "" {
		r.Says = append(r.Says, strings.Split(says, "\n")...)
	}
	switch {
	case c.IsSet("accept-loss"):
		loss, err := d.loss(c, h, found)
		if err != nil {
			return err
		}
		if err := backup.AcceptLoss(ctx, d.issuer, d.register, h, found, loss); err != nil {
			return oneLine(err)
		}
		r.Held = false
		r.say("the loss is accepted and recorded; the CA goes on. Publish at once: smki crl --home %s --issuer NAME, for each authority", d.home.dir)
	case found.Settled():
		if err := backup.Release(ctx, d.store, h, found, who(c), d.issuer.Now()); err != nil {
			return err
		}
		r.Held = false
		r.say("nothing is missing of what was given: the CA goes on")
	case found.Behind():
		r.say("the CA is BEHIND and held. Restore a newer backup; if there is none, accept the loss: smki restore --help")
	default:
		r.say("the CA is held until it is compared: smki restore --home %s --crl FILE … or --checkpoint FILE", d.home.dir)
	}
	if err := r.print(c); err != nil {
		return err
	}
	if found.Behind() && r.Held {
		return clikit.Silent(clikit.Failed)
	}
	return nil
}

func (r *restored) say(format string, a ...any) { r.Says = append(r.Says, fmt.Sprintf(format, a...)) }

func (r *restored) print(c *cli.Context) error {
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, r)
	}
	_, err := fmt.Fprintln(c.App.Writer, strings.Join(r.Says, "\n"))
	return err
}

// book is what evidence is held against: every generation of every authority that
// publishes a list from this home.
func (d *desk) book() (backup.Book, error) {
	b := backup.Book{Store: d.store, Log: d.issuer.Log()}
	for _, a := range d.home.Authorities {
		if a.Offline || !d.issuer.PublishesCRL(a.Name) {
			continue
		}
		cert, err := d.home.authorityCertificate(a)
		if err != nil {
			return b, err
		}
		b.Authorities = append(b.Authorities, backup.Authority{ID: string(a.label()), Certificate: cert})
	}
	for _, a := range d.home.ikis() {
		der, err := d.home.certificate(a)
		if err != nil {
			return b, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return b, fmt.Errorf("reading the certificate of %q: %w", a.label(), err)
		}
		b.Authorities = append(b.Authorities, backup.Authority{ID: string(a.label()), IKI: cert})
	}
	return b, nil
}
