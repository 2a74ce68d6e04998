package auditor

import (
	"context"

	"smki.example/ca/audit"
	"smki.example/policy"
)

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
