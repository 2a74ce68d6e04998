package gbcs

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"smki.example/policy"
)

// certificateCheck reads the certificates of one message and writes what it
// finds. A device decides; this only tells a reader what a device will meet.
type certificateCheck struct {
	*findings
	keyring *Keyring
	now     time.Time
}

// read returns nil if the octets are no certificate, which is a finding of the
// highest level: no device can store them.
func (c certificateCheck) read(where string, der []byte) *policy.Certificate {
	cert, deviations, err := policy.ReadCertificate(der)
	if err != nil {
		c.add(LevelError, FindingNotCertificate, where, "%v", err)
		return nil
	}
	for _, d := range deviations {
		c.add(LevelInfo, FindingDeviation, where, "%s", d.Error())
	}
	switch {
	case c.now.After(cert.NotAfter):
		c.add(LevelInfo, FindingExpired, where, "expired on %s", cert.NotAfter.Format(time.DateOnly))
	case c.now.Before(cert.NotBefore):
		c.add(LevelInfo, FindingExpired, where, "not valid before %s", cert.NotBefore.Format(time.DateOnly))
	}
	return cert
}

func (c certificateCheck) update(u *UpdateSecurityCredentials) {
	var path []*policy.Certificate
	for i, der := range u.Path {
		if cert := c.read(fmt.Sprintf("path certificate %d", i+1), der); cert != nil {
			path = append(path, cert)
		}
	}
	anchors := c.keyring.anchors()
	leaves := make([]*policy.Certificate, len(u.Replacements))
	for i, r := range u.Replacements {
		leaves[i] = c.read(r.where(i), r.Certificate)
		// A root that comes in the same command may be what the others lead to.
		if leaves[i] != nil && r.Cell.Role == policy.RoleRoot {
			anchors = append(anchors, anchorOf(leaves[i], r.where(i)))
		}
	}
	for i, r := range u.Replacements {
		if leaves[i] == nil {
			continue
		}
		where := r.where(i)
		c.cell(where, leaves[i], r.Cell)
		if r.Cell.Role == policy.RoleRoot {
			c.root(where, leaves[i])
			continue
		}
		c.path(where, leaves[i], path, anchors, true)
	}
}

// cell compares a certificate with the cell it is for. Another role is no fault:
// a handover puts a broker's certificates into a supplier's cells.
func (c certificateCheck) cell(where string, cert *policy.Certificate, cell TrustAnchorCell) {
	if cert.Usage&cell.Usage == 0 {
		c.add(LevelWarning, FindingCertificateForCell, where, "its certificate is for %s", cert.Usage)
	}
	if role, ok := cert.Role(); ok && role != cell.Role {
		c.add(LevelInfo, FindingCertificateForCell, where, "its certificate is of role %s", role)
	}
}

func (c certificateCheck) root(where string, cert *policy.Certificate) {
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		c.add(LevelWarning, FindingBadCertificate, where, "a root certificate that names another issuer")
	} else if policy.VerifyTBS(cert.PublicKey, cert.RawTBS, cert.Signature) != nil {
		c.add(LevelWarning, FindingBadCertificate, where, "a root certificate whose signature its own key did not make")
	}
}

// path follows a certificate over others to an anchor. A device has no others
// than those that came in the command (inCommand); an issuer that is not among
// them is then a fault.
func (c certificateCheck) path(where string, leaf *policy.Certificate, path []*policy.Certificate, anchors []anchor, inCommand bool) {
	// Up to the last certificate on the way; a path of n certificates has at most
	// n steps, so a loop in it ends.
	top := leaf
	for range len(path) {
		next := issuerIn(top, path)
		if next == nil || next == top {
			break
		}
		top = next
	}
	var last error
	for _, a := range anchors {
		if a.KeyID != top.AuthorityKeyID {
			continue
		}
		err := policy.CheckPath(leaf, path, a.TrustAnchor, policy.PathOptions{Now: c.now, IgnoreTime: true})
		if err == nil {
			c.add(LevelInfo, FindingPathHolds, where, "leads to anchor %s (%s)", a.KeyID, a.source)
			return
		}
		last = err
	}
	switch {
	case last != nil && errors.Is(last, policy.ErrBadCertificate):
		c.add(LevelError, FindingBadCertificate, where, "%v", last)
	case last != nil:
		c.add(LevelError, FindingNoTrustAnchor, where, "%v", last)
	case top == leaf && inCommand:
		c.add(LevelError, FindingNoTrustAnchor, where, "its issuer (authority key %s) is not in the path of the command", leaf.AuthorityKeyID)
	case top == leaf:
		c.add(LevelInfo, FindingAnchorNotGiven, where, "its issuer (authority key %s) was not given", leaf.AuthorityKeyID)
	default:
		c.add(LevelInfo, FindingAnchorNotGiven, where, "its issuer is there, and that one's (authority key %s) was not given", top.AuthorityKeyID)
	}
}

// issuerIn returns the certificate whose key is named by c's authority key
// identifier, or nil.
func issuerIn(c *policy.Certificate, path []*policy.Certificate) *policy.Certificate {
	for _, p := range path {
		if p.SubjectKeyID == c.AuthorityKeyID && c.AuthorityKeyID != (policy.KeyID{}) && bytes.Equal(p.RawSubject, c.RawIssuer) {
			return p
		}
	}
	return nil
}

// device checks a certificate of the device itself, which comes without a path.
func (c certificateCheck) device(where string, der []byte, id policy.EntityID) {
	cert := c.read(where, der)
	if cert == nil {
		return
	}
	if cert.DeviceID != id {
		c.add(LevelWarning, FindingCertificateSubject, where, "of device %s in a message of %s", cert.DeviceID, id)
	}
	c.path(where, cert, c.keyring.issuing(), c.keyring.anchors(), false)
}

func (c certificateCheck) request(where string, der []byte, id policy.EntityID) {
	req, err := policy.ParseRequest(der)
	if err != nil {
		c.add(LevelWarning, FindingDeviation, where, "%v", err)
		return
	}
	if err := req.CheckSignature(); err != nil {
		c.add(LevelError, FindingBadCertificate, where, "%v", err)
	}
	if req.DeviceID != id {
		c.add(LevelWarning, FindingCertificateSubject, where, "of device %s in a message of %s", req.DeviceID, id)
	}
}
