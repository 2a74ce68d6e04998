package scope

import (
	"bytes"
	"context"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
)

// maxNames bounds the parties and requesters that are counted by name; there are
// some hundreds in the country, but a requester is any text.
const maxNames = 2000

// A Summary is the counts of a report.
type Summary struct {
	Key     ca.KeyHash `json:"key"`
	Since   time.Time  `json:"since"`
	Carries int        `json:"carries"` // certificates that carry the key
	// Authorities are those whose certificates are in question, with what they have
	// issued, for authorities' keys only.
	Authorities []Issued `json:"authorities"`
	// Of the certificates that were listed:
	Listed  int            `json:"listed"`
	Exposed int            `json:"exposed"`
	Parties map[string]int `json:"parties"` // by owner of the identifier, or else by who asked
	Roles   map[string]int `json:"roles"`
	Cells   map[string]int `json:"cells"` // by "device: role usage cell"

	Log *LogPart `json:"log,omitempty"`
	// CellsSource and CellsVerified say what the table of cells rests on.
	CellsSource   string `json:"cells_source"`
	CellsVerified bool   `json:"cells_verified"`
}

// Issued is what one authority has issued, all of it.
type Issued struct {
	Issuer       string `json:"issuer"`
	Certificates int64  `json:"certificates"`
	InUse        int64  `json:"in_use"`
	Late         int64  `json:"late"`    // recorded at the time in question or later
	Devices      int64  `json:"devices"` // different devices
	Entities     int64  `json:"entities"`
	// Lists are the numbers of the lists it has signed at that time or later.
	FirstList int64 `json:"first_list,omitempty"`
	LastList  int64 `json:"last_list,omitempty"`
}

// LogPart is where the audit log tells of it.
type LogPart struct {
	First int64            `json:"first"` // first record at the time in question or later; -1: none
	Last  int64            `json:"last"`
	Kinds map[string]int64 `json:"kinds"` // records from First on
	// Naming are the records that name a certificate which carries the key.
	Naming []int64 `json:"naming"`
}

func newSummary(q Question, cells *Cells) *Summary {
	return &Summary{Key: q.Key, Since: q.Since.UTC(), Authorities: []Issued{}, Parties: map[string]int{}, Roles: map[string]int{},
		Cells: map[string]int{}, CellsSource: cells.Source, CellsVerified: cells.Verified}
}

func (s *Summary) add(c *Certificate) {
	s.Listed++
	if c.Exposed {
		s.Exposed++
	}
	party := c.Party
	if party == "" {
		party = c.Requester
	}
	if _, known := s.Parties[party]; !known && len(s.Parties) >= maxNames {
		party = "(others)"
	}
	s.Parties[party]++
	if c.Role != nil {
		s.Roles[c.Role.String()]++
	}
	for _, cell := range c.Cells {
		s.Cells[cell.String()]++
	}
}

// String names the cell in one line.
func (c Cell) String() string {
	return c.Device + ": " + c.Role.String() + " " + c.Usage.String() + " " + c.Cell
}

// count adds what an authority has issued.
func (s *Summary) count(ctx context.Context, db *store.Store, id string, since time.Time) error {
	i := Issued{Issuer: id}
	err := db.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*),
			COALESCE(SUM(CASE WHEN status = 'I' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN recorded_at >= $1 THEN 1 ELSE 0 END), 0),
			COUNT(DISTINCT CASE WHEN profile = 'device' THEN entity END),
			COUNT(DISTINCT entity) FROM certificate WHERE issuer = $2`, since.UnixMicro(), id).
			Scan(&i.Certificates, &i.InUse, &i.Late, &i.Devices, &i.Entities)
	})
	if err == nil {
		s.Authorities = append(s.Authorities, i)
	}
	return err
}

// lists adds the lists that the authority last counted has signed since.
func (s *Summary) lists(ctx context.Context, db *store.Store, id string, since time.Time) error {
	i := &s.Authorities[len(s.Authorities)-1]
	return db.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COALESCE(MIN(number), 0), COALESCE(MAX(number), 0) FROM crl WHERE issuer = $1 AND published_at >= $2`, id, since.UnixMicro()).
			Scan(&i.FirstList, &i.LastList)
	})
}

// maxNaming bounds the records that are named one by one.
const maxNaming = 1000

func (l *look) log(ctx context.Context) error {
	part := &LogPart{First: -1, Last: -1, Kinds: map[string]int64{}, Naming: []int64{}}
	var needles [][]byte
	for _, serial := range l.serials {
		needles = append(needles, []byte(`"`+serial.String()+`"`))
	}
	for r, err := range l.Issuer.Log().Records(ctx, 0) {
		if err != nil {
			return err
		}
		if !r.At.Before(l.q.Since) {
			if part.First < 0 {
				part.First = r.Seq
			}
			part.Last = r.Seq
			part.Kinds[string(r.Kind)]++
		}
		for _, needle := range needles {
			if len(part.Naming) < maxNaming && bytes.Contains(r.Line, needle) {
				part.Naming = append(part.Naming, r.Seq)
				break
			}
		}
	}
	l.s.Log = part
	return nil
}
