package auditor

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// intentRow is a row of the table intent. The bytes of a list are left out: they
// may be many, and few lists are read.
type intentRow struct {
	id             int64
	kind           string
	issuer         string
	serial         []byte
	number         sql.NullInt64
	profile        string
	entity, spki   []byte
	tbs            []byte
	owner          string
	state          string
	cause          string
	created        int64
	settled        sql.NullInt64
	profileVersion int64
}

// versioned is the profile as the log has it: "device/3".
func (in *intentRow) versioned() string { return fmt.Sprintf("%s/%d", in.profile, in.profileVersion) }

// certificateRow is a row of the table certificate or iki_certificate.
type certificateRow struct {
	serial              []byte
	intent              int64
	issuer              string
	profile             string
	entity              []byte
	role                sql.NullInt64
	usage               int64
	organisation, cn    string // IKI
	door                string // IKI: the interface it opens
	spki                []byte
	notBefore, notAfter int64
	requester           string
	recorded            int64
	der                 []byte
}

// revocationRow is a row of the table revocation or iki_revocation.
type revocationRow struct {
	issuer   string
	reason   int64
	at       int64
	by       string
	onCRL    bool
	recorded int64
}

// lookUp runs a query over values, whose place in it is "IN (?)", a few hundred at
// a time, and calls each for every row.
func (a *inspection) lookUp(ctx context.Context, query string, values []any, each func(*sql.Rows) error) error {
	const portion = 500
	for len(values) > 0 {
		n := min(portion, len(values))
		var list strings.Builder
		for k := range n {
			if k > 0 {
				list.WriteString(", ")
			}
			fmt.Fprintf(&list, "$%d", k+1)
		}
		if err := a.each(ctx, strings.ReplaceAll(query, "?", list.String()), values[:n], each); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// each runs a query and calls f for every row. No other query may run meanwhile.
func (a *inspection) each(ctx context.Context, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := a.tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (a *inspection) intents(ctx context.Context, ids []any) (map[int64]*intentRow, error) {
	found := make(map[int64]*intentRow, len(ids))
	err := a.lookUp(ctx, `SELECT id, kind, issuer, serial, number, profile, profile_version, entity, spki,
		CASE WHEN kind = 'certificate' THEN tbs END, owner, state, cause, created_at, settled_at FROM intent WHERE id IN (?)`, ids,
		func(rows *sql.Rows) error {
			in := new(intentRow)
			err := rows.Scan(&in.id, &in.kind, &in.issuer, &in.serial, &in.number, &in.profile, &in.profileVersion, &in.entity, &in.spki,
				&in.tbs, &in.owner, &in.state, &in.cause, &in.created, &in.settled)
			found[in.id] = in
			return err
		})
	return found, err
}

// listBytes are the bytes of a list's intent.
func (a *inspection) listBytes(ctx context.Context, id int64) (tbs []byte, err error) {
	if err = a.tx.QueryRow(ctx, `SELECT tbs FROM intent WHERE id = $1`, id).Scan(&tbs); err != nil {
		return nil, err
	}
	return store.Joined(ctx, a.tx, tbs)
}

// certificates reads rows by serial number, of the one table or the other.
func (a *inspection) certificates(ctx context.Context, iki bool, serials []any) (map[string]*certificateRow, error) {
	query := `SELECT serial, intent, issuer, profile, entity, role, key_usage, '', '', '', spki, not_before, not_after, requester, recorded_at, der
		FROM certificate WHERE serial IN (?)`
	if iki {
		query = `SELECT serial, intent, issuer, profile, NULL, role, 0, organisation, cn, interface, spki, not_before, not_after, requester, recorded_at, der
			FROM iki_certificate WHERE serial IN (?)`
	}
	found := make(map[string]*certificateRow, len(serials))
	err := a.lookUp(ctx, query, serials, func(rows *sql.Rows) error {
		c := new(certificateRow)
		err := rows.Scan(&c.serial, &c.intent, &c.issuer, &c.profile, &c.entity, &c.role, &c.usage, &c.organisation, &c.cn, &c.door, &c.spki,
			&c.notBefore, &c.notAfter, &c.requester, &c.recorded, &c.der)
		found[serialText(c.serial)] = c
		return err
	})
	return found, err
}

func (a *inspection) revocations(ctx context.Context, iki bool, serials []any) (map[string]*revocationRow, error) {
	query := `SELECT serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at FROM revocation WHERE serial IN (?)`
	if iki {
		query = `SELECT serial, issuer, reason, revoked_at, revoked_by, TRUE, recorded_at FROM iki_revocation WHERE serial IN (?)`
	}
	found := make(map[string]*revocationRow, len(serials))
	err := a.lookUp(ctx, query, serials, func(rows *sql.Rows) error {
		var serial []byte
		v := new(revocationRow)
		err := rows.Scan(&serial, &v.issuer, &v.reason, &v.at, &v.by, &v.onCRL, &v.recorded)
		found[serialText(serial)] = v
		return err
	})
	return found, err
}

// serialText is a serial number as the log has it. One of another length, which no
// writer makes, is shown as it is.
func serialText(b []byte) string {
	var s policy.Serial
	if len(b) != len(s) {
		return fmt.Sprintf("%X", b)
	}
	copy(s[:], b)
	return s.String()
}

// serialOctets is the value of a column for a serial number of the log.
func serialOctets(text string) ([]byte, error) {
	s, err := policy.ParseSerial(text)
	return s[:], err
}

// micro is a time of the log as columns have it.
func micro(t time.Time) int64 { return t.UnixMicro() }

func timeText(micro int64) string { return time.UnixMicro(micro).UTC().Format(time.RFC3339Nano) }
