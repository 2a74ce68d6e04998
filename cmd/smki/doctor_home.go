package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"smki.example/policy"
)

const (
	// certificateNotice is how long before the end of an authority's certificate somebody
	// should plan its successor, which needs a ceremony and people.
	certificateNotice = 180 * 24 * time.Hour
	// serverNotice is the same for the server's own.
	serverNotice = 30 * 24 * time.Hour
	// diskNeeded is what must be free where the home is: a backup holds a copy of the
	// database there while it is made, and SQLite's log grows while a batch runs.
	diskNeeded = 1 << 30
)

// environment says what rules the home is under.
func (d *doctor) environment() {
	env := d.home.env
	kind := "in earnest"
	if env.Exercise {
		kind = "for exercises"
	}
	d.ok("environment", "%s of version %d, %s, registration %s", env.Name, env.Version, kind, env.Registration)
	if !env.Exercise && d.home.Token.SoftHSM != "" {
		d.finds(wrong, "environment", "move the keys to a hardware token in a ceremony, and make the home anew with --module", "keys in earnest are on SoftHSM, whose files anybody with the folder can copy")
	}
	if _, err := os.Stat(filepath.Join(d.home.dir, unfinishedFile)); err == nil {
		d.finds(wrong, "home", "read "+unfinishedFile+" in it", "init, or a restore, did not end")
	}
}

// files looks whether what is secret can be read by others.
func (d *doctor) files() {
	h := d.home
	private := []string{h.dir, filepath.Join(h.dir, homeFile), filepath.Join(h.dir, logKeyFile)}
	if h.Token.SoftHSM != "" {
		private = append(private, h.path(h.Token.SoftHSM), filepath.Join(h.path(h.Token.SoftHSM), "user.pin"))
	} else if pin, err := h.pinFile(); err != nil {
		d.finds(wrong, "home", "run this with smki-run", "%v", err)
	} else {
		private = append(private, pin)
	}
	if _, err := os.Stat(filepath.Join(h.dir, serverFile)); err == nil {
		private = append(private, filepath.Join(h.dir, serverFile))
	}
	good := true
	for _, path := range private {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.finds(wrong, "home", "put it back from the last backup, or from where it is kept", "%s is missing", path)
			good = false
		case err != nil:
			d.finds(wrong, "home", "run this as the user of the CA", "%v", err)
			good = false
		case info.Mode().Perm()&0o077 != 0:
			d.finds(wrong, "home", fmt.Sprintf("chmod go-rwx %s, and find out who has read it", path), "%s can be reached by others (mode %04o)", path, info.Mode().Perm())
			good = false
		}
	}
	if good {
		d.ok("home", "what is secret is readable by its owner alone")
	}
	if _, err := os.Stat(filepath.Join(h.dir, ceremonyDir, "custodians")); err == nil {
		d.finds(heed, "custodians", "give each share to its custodian and remove the folder", "the shares of the embedded ceremony lie together in %s/custodians", ceremonyDir)
	}
}

// services reads services.json as a server would.
func (d *doctor) services() {
	s, err := d.home.services()
	if err != nil {
		d.finds(wrong, "services", "correct it; docs/operations.md has every field. A server does not start with it", "%v", err)
		return
	}
	d.ok("services", "%s can be read; hours are those of %s", servicesFile, s.TimeZone)
	file := filepath.Join(d.home.dir, serverFile)
	if s.Server.Certificate != "" {
		file = d.home.path(s.Server.Certificate)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		if s.Server.Certificate != "" {
			d.finds(wrong, "server", "put it where server.certificate says", "%v", err)
		} else if !d.home.env.Exercise {
			d.finds(heed, "server", "name one in server.certificate before --public is used", "no certificate for mutual TLS")
		}
		return
	}
	block, _ := pem.Decode(b)
	for rest := b; block != nil && block.Type != "CERTIFICATE"; {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		d.finds(wrong, "server", "put the server's certificate there", "%s holds no certificate", file)
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		d.finds(wrong, "server", "put the server's certificate there", "%s: %v", file, err)
		return
	}
	d.ends("server", "the server's certificate", cert.NotAfter, serverNotice, "get a new one, or remove "+serverFile+" so that the next start makes one; clients pin its fingerprint")
}

// ends judges the end of a validity.
func (d *doctor) ends(what, whose string, end time.Time, notice time.Duration, next string) {
	day := end.UTC().Format(time.DateOnly)
	switch left := end.Sub(d.now); {
	case left <= 0:
		d.finds(wrong, what, next, "%s ended on %s", whose, day)
	case left < notice:
		d.finds(heed, what, next, "%s ends on %s, in %d days", whose, day, int(left.Hours()/24))
	default:
		d.ok(what, "%s is valid to %s", whose, day)
	}
}

func (d *doctor) disk() {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.home.dir, &fs); err != nil {
		d.finds(heed, "disk", "see by hand how much is free", "%v", err)
		return
	}
	free := int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // of different types on different systems
	if free < diskNeeded {
		d.finds(wrong, "disk", "make room: a full disk stops every write", "%s free where the home is; %s should be", size(free), size(diskNeeded))
		return
	}
	d.ok("disk", "%s free where the home is", size(free))
}

// size is a number of octets as people say it.
func size(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%d TiB", n)
}

// certificates looks at every generation of every authority.
func (d *doctor) certificates() {
	for _, a := range d.home.Authorities {
		cert, err := d.home.authorityCertificate(a)
		if err != nil {
			d.finds(wrong, "authority", "put the file back: the ceremony's record has it, and so has every backup", "%v", err)
			continue
		}
		d.authority(string(a.label()), cert, a.Retired)
	}
	for _, a := range d.home.ikis() {
		der, err := d.home.certificate(a)
		var cert *x509.Certificate
		if err == nil {
			cert, err = x509.ParseCertificate(der)
		}
		if err != nil {
			d.finds(wrong, "authority", "put the file back", "%v", err)
			continue
		}
		d.ends("authority", string(a.label()), cert.NotAfter, certificateNotice, "plan a rollover: docs/keeping.md")
	}
}

func (d *doctor) authority(name string, cert *policy.Certificate, retired bool) {
	if retired {
		d.ok("authority", "%s is retired; its lists go on to %s", name, cert.NotAfter.UTC().Format(time.DateOnly))
		return
	}
	d.ends("authority", name, cert.NotAfter, certificateNotice, "plan a rollover: docs/keeping.md")
}
