package backup

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Evidence is what others have of this CA.
type Evidence struct {
	Lists       []Published
	Checkpoints [][]byte // signed notes, as smki audit checkpoint prints them
}

// Published is a CRL or ARL as it was found outside.
type Published struct {
	From string // file or address, for whoever reads the result
	DER  []byte
}

// An Authority is one that signs here, by its certificate: one of SMKI's, or the
// IKI authority, whose lists are of another form.
type Authority struct {
	ID          string // "issuing-oca-1"
	Certificate *policy.Certificate
	IKI         *x509.Certificate
}

// Book is what evidence is held against.
type Book struct {
	Store *store.Store
	Log   *audit.Log
	// Authorities are those that publish a list from here, each generation of them.
	Authorities []Authority
}

// A Comparison is what was found.
type Comparison struct {
	Lists []ListStanding `json:"lists"` // one for each authority of the Book
	// LogSize is how many records the restored log had, and OutsideSize the largest
	// that a checkpoint was signed over; 0 if none was given.
	LogSize     int64 `json:"log_size"`
	OutsideSize int64 `json:"outside_size,omitempty"`
	// Ignored names lists of authorities that sign nothing here, such as an offline
	// root's.
	Ignored []string `json:"ignored"`
}

// A ListStanding is how the ledger stands to the list that an authority has
// published.
type ListStanding struct {
	Issuer string `json:"issuer"`
	// Ours is the number of the newest list that the ledger has published.
	Ours int64 `json:"ours"`
	// Outside is the number of the newest that was given; 0: none was.
	Outside int64  `json:"outside,omitempty"`
	From    string `json:"from,omitempty"`
	// Other says that the ledger has another list of that number, or gave the number
	// away for one: two CAs have worked with this key.
	Other bool `json:"other,omitempty"`
	// NotRevoked are certificates of the ledger that the newer list revokes, Unknown
	// are serials on it that the ledger has never heard of.
	NotRevoked []policy.Serial `json:"not_revoked"`
	Unknown    []policy.Serial `json:"unknown"`

	// Optional says that the hold may go without this list. That of the IKI authority
	// is: the CA's own servers ask the ledger, so that few read it.
	Optional bool `json:"optional,omitempty"`

	list    *openList
	missing []policy.CRLEntry
}

// Behind tells whether the ledger lacks what the list shows.
func (l *ListStanding) Behind() bool { return l.Outside > l.Ours || l.Other }

// Behind tells whether the ledger lacks what any of the evidence shows.
func (c *Comparison) Behind() bool {
	return c.OutsideSize > c.LogSize || slices.ContainsFunc(c.Lists, func(l ListStanding) bool { return l.Behind() })
}

// NotCompared names the authorities of whose lists nothing is known. A checkpoint
// speaks for all of them, since every list is in the log.
func (c *Comparison) NotCompared() []string {
	names := []string{}
	for _, l := range c.Lists {
		if l.Outside == 0 && c.OutsideSize == 0 && !l.Optional {
			names = append(names, l.Issuer)
		}
	}
	return names
}

// Settled tells whether the hold may go.
func (c *Comparison) Settled() bool { return !c.Behind() && len(c.NotCompared()) == 0 }

// Compare holds evidence against a restored ledger. Lists and checkpoints must be
// this CA's own, by their signatures. A log that contradicts a checkpoint it should
// contain is an error wrapping [audit.ErrTampered]: that is no loss, but another
// history.
func Compare(ctx context.Context, b Book, h *Hold, e Evidence) (*Comparison, error) {
	c, err := compare(ctx, b, h, e)
	if err != nil {
		return nil, fmt.Errorf("comparing with what was published: %w", err)
	}
	return c, nil
}

func compare(ctx context.Context, b Book, h *Hold, e Evidence) (*Comparison, error) {
	c := &Comparison{LogSize: h.LogSize, Lists: []ListStanding{}, Ignored: []string{}}
	for _, a := range b.Authorities {
		c.Lists = append(c.Lists, ListStanding{Issuer: a.ID, Optional: a.IKI != nil, NotRevoked: []policy.Serial{}, Unknown: []policy.Serial{}})
	}
	for _, p := range e.Lists {
		list, n, err := b.open(p.DER)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.From, err)
		}
		if n < 0 {
			c.Ignored = append(c.Ignored, fmt.Sprintf("%s: list %d of an authority that signs nothing here", p.From, list.number))
			continue
		}
		if l := &c.Lists[n]; list.number > l.Outside {
			l.Outside, l.From, l.list = list.number, p.From, list
		}
	}
	err := b.Store.Read(ctx, func(tx store.Tx) error {
		for n := range c.Lists {
			if err := c.Lists[n].compare(ctx, tx); err != nil {
				return fmt.Errorf("list of %s: %w", c.Lists[n].Issuer, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, c.checkpoints(ctx, b.Log, e.Checkpoints)
}

// compare looks the list up in the ledger.
func (l *ListStanding) compare(ctx context.Context, tx store.Tx) error {
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM `+l.table("crl")+` WHERE issuer = $1`, l.Issuer).Scan(&l.Ours)
	if err != nil || l.list == nil {
		return err
	}
	// The bytes of the whole list, too: two CAs that work alike in one second sign the
	// same twice.
	var tbs, der []byte
	err = tx.QueryRow(ctx, `SELECT intent.tbs, list.der FROM intent LEFT JOIN `+l.table("crl")+` AS list ON list.intent = intent.id
		WHERE intent.issuer = $1 AND intent.number = $2`, l.Issuer, l.Outside).Scan(&tbs, &der)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if tbs, err = store.Joined(ctx, tx, tbs); err != nil {
			return err
		}
		if der, err = store.Joined(ctx, tx, der); err != nil {
			return err
		}
		l.Other = !bytes.Equal(tbs, l.list.tbs) || der != nil && !bytes.Equal(der, l.list.der)
	}
	if !l.Behind() {
		return nil
	}
	return l.entries(ctx, tx)
}

// entries finds what the newer list revokes and the ledger does not.
func (l *ListStanding) entries(ctx context.Context, tx store.Tx) error {
	gone := make(map[policy.Serial]bool)
	rows, err := tx.Query(ctx, `SELECT serial FROM `+l.table("revocation")+` WHERE issuer = $1
		UNION ALL SELECT serial FROM intent WHERE issuer = $2 AND state = 'written-off' AND kind = 'certificate'`, l.Issuer, l.Issuer)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return err
		}
		var serial policy.Serial
		copy(serial[:], b)
		gone[serial] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, e := range l.list.entries {
		if gone[e.Serial] {
			continue
		}
		l.missing = append(l.missing, e)
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM `+l.table("certificate")+` WHERE serial = $1`, e.Serial[:]).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			l.NotRevoked = append(l.NotRevoked, e.Serial)
		} else {
			l.Unknown = append(l.Unknown, e.Serial)
		}
	}
	return nil
}

// checkpoints verifies those that the restored log must contain, and notes the
// largest of those that it cannot.
func (c *Comparison) checkpoints(ctx context.Context, log *audit.Log, notes [][]byte) error {
	var within [][]byte
	for _, n := range notes {
		p, err := log.ParseCheckpoint(n)
		if err != nil {
			return err
		}
		c.OutsideSize = max(c.OutsideSize, p.Size)
		if p.Size <= c.LogSize {
			within = append(within, n)
		}
	}
	if len(within) == 0 {
		return nil
	}
	_, err := log.Verify(ctx, within...)
	return err
}
