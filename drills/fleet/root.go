package fleet

import (
	"bytes"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// examineRoot checks a new root. It must be self-signed, and unless the
// contingency key authorised it the old root must vouch for it: without that
// the root is "abnormal", which no other key may install (the name is public,
// the rule is not). The old root vouches with a certificate in the path list
// that has the new root's name and key and the old root's signature.
func (d *Device) examineRoot(p *gbcs.UpdateSecurityCredentials, c *policy.Certificate, oldRoot Anchor, now time.Time) (Anchor, gbcs.StatusCode, *Refusal) {
	itself := Anchor{PublicKey: c.PublicKey, KeyID: policy.KeyIDOf(c.PublicKey), Certificate: c}
	if err := policy.VerifyTBS(c.PublicKey, c.RawTBS, c.Signature); err != nil {
		return Anchor{}, gbcs.StatusBadCertificate, refuse(StepPath, "a root signed by itself", "%v", err)
	}
	if p.Mode != gbcs.AnyByContingency && !itself.PublicKey.Equal(oldRoot.PublicKey) && !vouched(c, p.Path, oldRoot) {
		return Anchor{}, d.pathStatus(policy.ErrNoTrustAnchor),
			refuse(StepPath, "a link certificate by root "+oldRoot.KeyID.String(), "none: an abnormal root")
	}
	if !p.DisapplyTime && !withinDates(c, now) {
		return Anchor{}, gbcs.StatusBadCertificate, refuse(StepTime, "dates that include "+now.UTC().Format(time.RFC3339),
			"%s to %s", c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	}
	return itself, gbcs.StatusSuccess, nil
}

// vouched reports whether the path list has a link certificate for a new root.
// A link certificate is of no profile, an authority's name signed by another
// root, so it is read without one; nothing of it counts but name, key and
// signature.
func vouched(c *policy.Certificate, path [][]byte, oldRoot Anchor) bool {
	for _, der := range path {
		link, _, err := policy.ReadCertificate(der)
		if err != nil {
			continue
		}
		if link.PublicKey.Equal(c.PublicKey) && bytes.Equal(link.RawSubject, c.RawSubject) &&
			policy.VerifyTBS(oldRoot.PublicKey, link.RawTBS, link.Signature) == nil {
			return true
		}
	}
	return false
}
