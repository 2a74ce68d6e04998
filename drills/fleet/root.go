package fleet

import (
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// examineRoot checks a new root. It must be self-signed, and unless the
// contingency key authorised it the old root must vouch for it: without that
// the root is "abnormal", which no other key may install (the name is public,
// the rule is not). The old root vouches with a certificate in the path list
// that has the new root's name and key and the old root's signature.
func (d *Device) examineRoot(p *gbcs.UpdateSecurityCredentials, c *policy.Certificate, path []*policy.Certificate,
	oldRoot Anchor, now time.Time) (Anchor, gbcs.StatusCode, *Refusal) {
	itself := Anchor{PublicKey: c.PublicKey, KeyID: policy.KeyIDOf(c.PublicKey), Certificate: c}
	if err := policy.VerifyTBS(c.PublicKey, c.RawTBS, c.Signature); err != nil {
		return Anchor{}, gbcs.StatusBadCertificate, refuse(StepPath, "a root signed by itself", "%v", err)
	}
	if p.Mode != gbcs.AnyByContingency && !itself.PublicKey.Equal(oldRoot.PublicKey) && !vouched(c, path, oldRoot) {
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
func vouched(c *policy.Certificate, path []*policy.Certificate, oldRoot Anchor) bool {
	for _, link := range path {
		if link.PublicKey.Equal(c.PublicKey) && string(link.RawSubject) == string(c.RawSubject) &&
			policy.VerifyTBS(oldRoot.PublicKey, link.RawTBS, link.Signature) == nil {
			return true
		}
	}
	return false
}
