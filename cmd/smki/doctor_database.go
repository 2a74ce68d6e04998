package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/backup"
	"smki.example/ca/iki"
	"smki.example/ca/ra"
	"smki.example/ca/store"
	"smki.example/policy"
)

const (
	// clockTolerance is how far the machine's clock may be from others': certificates
	// and lists are dated by it, and relying parties compare.
	clockTolerance = 5 * time.Second
	// unsignedRecords is how many records of the log may lie above its newest signed head
	// before somebody should ask why no server signs it.
	unsignedRecords = 10000
)

// database looks at it as it is, and then, if it can be opened without a change, into
// it.
func (d *doctor) database(ctx context.Context) {
	address := d.home.path(d.home.Store)
	s, err := store.Look(ctx, store.Config{URL: address})
	if err != nil {
		d.gone = true
		next := "start the server, or see whether address, user and password file in home.json are right"
		if errors.Is(err, fs.ErrNotExist) {
			next = "put it back from the last backup; an empty one is never made in its place"
		}
		d.finds(wrong, "database", next, "%v", err)
		return
	}
	switch {
	case s.Moved != "":
		d.gone = true
		d.finds(wrong, "database", "run smki database move again with that address: it writes it to home.json", "%s was moved to %s", s.Name, s.Moved)
		return
	case s.Newer != 0:
		d.gone = true
		d.finds(wrong, "database", "use the newer program", "%s is of level %d, which this program does not know", s.Name, s.Newer)
		return
	case s.Damage != "":
		d.gone = true
		d.finds(wrong, "database", "stop the CA, keep the file as it is, and restore the last backup elsewhere: docs/keeping.md", "%s is damaged: %s", s.Name, s.Damage)
		return
	case s.Pending > 0:
		next := "any command brings them up to it"
		if s.Distributed {
			next = "run smki database role --apply with --as and the owner's address"
		}
		d.finds(heed, "database", next, "%s is %d levels behind this program", s.Name, s.Pending)
		return
	}
	d.ok("database", "%s is whole and of this program's level, %s", s.Name, size(s.Bytes))
	if s.MayForge {
		d.finds(heed, "database", "give the service a user of its own: smki database role, then smki database use", "the CA logs in as a user who may change and delete evidence")
	} else if s.Distributed {
		d.ok("database", "the CA's user may neither change nor delete evidence")
	}
	d.ok("processes", "%d at work on it", s.Living)
	d.clock("the database server's", s.Clock)

	opened, err := store.Open(ctx, store.Config{URL: address})
	if err != nil {
		d.gone = true
		d.finds(wrong, "database", "see what the error says", "%v", err)
		return
	}
	defer opened.Close()
	for _, see := range []func(context.Context, *store.Store) error{d.held, d.log, d.lists, d.work, d.register} {
		if err := see(ctx, opened); err != nil {
			d.gone = true
			d.finds(wrong, "database", "see what the error says", "%v", err)
		}
	}
}

// clock compares the machine's clock with another.
func (d *doctor) clock(whose string, other time.Time) {
	if other.IsZero() {
		return
	}
	off := time.Since(other)
	if off.Abs() > clockTolerance {
		d.finds(wrong, "clock", "set the clocks by NTP before anything is issued", "this machine's clock and %s are %s apart", whose, off.Abs().Truncate(time.Second))
		return
	}
	d.ok("clock", "it agrees with %s", whose)
}

func (d *doctor) held(ctx context.Context, s *store.Store) error {
	h, err := backup.Held(ctx, s)
	if err == nil && h != nil {
		d.finds(wrong, "restore", fmt.Sprintf("compare it: smki restore --home %s --crl FILE … or --checkpoint FILE", d.home.dir), "put back from backup %s of %s, and held: it issues nothing", h.Backup, h.TakenAt.Format(time.RFC3339))
	}
	return err
}

// log looks at the head of the audit log, and whether its time is to come.
func (d *doctor) log(ctx context.Context, s *store.Store) error {
	key, err := d.home.logKey()
	if err != nil {
		d.finds(wrong, "audit log", "put audit.key back from the last backup", "%v", err)
		return nil
	}
	log, err := audit.Open(audit.Config{Store: s, Key: key})
	if err != nil {
		return err
	}
	var records int64
	if err := s.Read(ctx, func(tx store.Tx) (err error) {
		records, _, err = audit.Head(ctx, tx)
		return err
	}); err != nil {
		d.finds(wrong, "audit log", "smki audit verify says where it was changed", "%v", err)
		return nil
	}
	signed, ok, err := log.Newest(ctx)
	switch {
	case err != nil:
		d.finds(wrong, "audit log", "is audit.key the one of this CA? smki audit verify says more", "its newest signed head: %v", err)
		return nil
	case !ok || records-signed.Size > unsignedRecords:
		d.finds(heed, "audit log", "smki audit checkpoint signs the head now; a server does it each minute", "%d records above the newest signed head", records-signed.Size)
	default:
		d.ok("audit log", "%d records, signed up to %d; keep a checkpoint elsewhere: smki audit checkpoint", records, signed.Size)
	}
	if records == 0 {
		return nil
	}
	for r, err := range log.Records(ctx, records-1) {
		if err != nil {
			return err
		}
		if ahead := r.At.Sub(d.now); ahead > clockTolerance {
			d.finds(wrong, "clock", "set the clock by NTP before anything is issued", "the log's last record is dated %s, which is to come: this machine's clock is behind", r.At.Format(time.RFC3339))
		} else {
			d.ok("clock", "it is not behind the log's last record, of %s", r.At.Format(time.RFC3339))
		}
		break
	}
	return nil
}

// lists looks at the newest list of each authority that publishes one here.
func (d *doctor) lists(ctx context.Context, s *store.Store) error {
	for _, a := range d.home.Authorities {
		period, publishes := d.home.env.CRL(policy.ProfileName(a.Name))
		if a.Offline || !publishes {
			continue
		}
		var number, next int64
		err := s.Read(ctx, func(tx store.Tx) error {
			return tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0), COALESCE(MAX(next_update), 0) FROM crl WHERE issuer = $1`, string(a.label())).Scan(&number, &next)
		})
		if err != nil {
			return err
		}
		d.list(string(a.label()), number, time.UnixMicro(next).UTC(), (period.Valid-period.Every)/2)
	}
	for _, a := range d.home.ikis() {
		id := string(a.label())
		r, err := iki.Current(ctx, s, id)
		switch {
		case errors.Is(err, ca.ErrNotFound):
			d.list(id, 0, time.Time{}, 0)
		case err != nil:
			return err
		default:
			d.list(id, r.Number, r.NextUpdate, r.NextUpdate.Sub(r.ThisUpdate)/4)
		}
	}
	return nil
}

func (d *doctor) list(issuer string, number int64, next time.Time, alarm time.Duration) {
	publish := fmt.Sprintf("smki crl --home %s --issuer %s; smki serve does it on schedule: does it run?", d.home.dir, issuer)
	switch left := next.Sub(d.now); {
	case number == 0:
		d.finds(wrong, "list", publish, "%s has published none", issuer)
	case left <= 0:
		d.finds(wrong, "list", publish, "list %d of %s lapsed on %s: relying parties have no valid list", number, issuer, next.Format(time.RFC3339))
	case left < alarm:
		d.finds(heed, "list", publish, "list %d of %s lapses on %s and no newer one was published", number, issuer, next.Format(time.RFC3339))
	default:
		d.ok("list", "list %d of %s is valid to %s", number, issuer, next.Format(time.RFC3339))
	}
}

// work looks for what dead processes have left.
func (d *doctor) work(ctx context.Context, s *store.Store) error {
	var open int
	orphans := make(map[string]bool)
	err := s.Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT owner, COUNT(*) FROM intent WHERE state = 'open' GROUP BY owner`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owner string
			var n int
			if err := rows.Scan(&owner, &n); err != nil {
				return err
			}
			open += n
			orphans[owner] = true
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for owner := range orphans {
		if alive, err := s.Alive(ctx, store.OwnerID(owner)); err != nil || alive {
			delete(orphans, owner)
		}
	}
	if len(orphans) > 0 {
		d.finds(heed, "work", fmt.Sprintf("nothing: the next command writes it off; smki reconcile --home %s says what it was", d.home.dir), "%d processes died with signatures asked for", len(orphans))
		return nil
	}
	d.ok("work", "%d signatures asked for by processes at work, none by dead ones", open)
	return nil
}

// register looks whether the registration authority can decide anything.
func (d *doctor) register(ctx context.Context, s *store.Store) error {
	if d.home.env.Registration == policy.RegistrationOpen {
		return nil
	}
	var managers int
	err := s.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(DISTINCT o.person) FROM ra_officer o JOIN ra_credential c ON c.officer = o.id
			WHERE o.role = $1 AND o.state = 'active' AND c.state = 'active' AND c.not_after > $2`, string(ra.RAManager), d.now.UnixMicro()).Scan(&managers)
	})
	switch {
	case err != nil:
		return err
	case managers == 0:
		d.finds(heed, "register", "smki party found: docs/operations.md, The registration authority", "no manager has a valid certificate: nobody can be enrolled")
	case managers < 3:
		d.finds(heed, "register", "appoint a third, so that one may be away", "%d managers have a valid certificate, and it takes two to decide", managers)
	default:
		d.ok("register", "%d managers have a valid certificate", managers)
	}
	return nil
}
