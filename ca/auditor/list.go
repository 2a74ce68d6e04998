package auditor

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// list is what the next list of an authority must show, as far as the log was
// played.
type list struct {
	last    int64 // number of the last published one
	entries map[string]entry
}

// entry is one revoked serial.
type entry struct {
	at     int64 // in seconds, as lists have it
	reason policy.Reason
	record int64
}

func (e entry) String() string {
	return fmt.Sprintf("%s since %s", e.reason, time.Unix(e.at, 0).UTC().Format(time.RFC3339))
}

func (a *inspection) list(issuer string) *list {
	l := a.lists[issuer]
	if l == nil {
		l = &list{entries: make(map[string]entry)}
		a.lists[issuer] = l
	}
	return l
}

// listRow is a row of the table crl or iki_crl.
type listRow struct {
	intent, thisUpdate, nextUpdate, entries, covers, published int64
	der                                                        []byte
}

// listTable is where the lists of an authority are.
func listTable(issuer string) string {
	if isIKI(issuer) {
		return "iki_crl"
	}
	return "crl"
}

// published compares a published list with the log so far.
func (a *inspection) published(ctx context.Context, r *record, f *found) error {
	said := r.says
	what := fmt.Sprintf("list %d of %s", said.Number, said.Issuer)
	l := a.list(said.Issuer)
	if said.Number <= l.last {
		return differ(r.Seq, "%s: the log publishes it after list %d", what, l.last)
	}
	l.last = said.Number
	var row listRow
	err := a.tx.QueryRow(ctx, `SELECT intent, this_update, next_update, entries, covers, published_at, der FROM `+listTable(said.Issuer)+
		` WHERE issuer = $1 AND number = $2`, said.Issuer, said.Number).
		Scan(&row.intent, &row.thisUpdate, &row.nextUpdate, &row.entries, &row.covers, &row.published, &row.der)
	if errors.Is(err, sql.ErrNoRows) {
		return differ(r.Seq, "%s: it is in the log and not in the ledger", what)
	}
	if err != nil {
		return err
	}
	if row.der, err = store.Joined(ctx, a.tx, row.der); err != nil {
		return differ(r.Seq, "%s: %v", what, err)
	}
	in := f.intents[said.ID]
	if in == nil {
		return differ(r.Seq, "%s: its intent %d is in the log and not in the ledger", what, said.ID)
	}
	c := compare(r, name(what))
	c.number("intent", row.intent, said.ID)
	c.text("intent's authority", in.issuer, said.Issuer)
	c.number("intent's number", in.number.Int64, said.Number)
	c.time("date", row.thisUpdate, micro(said.ThisUpdate))
	c.time("end of validity", row.nextUpdate, micro(said.NextUpdate))
	c.number("count of entries", row.entries, said.Entries)
	c.number("count of what it covers", row.covers, said.Entries)
	c.time("time of publication", row.published, micro(r.At))
	a.settle(c, in, "recorded", micro(r.At))
	c.digest("bytes", row.der, said.DER)
	if c.err != nil {
		return c.err
	}
	tbs, err := a.listBytes(ctx, said.ID)
	if err != nil {
		return err
	}
	if !sameTBS(row.der, tbs) {
		return differ(r.Seq, "%s: its bytes are not those of its intent %d", what, said.ID)
	}
	if err := a.readList(r, what, row.der, l); err != nil {
		return err
	}
	if err := a.position(ctx, r, what); err != nil {
		return err
	}
	a.marks.set(said.ID, listed)
	a.report.Lists++
	return nil
}

// position compares what a list says it was made from with what it shows: a
// revocation behind the position waits for a list, and one before it does not. A list
// from before positions were kept, and one of the IKI authority, has none.
func (a *inspection) position(ctx context.Context, r *record, what string) error {
	said := r.says
	if isIKI(said.Issuer) {
		return nil
	}
	var to, off sql.NullInt64
	if err := a.tx.QueryRow(ctx, `SELECT to_revocation, written_off FROM crl WHERE issuer = $1 AND number = $2`, said.Issuer, said.Number).Scan(&to, &off); err != nil {
		return err
	}
	if !to.Valid || !off.Valid {
		return nil
	}
	var before int64
	if err := a.tx.QueryRow(ctx, `SELECT COUNT(*) FROM revocation WHERE issuer = $1 AND on_crl AND seq <= $2`, said.Issuer, to.Int64).Scan(&before); err != nil {
		return err
	}
	if before+off.Int64 != said.Entries {
		return differ(r.Seq, "%s: it says that it was made from %d revocations and %d written-off serials, and the log has %d entries", what, before, off.Int64, said.Entries)
	}
	var there bool
	if err := a.tx.QueryRow(ctx, `SELECT $1 = 0 OR EXISTS (SELECT 1 FROM revocation WHERE issuer = $2 AND seq = $3)`, to.Int64, said.Issuer, to.Int64).Scan(&there); err != nil {
		return err
	}
	if !there {
		return differ(r.Seq, "%s: it says that it was made from the revocations up to number %d, which there is not", what, to.Int64)
	}
	return nil
}

// readList verifies the signature over a list and compares what it shows with what
// the log has told so far.
func (a *inspection) readList(r *record, what string, der []byte, l *list) error {
	said := r.says
	shown, number, thisUpdate, nextUpdate, err := a.openList(said.Issuer, der)
	if errors.Is(err, errNoAuthority) {
		return fmt.Errorf("%s: the certificate of its authority was not given to the audit", what)
	}
	if err != nil {
		return differ(r.Seq, "%s: %v", what, err)
	}
	c := compare(r, name(what))
	c.number("own number", number, said.Number)
	c.time("own date", micro(thisUpdate), micro(said.ThisUpdate))
	c.time("own end of validity", micro(nextUpdate), micro(said.NextUpdate))
	c.number("own count of entries", int64(len(shown)), said.Entries)
	if c.err != nil {
		return c.err
	}
	for _, e := range shown {
		serial := e.Serial.String()
		want, there := l.entries[serial]
		if !there {
			return differ(r.Seq, "%s: it shows serial %s, of whose revocation the log says nothing before", what, serial)
		}
		if got := (entry{at: e.At.Unix(), reason: e.Reason}); got.at != want.at || got.reason != want.reason {
			return differ(r.Seq, "%s: it shows serial %s as %s, the log has %s in record %d", what, serial, got, want, want.record)
		}
	}
	if len(shown) == len(l.entries) {
		return nil // each serial stands on it once, so that these are all
	}
	on := make(map[string]bool, len(shown))
	for _, e := range shown {
		on[e.Serial.String()] = true
	}
	first, missing := "", int64(-1)
	for serial, e := range l.entries {
		if !on[serial] && (missing < 0 || e.record < missing || e.record == missing && serial < first) {
			first, missing = serial, e.record
		}
	}
	return differ(r.Seq, "%s: it lacks serial %s, which was revoked before in record %d", what, first, missing)
}

// openList reads a list and verifies its signature.
func (a *inspection) openList(issuer string, der []byte) (shown []policy.CRLEntry, number int64, thisUpdate, nextUpdate time.Time, err error) {
	if isIKI(issuer) {
		parent := a.iki[issuer]
		if parent == nil {
			return nil, 0, thisUpdate, nextUpdate, errNoAuthority
		}
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, 0, thisUpdate, nextUpdate, fmt.Errorf("its bytes do not parse: %w", err)
		}
		if err := crl.CheckSignatureFrom(parent); err != nil {
			return nil, 0, thisUpdate, nextUpdate, fmt.Errorf("its signature is not that of %s: %w", issuer, err)
		}
		for _, e := range crl.RevokedCertificateEntries {
			var serial policy.Serial
			if e.SerialNumber.Sign() <= 0 || e.SerialNumber.BitLen() > 8*len(serial) || e.ReasonCode < 0 || e.ReasonCode > 255 {
				return nil, 0, thisUpdate, nextUpdate, fmt.Errorf("it shows serial %X, which is none of ours", e.SerialNumber)
			}
			e.SerialNumber.FillBytes(serial[:])
			shown = append(shown, policy.CRLEntry{Serial: serial, At: e.RevocationTime, Reason: policy.Reason(e.ReasonCode)})
		}
		if crl.Number == nil || !crl.Number.IsInt64() {
			return nil, 0, thisUpdate, nextUpdate, errors.New("it has no number")
		}
		return shown, crl.Number.Int64(), crl.ThisUpdate, crl.NextUpdate, nil
	}
	parent := a.authorities[issuer]
	if parent == nil {
		return nil, 0, thisUpdate, nextUpdate, errNoAuthority
	}
	crl, err := policy.ParseCRL(der)
	if err != nil {
		return nil, 0, thisUpdate, nextUpdate, fmt.Errorf("its bytes do not parse: %w", err)
	}
	if err := crl.CheckSignature(parent); err != nil {
		return nil, 0, thisUpdate, nextUpdate, fmt.Errorf("its signature is not that of %s: %w", issuer, err)
	}
	return crl.Entries, crl.Number, crl.ThisUpdate, crl.NextUpdate, nil
}
