package revocation

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// compareEvery is how often the whole ledger is compared with a long list before the
// next one is made. The first list that a process makes is always compared, a short
// one each time, and the counts of a long one each time: a revocation that was taken
// out shows at once, one that was changed within this time. Until then the list
// goes on telling what it told.
const compareEvery = 6 * time.Hour

// A position says what of the ledger a list was made from.
type position struct {
	to  int64 // highest seq of the authority's revocations
	off int64 // written-off serials, which have no seq
}

func positionOf(ctx context.Context, tx store.Tx, issuer string) (p position, err error) {
	err = tx.QueryRow(ctx, `SELECT
		COALESCE((SELECT seq FROM revocation WHERE issuer = $1 ORDER BY seq DESC LIMIT 1), 0),
		(SELECT COUNT(*) FROM intent WHERE issuer = $2 AND state = 'written-off' AND kind = 'certificate')`, issuer, issuer).Scan(&p.to, &p.off)
	return p, err
}

// kept is the last list of an authority as this process knows it.
type kept struct {
	number   int64
	position position
	shelf    *shelf     // nil: only to be given out
	compared time.Time  // when the ledger was last compared with it
	record   *CRLRecord // nil: a short list, read each time
}

// list is a CRL that is being made.
type list struct {
	intent   ca.Intent
	record   CRLRecord
	position position
	shelf    *shelf
	compared time.Time
	// What stands around the entries in the to-be-signed bytes.
	before, behind []byte
}

func (l *list) long() bool { return l.shelf.entries >= longList }

// draw makes the bytes of the next list, from one state of the ledger.
func (r *Register) draw(ctx context.Context, a *ca.Authority, period policy.CRLPeriod) (*list, error) {
	l := &list{}
	var number int64
	err := r.store.Read(ctx, func(tx store.Tx) (err error) {
		if err = r.collect(ctx, tx, a.ID(), l); err != nil {
			return err
		}
		number, err = nextNumber(ctx, tx, a.ID())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("collecting the revocations: %w", err)
	}
	now := r.ca.Now().Truncate(time.Second)
	t := policy.CRLTemplate{Issuer: a.Certificate, Number: number, ThisUpdate: now, NextUpdate: now.Add(period.Valid)}
	if l.before, l.behind, err = policy.TBSCRLAround(t, l.shelf.octets); err != nil {
		return nil, err
	}
	if l.long() {
		// What was read for it and the list before the last are fifty megabytes each, and
		// would wait until as much again was used.
		runtime.GC()
	}
	buffer := make([]byte, policy.ListRoom, policy.ListRoom+len(l.before)+l.shelf.octets+len(l.behind)+policy.ListTail)
	buffer = append(l.shelf.appendTo(append(buffer, l.before...)), l.behind...)
	tbs := buffer[policy.ListRoom:]
	if err := l.lint(t, tbs, a); err != nil {
		return nil, fmt.Errorf("linting the list: %w", err)
	}
	l.intent = ca.Intent{Kind: ca.CRLIntent, Issuer: a.ID(), Number: number, Profile: "crl", ProfileVersion: r.env.Version, TBS: tbs}
	if l.long() {
		l.intent.Assemble = func(signature []byte) ([]byte, error) { return policy.AssembleList(buffer, signature) }
	}
	l.record = CRLRecord{Issuer: a.ID(), Number: number, ThisUpdate: t.ThisUpdate, NextUpdate: t.NextUpdate, Entries: l.shelf.entries}
	return l, nil
}

// lint applies every rule to the list. Of a long one, the rules for entries are
// applied to all entries, and the others to the same list with few of them.
func (l *list) lint(t policy.CRLTemplate, tbs []byte, a *ca.Authority) error {
	if !l.long() {
		return policy.LintTBSCRL(tbs, a.Certificate)
	}
	n, err := policy.LintCRLEntries(tbs[len(l.before):len(tbs)-len(l.behind)], t.ThisUpdate)
	if err != nil {
		return err
	}
	if n != l.shelf.entries {
		return fmt.Errorf("the list has %d entries and not %d", n, l.shelf.entries)
	}
	some := l.shelf.portions[0].piece.Value
	before, behind, err := policy.TBSCRLAround(t, len(some))
	if err != nil {
		return err
	}
	return policy.LintTBSCRL(slices.Concat(before, some, behind), a.Certificate)
}

// collect fills in the shelf of the next list: the last list's, and what was
// recorded since.
func (r *Register) collect(ctx context.Context, tx store.Tx, issuer string, l *list) (err error) {
	if l.position, err = positionOf(ctx, tx, issuer); err != nil {
		return err
	}
	all, err := covered(ctx, tx, issuer)
	if err != nil {
		return err
	}
	base, err := r.base(ctx, tx, issuer)
	if err != nil {
		return err
	}
	now := r.ca.Now()
	if base != nil && base.shelf.entries >= longList && now.Sub(base.compared) < compareEvery {
		fresh, err := since(ctx, tx, issuer, base, l.position)
		if err != nil {
			return err
		}
		if int64(base.shelf.entries+len(fresh)) == all {
			l.compared = base.compared
			l.shelf, err = base.shelf.with(fresh)
			return err
		}
		// Something is gone, or was put in between: the comparison says which.
	}
	ledger, err := ledgerOf(ctx, tx, issuer, all)
	if err != nil {
		return err
	}
	l.compared = now
	return r.compare(ctx, tx, issuer, base, ledger, l)
}

// compare compares the whole ledger with what is published, and takes from it what
// that lacks.
func (r *Register) compare(ctx context.Context, tx store.Tx, issuer string, base *kept, ledger []told, l *list) error {
	above := int64(0)
	shelf, fresh := new(shelf), []policy.CRLEntry(nil)
	if base != nil {
		above, shelf = base.number, base.shelf
	}
	fresh, err := keepsAll(issuer, above, shelf.each, ledger)
	if err != nil {
		return err
	}
	hidden, err := readHidden(ctx, tx, issuer, above)
	if err != nil {
		return err
	}
	if hidden != nil {
		if _, err := keepsAll(issuer, hidden.number, hidden.shelf.each, ledger); err != nil {
			return err
		}
	}
	l.shelf, err = shelf.with(fresh)
	return err
}

// base is the last published list: as this process knows it, or from the database.
// Nil: there is none.
func (r *Register) base(ctx context.Context, tx store.Tx, issuer string) (*kept, error) {
	var newest int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM crl WHERE issuer = $1`, issuer).Scan(&newest); err != nil {
		return nil, err
	}
	k := r.keeps(issuer)
	if k != nil && k.number == newest && k.shelf != nil {
		return k, nil
	}
	last, err := readLast(ctx, tx, issuer)
	if err != nil || last == nil {
		return nil, err
	}
	read := &kept{number: last.number, shelf: last.shelf, position: position{last.to.Int64, last.off.Int64}}
	// Another process has published it. That this one has compared an older list holds
	// for what is on both; a list from before positions were kept is always compared.
	if k != nil && last.inPieces && last.to.Valid && last.off.Valid {
		read.compared = k.compared
	}
	return read, nil
}

func (r *Register) keeps(issuer string) *kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[issuer]
}

// keep remembers a list that was published, for the next one and for those who ask
// for it. The entries are kept once, as parts of the list's bytes.
func (r *Register) keep(l *list) {
	k := &kept{number: l.record.Number, compared: l.compared}
	if l.long() { // a short one is read anew each time
		k.position, k.record = l.position, &l.record
		k.shelf = l.shelf.within(l.record.DER, headerOf(l.record.DER)+len(l.before))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.kept[l.record.Issuer]; now == nil || now.number <= k.number {
		r.kept[l.record.Issuer] = k
	}
}

// since reads what was recorded behind a list's position.
func since(ctx context.Context, tx store.Tx, issuer string, base *kept, now position) ([]policy.CRLEntry, error) {
	rows, err := tx.Query(ctx, `SELECT serial, revoked_at, reason FROM revocation WHERE issuer = $1 AND on_crl AND seq > $2 ORDER BY seq`, issuer, base.position.to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var fresh []policy.CRLEntry
	for rows.Next() {
		var e policy.CRLEntry
		var serial []byte
		var at, reason int64
		if err := rows.Scan(&serial, &at, &reason); err != nil {
			return nil, err
		}
		copy(e.Serial[:], serial)
		e.At, e.Reason = time.UnixMicro(at).UTC(), policy.Reason(reason)
		fresh = append(fresh, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	if now.off == base.position.off {
		return fresh, nil
	}
	lost, err := ca.WrittenOff(ctx, tx, issuer)
	for _, in := range lost {
		if !base.shelf.has(in.Serial) {
			fresh = append(fresh, policy.CRLEntry{Serial: in.Serial, At: in.SettledAt, Reason: ca.WriteOffReason})
		}
	}
	return fresh, err
}
