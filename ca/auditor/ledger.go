package auditor

import (
	"context"
	"database/sql"
)

// rowPage is how many rows are read at once.
const rowPage = 2000

// untold looks through the tables, each in its own order, for what the log did not
// tell of.
func (a *inspection) untold(ctx context.Context) error {
	for _, pass := range []func(context.Context) error{
		a.allIntents,
		func(ctx context.Context) error { return a.allCertificates(ctx, "certificate", certificatesOwn) },
		func(ctx context.Context) error { return a.allCertificates(ctx, "IKI certificate", certificatesIKI) },
		func(ctx context.Context) error { return a.allRevocations(ctx, revocationsOwn) },
		func(ctx context.Context) error { return a.allRevocations(ctx, revocationsIKI) },
		func(ctx context.Context) error { return a.allLists(ctx, "crl") },
		func(ctx context.Context) error { return a.allLists(ctx, "iki_crl") },
		a.allBlocks,
		a.allOffices,
		a.allRestorations,
		func(ctx context.Context) error { return a.allItems(ctx, itemsLines) },
		func(ctx context.Context) error { return a.allItems(ctx, itemsWeb) },
		a.allShards,
	} {
		if err := pass(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pages runs a query whose $1 is the last number seen and $2 the size of a page,
// and calls f, which returns the number of the row, for each row.
func (a *inspection) pages(ctx context.Context, query string, f func(*sql.Rows) (int64, error)) error {
	// Numbers begin at 1, and a forger may begin where he likes.
	after := int64(-1 << 63)
	for {
		n := 0
		err := a.each(ctx, query, []any{after, rowPage}, func(rows *sql.Rows) (err error) {
			n++
			after, err = f(rows)
			return err
		})
		if err != nil || n < rowPage {
			return err
		}
	}
}

func (a *inspection) allIntents(ctx context.Context) error {
	const query = `SELECT id, issuer, serial, number, state FROM intent WHERE id > $1 ORDER BY id LIMIT $2`
	return a.pages(ctx, query, func(rows *sql.Rows) (id int64, err error) {
		var issuer, state, text string
		var serial []byte
		var number sql.NullInt64
		if err := rows.Scan(&id, &issuer, &serial, &number, &state); err != nil {
			return 0, err
		}
		if serial != nil {
			text = serialText(serial)
		}
		name := intentName(id, issuer, text, number.Int64)
		switch {
		case !a.marks.has(id, told):
			return id, unheard("%s: it is in the ledger and not in the log", name)
		case state == "open":
			a.report.Open++
		case !a.marks.has(id, settled):
			return id, unheard("%s: it is %s in the ledger and open in the log", name, state)
		}
		return id, nil
	})
}

const (
	certificatesOwn = `SELECT c.seq, c.serial, c.intent, c.status, i.serial, r.serial, r.on_crl FROM certificate c
		LEFT JOIN intent i ON i.id = c.intent LEFT JOIN revocation r ON r.serial = c.serial WHERE c.seq > $1 ORDER BY c.seq LIMIT $2`
	certificatesIKI = `SELECT c.seq, c.serial, c.intent, c.status, i.serial, r.serial, TRUE FROM iki_certificate c
		LEFT JOIN intent i ON i.id = c.intent LEFT JOIN iki_revocation r ON r.serial = c.serial WHERE c.seq > $1 ORDER BY c.seq LIMIT $2`
)

// standings are the words for the Repository's letters.
var standings = map[string]string{"I": "in use", "N": "not in use", "R": "revoked"}

func (a *inspection) allCertificates(ctx context.Context, what, query string) error {
	return a.pages(ctx, query, func(rows *sql.Rows) (seq int64, err error) {
		var serial, intended, revokedSerial []byte
		var intent int64
		var status string
		var onCRL sql.NullBool
		if err := rows.Scan(&seq, &serial, &intent, &status, &intended, &revokedSerial, &onCRL); err != nil {
			return 0, err
		}
		name := what + " " + serialText(serial)
		if !a.marks.has(intent, certified) || string(serial) != string(intended) {
			return seq, unheard("%s: it is in the ledger and not in the log", name)
		}
		if !a.marks.set(intent, seen) {
			return seq, unheard("%s: it stands in the ledger twice", name)
		}
		want, why := "I", "no revocation"
		if a.marks.has(intent, revoked) {
			want, why = "R", "a revocation"
			if revokedSerial != nil && !onCRL.Bool {
				want = "N"
			}
		}
		if status != want {
			word := standings[status]
			if word == "" {
				word = status
			}
			return seq, unheard("%s: its status is %s in the ledger, %s in the log", name, word, why)
		}
		return seq, nil
	})
}

const (
	revocationsOwn = `SELECT r.seq, r.serial, c.intent FROM revocation r
		LEFT JOIN certificate c ON c.serial = r.serial WHERE r.seq > $1 ORDER BY r.seq LIMIT $2`
	revocationsIKI = `SELECT r.seq, r.serial, c.intent FROM iki_revocation r
		LEFT JOIN iki_certificate c ON c.serial = r.serial WHERE r.seq > $1 ORDER BY r.seq LIMIT $2`
)

func (a *inspection) allRevocations(ctx context.Context, query string) error {
	return a.pages(ctx, query, func(rows *sql.Rows) (seq int64, err error) {
		var serial []byte
		var intent sql.NullInt64
		if err := rows.Scan(&seq, &serial, &intent); err != nil {
			return 0, err
		}
		if !a.strange[string(serial)] && (!intent.Valid || !a.marks.has(intent.Int64, revoked)) {
			return seq, unheard("certificate %s: it is revoked in the ledger, no revocation in the log", serialText(serial))
		}
		return seq, nil
	})
}

// allLists goes through the lists of a table, which are as many as were ever
// published, and reads none of them.
func (a *inspection) allLists(ctx context.Context, table string) error {
	issuer, number := "", int64(-1<<63)
	for {
		n := 0
		err := a.each(ctx, `SELECT l.issuer, l.number, l.intent, i.issuer, i.number FROM `+table+` l LEFT JOIN intent i ON i.id = l.intent
			WHERE (l.issuer, l.number) > ($1, $2) ORDER BY l.issuer, l.number LIMIT $3`, []any{issuer, number, rowPage}, func(rows *sql.Rows) error {
			n++
			var intent int64
			var intended sql.NullString
			var intendedNumber sql.NullInt64
			if err := rows.Scan(&issuer, &number, &intent, &intended, &intendedNumber); err != nil {
				return err
			}
			if !a.marks.has(intent, listed) || intended.String != issuer || intendedNumber.Int64 != number {
				return unheard("list %d of %s: it is in the ledger and not in the log", number, issuer)
			}
			return nil
		})
		if err != nil || n < rowPage {
			return err
		}
	}
}
