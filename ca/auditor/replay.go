package auditor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"smki.example/ca/audit"
	"smki.example/policy"
)

// groupItems is about how many things of the log are looked up in the ledger at
// once.
const groupItems = 1000

// replay plays the log from its beginning and holds each thing it tells of against
// the ledger.
func (a *inspection) replay(ctx context.Context) error {
	var group []*record
	items := 0
	for {
		page, n, err := a.records(ctx, a.report.Records)
		if err != nil {
			return err
		}
		a.report.Records += int64(n)
		for _, r := range page {
			group = append(group, r)
			if items += r.items(); items >= groupItems {
				if err := a.play(ctx, group); err != nil {
					return err
				}
				group, items = nil, 0
			}
		}
		if n < recordPage {
			return a.play(ctx, group)
		}
	}
}

// found is what the ledger has of the things that a group of records tells of.
type found struct {
	intents      map[int64]*intentRow
	certificates map[string]*certificateRow // by serial number, IKI's among them
	revocations  map[string]*revocationRow
	faults       map[string]error // of certificates' bytes
}

// play holds a group of records against the ledger, in their order.
func (a *inspection) play(ctx context.Context, group []*record) error {
	f, err := a.find(ctx, group)
	if err != nil {
		return err
	}
	a.readAll(group, f)
	for _, r := range group {
		switch r.Kind {
		case audit.KindIntent, audit.KindCeremony, kindAdopted:
			err = a.intended(ctx, r, f)
		case audit.KindCertificate:
			err = a.recorded(r, f)
		case audit.KindWrittenOff:
			err = a.givenUp(r, f)
		case audit.KindRevocation:
			err = a.revoked(r, f)
		case audit.KindCRL:
			err = a.published(ctx, r, f)
		case audit.KindBlockedKey:
			err = a.blockedKey(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find looks up everything that a group tells of.
func (a *inspection) find(ctx context.Context, group []*record) (*found, error) {
	var ids []any
	serials := map[bool][]any{} // by: is it IKI's
	revoked := map[bool][]any{}
	add := func(to map[bool][]any, r *record, iki bool, serial string) error {
		octets, err := serialOctets(serial)
		if err != nil {
			return differ(r.Seq, "the log: %v", err)
		}
		to[iki] = append(to[iki], octets)
		return nil
	}
	for _, r := range group {
		for _, it := range r.says.Intents {
			ids = append(ids, it.ID)
		}
		for _, it := range r.certificates() {
			ids = append(ids, it.ID)
			if err := add(serials, r, isIKI(it.Profile), it.Serial); err != nil {
				return nil, err
			}
		}
		for _, v := range r.says.Revocations {
			if err := errorsOf(add(serials, r, isIKI(v.Issuer), v.Serial), add(revoked, r, isIKI(v.Issuer), v.Serial)); err != nil {
				return nil, err
			}
		}
		if r.Kind == audit.KindCRL {
			ids = append(ids, r.says.ID)
		}
	}
	f := &found{certificates: make(map[string]*certificateRow), revocations: make(map[string]*revocationRow), faults: make(map[string]error)}
	var err error
	if f.intents, err = a.intents(ctx, ids); err != nil {
		return nil, err
	}
	for iki, list := range serials {
		rows, err := a.certificates(ctx, iki, list)
		if err != nil {
			return nil, err
		}
		for serial, c := range rows {
			f.certificates[serial] = c
		}
	}
	for iki, list := range revoked {
		rows, err := a.revocations(ctx, iki, list)
		if err != nil {
			return nil, err
		}
		for serial, v := range rows {
			f.revocations[serial] = v
		}
	}
	return f, nil
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readAll takes the bytes of the group's certificates apart and verifies their
// signatures, on all cores: it is what an audit takes its time for.
func (a *inspection) readAll(group []*record, f *found) {
	var work []*certificateRow
	for _, r := range group {
		for _, it := range r.certificates() {
			if c := f.certificates[it.Serial]; c != nil {
				work = append(work, c)
			}
		}
	}
	faults := make([]error, len(work))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(len(work), runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(len(work)); k = next.Add(1) - 1 {
				faults[k] = a.readCertificate(work[k])
			}
		})
	}
	wait.Wait()
	for n, c := range work {
		f.faults[serialText(c.serial)] = faults[n]
	}
}

// A comparison collects the first field in which ledger and log differ.
type comparison struct {
	record int64
	what   string
	err    error
}

func compare(r *record, what fmt.Stringer) *comparison {
	return &comparison{record: r.Seq, what: what.String()}
}

// text compares a field as text.
func (c *comparison) text(field, ledger, log string) {
	if c.err == nil && ledger != log {
		c.err = differ(c.record, "%s: its %s is %s in the ledger, %s in the log", c.what, field, shown(ledger), shown(log))
	}
}

func shown(s string) string {
	if s == "" {
		return "missing"
	}
	return s
}

func (c *comparison) number(field string, ledger, log int64) {
	c.text(field, fmt.Sprint(ledger), fmt.Sprint(log))
}

func (c *comparison) time(field string, ledger, log int64) {
	c.text(field, timeText(ledger), timeText(log))
}

// digest compares bytes of the ledger with a SHA-256 of the log, which differ
// without it being of use to see how.
func (c *comparison) digest(field string, ledger []byte, log string) {
	sum := sha256.Sum256(ledger)
	if c.err == nil && hex.EncodeToString(sum[:]) != log {
		c.err = differ(c.record, "%s: the %s in the ledger are not those whose SHA-256 is in the log", c.what, field)
	}
}

// as is a text as it comes back from the log, where what is no UTF-8 was replaced.
func as(text string) string {
	var out string
	if b, err := json.Marshal(text); err == nil {
		_ = json.Unmarshal(b, &out) // what was marshalled a moment ago
	}
	return out
}

// whole is what stands in the intents of records that tell of a signature which was
// there already: their owner and their cause.
var whole = map[audit.Kind][2]string{
	audit.KindCeremony: {"ceremony", "key ceremony"},
	kindAdopted:        {"adopted", "found outside"},
}

// intended compares intents and, where the record tells of their signatures too,
// what was signed.
func (a *inspection) intended(ctx context.Context, r *record, f *found) error {
	signed, isWhole := whole[r.Kind]
	for _, it := range r.begun() {
		in := f.intents[it.ID]
		if in == nil {
			return differ(r.Seq, "%s: it is in the log and not in the ledger", it)
		}
		if !a.marks.set(it.ID, told) {
			return differ(r.Seq, "%s: the log tells of it a second time", it)
		}
		c := compare(r, it)
		kind, owner := "crl", r.says.Owner
		if it.Serial != "" {
			kind = "certificate"
		}
		if isWhole {
			owner = signed[0]
		}
		c.text("kind", in.kind, kind)
		c.text("authority", in.issuer, it.Issuer)
		c.text("profile", in.versioned(), it.Profile)
		c.text("owner", in.owner, owner)
		c.time("time", in.created, micro(r.At))
		tbs := in.tbs
		if kind == "certificate" {
			c.text("serial number", serialText(in.serial), it.Serial)
		} else {
			c.number("number", in.number.Int64, it.Number)
			var err error
			if tbs, err = a.listBytes(ctx, it.ID); err != nil {
				return err
			}
		}
		c.digest("bytes to be signed", tbs, it.TBS)
		if c.err == nil && kind == "certificate" && in.state != "recorded" {
			c.err = subject(r, it, in)
		}
		if isWhole {
			a.settle(c, in, "recorded", micro(r.At))
			c.text("cause", in.cause, signed[1])
			l := a.list(it.Issuer)
			l.last = max(l.last, it.Number)
			if c.err == nil && kind == "certificate" {
				c.err = a.certified(r, it, f)
			}
		}
		if c.err != nil {
			return c.err
		}
		a.report.Intents++
	}
	return nil
}

// settle compares the end of an intent, which it has once.
func (a *inspection) settle(c *comparison, in *intentRow, state string, at int64) {
	if c.err != nil {
		return
	}
	switch {
	case !a.marks.has(in.id, told):
		c.err = differ(c.record, "%s: the log tells of its end and not of its beginning", c.what)
	case !a.marks.set(in.id, settled):
		c.err = differ(c.record, "%s: the log settles it a second time", c.what)
	}
	c.text("state", in.state, state)
	c.time("end", in.settled.Int64, at)
}

// recorded compares certificates and what became of their intents.
func (a *inspection) recorded(r *record, f *found) error {
	for _, it := range r.says.Certificates {
		in := f.intents[it.ID]
		if in == nil {
			return differ(r.Seq, "certificate %s: its intent %d is in the log and not in the ledger", it.Serial, it.ID)
		}
		c := compare(r, it)
		c.text("authority", in.issuer, it.Issuer)
		c.text("serial number", serialText(in.serial), it.Serial)
		c.text("profile", in.versioned(), it.Profile)
		a.settle(c, in, "recorded", micro(r.At))
		c.text("cause", as(in.cause), "")
		if c.err == nil {
			c.err = a.certified(r, it, f)
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// name of a certificate, for people.
type name string

func (n name) String() string { return string(n) }

// certified compares the row of a certificate with its item, its intent and its own
// bytes.
func (a *inspection) certified(r *record, it item, f *found) error {
	row, in := f.certificates[it.Serial], f.intents[it.ID]
	if row == nil {
		return differ(r.Seq, "certificate %s: it is in the log and not in the ledger", it.Serial)
	}
	c := compare(r, name("certificate "+it.Serial))
	c.number("intent", row.intent, it.ID)
	c.text("authority", row.issuer, it.Issuer)
	c.text("profile", row.profile, in.profile)
	c.text("intent's key", hex.EncodeToString(in.spki), hex.EncodeToString(row.spki))
	if !isIKI(it.Issuer) {
		c.text("intent's entity", hex.EncodeToString(in.entity), hex.EncodeToString(row.entity))
	}
	c.text("requester", as(row.requester), r.By)
	c.time("time of recording", row.recorded, micro(r.At))
	c.text("interface", row.door, it.Interface)
	if r.Kind != kindAdopted || it.DER != "" {
		c.digest("bytes", row.der, it.DER)
	}
	if c.err == nil && !sameTBS(row.der, in.tbs) {
		c.err = differ(r.Seq, "certificate %s: its bytes are not those of its intent %d", it.Serial, it.ID)
	}
	if fault := f.faults[it.Serial]; c.err == nil && fault != nil {
		if fault == errNoAuthority {
			return fmt.Errorf("certificate %s: the certificate of its authority %q was not given to the audit", it.Serial, row.issuer)
		}
		c.err = differ(r.Seq, "certificate %s: %v", it.Serial, fault)
	}
	if c.err == nil && !a.marks.set(it.ID, certified) {
		c.err = differ(r.Seq, "certificate %s: the log records it a second time", it.Serial)
	}
	if octets, _ := serialOctets(it.Serial); a.strange[string(octets)] {
		a.marks.set(it.ID, revoked)
	}
	a.report.Certificates++
	return c.err
}

// givenUp compares intents that were written off or never used.
func (a *inspection) givenUp(r *record, f *found) error {
	for _, it := range r.says.Intents {
		in := f.intents[it.ID]
		if in == nil {
			return differ(r.Seq, "%s: it is in the log and not in the ledger", it)
		}
		c := compare(r, it)
		c.text("authority", in.issuer, it.Issuer)
		c.text("profile", in.versioned(), it.Profile)
		if it.Serial != "" {
			c.text("serial number", serialText(in.serial), it.Serial)
		} else {
			c.number("number", in.number.Int64, it.Number)
		}
		a.settle(c, in, it.State, micro(it.SettledAt))
		c.text("cause", as(in.cause), it.Cause)
		if c.err != nil {
			return c.err
		}
		if it.State == "written-off" && it.Serial != "" {
			a.list(it.Issuer).entries[it.Serial] = entry{it.SettledAt.Unix(), policy.ReasonCessationOfOperation, r.Seq}
		}
	}
	return nil
}

// revoked compares revocations.
func (a *inspection) revoked(r *record, f *found) error {
	for _, v := range r.says.Revocations {
		row := f.revocations[v.Serial]
		if row == nil {
			return differ(r.Seq, "certificate %s: its revocation is in the log and not in the ledger", v.Serial)
		}
		reason, err := policy.ParseReason(v.Reason)
		if err != nil {
			return differ(r.Seq, "the log: %v", err)
		}
		c := compare(r, name("revocation of certificate "+v.Serial))
		c.text("authority", row.issuer, v.Issuer)
		c.text("reason", reasonText(row.reason), reason.String())
		c.time("date", row.at, micro(v.At))
		c.text("author", as(row.by), v.By)
		c.text("place on lists", fmt.Sprint(row.onCRL), fmt.Sprint(v.onList()))
		c.time("time of recording", row.recorded, micro(r.At))
		if c.err == nil {
			c.err = a.outOfUse(r, v, f.certificates[v.Serial])
		}
		if c.err != nil {
			return c.err
		}
		if v.onList() {
			a.list(v.Issuer).entries[v.Serial] = entry{v.At.Unix(), reason, r.Seq}
		}
		a.report.Revocations++
	}
	return nil
}

// outOfUse notes that a certificate is revoked. A ledger that was restored takes
// revocations over from newer lists than it knew, and may have lost the
// certificate, for good or until somebody finds it and it is adopted.
func (a *inspection) outOfUse(r *record, v revocation, cert *certificateRow) error {
	if r.says.From != "" && (cert == nil || !a.marks.has(cert.intent, certified)) {
		octets, err := serialOctets(v.Serial)
		if err != nil || a.strange[string(octets)] {
			return differ(r.Seq, "certificate %s: the log revokes it a second time", v.Serial)
		}
		a.strange[string(octets)] = true
		return nil
	}
	if cert == nil {
		return differ(r.Seq, "certificate %s: its revocation is in the log and the certificate not in the ledger", v.Serial)
	}
	switch {
	case cert.issuer != v.Issuer:
		return differ(r.Seq, "certificate %s: it is of %s in the ledger, its revocation of %s in the log", v.Serial, cert.issuer, v.Issuer)
	case !a.marks.has(cert.intent, certified):
		return differ(r.Seq, "certificate %s: the log revokes it before it records it", v.Serial)
	case !a.marks.set(cert.intent, revoked):
		return differ(r.Seq, "certificate %s: the log revokes it a second time", v.Serial)
	}
	return nil
}

func reasonText(n int64) string {
	if n < 0 || n > 255 {
		return fmt.Sprint(n)
	}
	return policy.Reason(n).String()
}

// blockedKey compares a key that may not be certified.
func (a *inspection) blockedKey(ctx context.Context, r *record) error {
	spki, err := hex.DecodeString(r.says.SPKI)
	if err != nil {
		return differ(r.Seq, "the log: key %q: %v", r.says.SPKI, err)
	}
	row, err := a.block(ctx, spki)
	if err != nil {
		return err
	}
	if row == nil {
		return differ(r.Seq, "key %s: it is blocked in the log and not in the ledger", r.says.SPKI)
	}
	c := compare(r, name("blocked key "+r.says.SPKI))
	c.text("reason", as(row.reason), r.says.Reason)
	c.text("author", as(row.by), r.By)
	c.time("time", row.at, micro(r.At))
	if _, again := a.blocked[string(spki)]; again && c.err == nil {
		c.err = differ(r.Seq, "key %s: the log blocks it a second time", r.says.SPKI)
	}
	a.blocked[string(spki)] = struct{}{}
	a.report.BlockedKeys++
	return c.err
}
