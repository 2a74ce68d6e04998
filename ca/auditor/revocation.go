package auditor

import (
	"fmt"

	"smki.example/policy"
)

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
