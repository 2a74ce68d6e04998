package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/urfave/cli/v2"

	"smki.example/ca/backup"
	"smki.example/cmd/clikit"
	"smki.example/softhsm"
)

// Names of a home that backups are about.
const (
	backupLock   = "backup.lock" // held while a backup is made
	backupPrefix = ".backup-"    // folders with a copy of the database while a backup is made
	rolloverGlob = "rollover-*"  // records of rollover ceremonies
	custodianDir = "custodians"  // in a ceremony's record: shares, which are never backed up
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:  "backup",
		Usage: "copy the CA into one encrypted file, while it works",
		Description: `Writes one file, encrypted with age for the recipients in --recipient-file (one "age1…" a line): the database as it was at one
moment, home.json, the certificates of the authorities, the records of ceremonies, and the key of the audit log. Nothing stops meanwhile;
the disk of the home needs room for one more copy of the database.

PINs, tokens and the shares of custodians are not in it. --with-token adds the SoftHSM token of an exercise with its PIN.

--new-identity FILE makes a key pair first: the identity, which opens the backup and belongs where the CA's administrators cannot reach it,
goes to FILE, its recipient to --recipient-file, which must not be there yet.

A database on PostgreSQL is copied by the server's own tools; see docs/keeping.md.

Whoever has the file and an identity can read the ledger and forge its log, and can sign nothing with a CA key.

--json prints {out, id, taken_at, log_size, lists, certificates, files, bytes}.

Examples:
  smki backup --home ca --out monday.backup --recipient-file recipients.txt
  smki backup --home ca --out first.backup --recipient-file recipients.txt --new-identity identity.txt`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "out", Usage: "`FILE` to write; it must not be there", Required: true},
			&cli.StringFlag{Name: "recipient-file", Usage: "`FILE` with age recipients, one a line", Required: true},
			&cli.StringFlag{Name: "new-identity", Usage: "`FILE` for a new age identity"},
			&cli.BoolFlag{Name: "with-token", Usage: "exercise only: the SoftHSM token and its PIN too"},
			clikit.JSONFlag(),
		},
		Action: runBackup,
	}
}

func runBackup(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	out := c.String("out")
	if _, err := os.Lstat(out); err == nil {
		return clikit.Usagef("smki backup: --out %q is there already, and a backup is never replaced; give another name", out)
	}
	if path := c.String("new-identity"); path != "" {
		if err := newIdentity(path, c.String("recipient-file")); err != nil {
			return clikit.Usagef("smki backup: --new-identity: %v", err)
		}
	}
	recipients, err := readRecipients(c.String("recipient-file"))
	if err != nil {
		return clikit.Usagef("smki backup: --recipient-file: %v", err)
	}
	return at(c, false, func(d *desk) error {
		m, err := d.backUp(c.Context, out, recipients, c.Bool("with-token"))
		if err != nil {
			return err
		}
		return printBackup(c, out, m)
	})
}

// newIdentity makes an age key pair. The post-quantum kind, because a backup is
// kept for as long as the certificates in it are valid.
func newIdentity(path, recipients string) error {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339)
	if err := writeNew(path, fmt.Sprintf("# opens backups of an smki home; made %s\n%s\n", now, identity)); err != nil {
		return err
	}
	return writeNew(recipients, fmt.Sprintf("# backups of an smki home; made %s\n%s\n", now, identity.Recipient()))
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func readRecipients(path string) ([]age.Recipient, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	recipients, err := age.ParseRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("%q: want age recipients, one a line: %w", path, err)
	}
	return recipients, nil
}

// backUp writes the file beside its place and moves it there when it is whole.
func (d *desk) backUp(ctx context.Context, out string, recipients []age.Recipient, withToken bool) (m *backup.Manifest, err error) {
	if withToken && (!d.home.env.Exercise || d.home.Token.SoftHSM == "") {
		return nil, refused("refused: --with-token: keys leave a token in exercises alone, and only SoftHSM has them in files")
	}
	unlock, err := lockBackup(d.home.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	scratch, err := os.MkdirTemp(d.home.dir, backupPrefix)
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	files, err := d.home.backupFiles()
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	if withToken {
		if err := d.home.copyTokenInto(ctx, filepath.Join(scratch, tokenDir), files); err != nil {
			return nil, fmt.Errorf("backing up the token: %w", err)
		}
	}
	key, err := d.home.logKey()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".new-*")
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	defer os.Remove(f.Name()) // gone under this name when it is in its place
	m, err = backup.Write(ctx, f, backup.Config{Store: d.store, LogKey: key, Environment: d.home.Environment,
		Recipients: recipients, Files: files, Scratch: scratch})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	// Linked and not renamed, where the file system can: a file that came to be there
	// meanwhile stays.
	err = os.Link(f.Name(), out)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(f.Name(), out)
	}
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	return m, syncDir(filepath.Dir(out))
}

// lockBackup lets one backup of a home be made at a time, and removes what a killed
// one has left: a copy of the database.
func lockBackup(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, backupLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("backing up: another backup of %q is being made: %w", dir, err), f.Close())
	}
	left, err := filepath.Glob(filepath.Join(dir, backupPrefix+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("backing up: removing what an earlier one left: %w", err), f.Close())
	}
	return func() { f.Close() }, nil
}

// backupFiles names what is copied beside the database. It is a list of what is
// wanted, not of what is left out, so that nothing secret slips in.
func (h *home) backupFiles() (map[string]string, error) {
	files := map[string]string{homeFile: filepath.Join(h.dir, homeFile), logKeyFile: filepath.Join(h.dir, logKeyFile)}
	// Settings of smki serve, if there are any: secrets stand in files of their own.
	if path := filepath.Join(h.dir, servicesFile); isThere(path) {
		files[servicesFile] = path
	}
	dirs := []string{filepath.Join(h.dir, authorityDir), filepath.Join(h.dir, ceremonyDir)}
	rollovers, err := filepath.Glob(filepath.Join(h.dir, rolloverGlob))
	if err != nil {
		return nil, err
	}
	for _, dir := range append(dirs, rollovers...) {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && path == dir:
				return nil // a home made from a ceremony elsewhere
			case err != nil:
				return err
			case e.IsDir() && path != dir && (e.Name() == custodianDir || strings.HasPrefix(e.Name(), tokenDir)):
				return fs.SkipDir
			case !e.Type().IsRegular():
				return nil
			}
			name, err := filepath.Rel(h.dir, path)
			files[filepath.ToSlash(name)] = path
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// copyTokenInto copies the SoftHSM token while nobody logs in to it, because a
// login rewrites its file, and adds the copies to files.
func (h *home) copyTokenInto(ctx context.Context, to string, files map[string]string) error {
	token, err := softhsm.Open(h.path(h.Token.SoftHSM))
	if err != nil {
		return err
	}
	held, err := softhsm.Guard(ctx, token.Config())
	if err != nil {
		return fmt.Errorf("waiting for the token, which another process is opening: %w", err)
	}
	defer held.Release()
	if err := os.CopyFS(to, os.DirFS(h.path(h.Token.SoftHSM))); err != nil {
		return err
	}
	if err := private(to); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(to, path)
		files[tokenDir+"/"+filepath.ToSlash(name)] = path
		return err
	})
}

func printBackup(c *cli.Context, out string, m *backup.Manifest) error {
	info, err := os.Stat(out)
	if err != nil {
		return fmt.Errorf("looking at the backup: %w", err)
	}
	if clikit.WantsJSON(c) {
		names := []string{}
		for _, f := range m.Files {
			names = append(names, f.Name)
		}
		return clikit.JSON(c.App.Writer, map[string]any{"out": out, "id": m.ID, "taken_at": m.TakenAt, "log_size": m.Log.Size,
			"lists": m.Lists, "certificates": m.Certificates, "files": names, "bytes": info.Size()})
	}
	var lists []string
	for _, l := range m.Lists {
		lists = append(lists, fmt.Sprintf("%s %d", l.Issuer, l.Number))
	}
	_, err = fmt.Fprintf(c.App.Writer, "backup %s of %s in %s, %d octets: %d certificates, %d records of the audit log, lists %s\n",
		m.ID, m.TakenAt.Format(time.RFC3339), out, info.Size(), m.Certificates, m.Log.Size, strings.Join(lists, ", "))
	return err
}
