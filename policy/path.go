package policy

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// A device answers for each cell with a status of its own for the two ways in
// which a path can fail (recovery facts 11: badCertificate 5, noTrustAnchor
// 10), so that callers branch on them.
var (
	// ErrNoTrustAnchor means that the path does not lead to the trust anchor: an
	// issuer is neither among the certificates given nor the anchor.
	ErrNoTrustAnchor = errors.New("no trust anchor")
	// ErrBadCertificate means that a certificate on the path may not be used:
	// its signature, time, policy, extensions or authority to issue.
	ErrBadCertificate = errors.New("bad certificate")
)

// TrustAnchor is the key that a path must end in. Devices keep no more of their
// root than this.
type TrustAnchor struct {
	PublicKey *ecdsa.PublicKey
	KeyID     KeyID
	Subject   []byte // raw name; nil: not compared, as a device that kept none
}

// AnchorOf returns the trust anchor that a certificate stands for.
func AnchorOf(c *Certificate) TrustAnchor {
	return TrustAnchor{PublicKey: c.PublicKey, KeyID: c.SubjectKeyID, Subject: c.RawSubject}
}

// PathOptions says how a path is to be checked.
type PathOptions struct {
	Now        time.Time
	IgnoreTime bool // applyTimeBasedCPVChecks "disapply" (GBCS 0.8.1, p. 179)
	// Policies are the policies that the relying party accepts. None means any,
	// as long as all certificates of the path share one.
	Policies []asn1.ObjectIdentifier
}

// CheckPath checks the path from leaf through certificates of path to anchor,
// as a device does with a certificate that is offered for a trust anchor cell
// (GBCS 0.8.1, p. 141 and 179; RFC 5280, 6.1).
//
// An issuer is found by name and by key identifier. For each certificate on the
// way CheckPath verifies the signature, the time unless disapplied, the
// policies, that no critical extension is unknown, and for each issuer that it
// is an authority with keyCertSign whose pathLen holds. The anchor itself has
// no time and no policy. Certificates in path that are not needed are ignored,
// as a device that is sent one too many does.
//
// The error wraps [ErrNoTrustAnchor] or [ErrBadCertificate], never both.
func CheckPath(leaf *Certificate, path []*Certificate, anchor TrustAnchor, o PathOptions) error {
	if leaf == nil {
		return badCertificate("checking a path", "want a certificate")
	}
	if anchor.PublicKey == nil || anchor.KeyID != KeyIDOf(anchor.PublicKey) {
		return fmt.Errorf("checking the path of %s: the anchor has no key, or one that is not of its key identifier %s: %w", leaf.label(), anchor.KeyID, ErrNoTrustAnchor)
	}
	c := climb{path: path, anchor: anchor, options: o, left: maxSteps}
	return c.from(leaf, o.Policies, 0)
}

// maxSteps bounds how many certificates one check looks at, against a path that
// was made to have many ways through it. A device is sent one to three.
const maxSteps = 64

// A climb is one search for a way to the anchor.
type climb struct {
	path    []*Certificate
	anchor  TrustAnchor
	options PathOptions
	left    int
}

// from checks current and climbs to its issuer. A certificate may be there twice
// with the same name and key, since an authority can be renewed in place: each is
// tried, and the reason that is told is that of the first. below counts the
// authorities between current and the leaf.
func (c *climb) from(current *Certificate, policies []asn1.ObjectIdentifier, below int) error {
	if c.left--; c.left < 0 || below > len(c.path) {
		return fmt.Errorf("checking the path of %s: it goes in a circle and never reaches the anchor %s: %w", current.label(), c.anchor.KeyID, ErrNoTrustAnchor)
	}
	policies, err := checkOnPath(current, policies, c.options)
	if err != nil {
		return err
	}
	if current.AuthorityKeyID.IsZero() {
		return checkWithoutAuthority(current, c.anchor)
	}
	if c.anchor.issued(current) {
		return checkSigned(current, c.anchor.PublicKey)
	}
	var first error
	for _, issuer := range c.path {
		if issuer == nil || issuer == current || !issuedBy(current, issuer) {
			continue
		}
		err := c.over(current, issuer, policies, below)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return fmt.Errorf("checking the path of %s: its issuer %s, key %s, is neither on the path nor the anchor %s: %w", current.label(), current.Issuer, current.AuthorityKeyID, c.anchor.KeyID, ErrNoTrustAnchor)
	}
	return first
}

// over checks that issuer made current and had the right to, and climbs on.
func (c *climb) over(current, issuer *Certificate, policies []asn1.ObjectIdentifier, below int) error {
	if err := checkSigned(current, issuer.PublicKey); err != nil {
		return err
	}
	if !issuer.IsCA || issuer.Usage&UsageCertSign == 0 {
		return badCertificate(issuer.label(), "it is not an authority that may sign certificates")
	}
	if issuer.PathLen >= 0 && below > issuer.PathLen {
		return badCertificate(issuer.label(), fmt.Sprintf("its pathLen is %d and there are %d authorities below it", issuer.PathLen, below))
	}
	return c.from(issuer, policies, below+1)
}

func badCertificate(what, why string) error {
	return fmt.Errorf("checking a path: %s: %s: %w", what, why, ErrBadCertificate)
}

// label names a certificate in errors.
func (c *Certificate) label() string {
	if id, ok := c.EntityID(); ok {
		return fmt.Sprintf("%s %s", c.Kind(), id)
	}
	return fmt.Sprintf("%s %q", c.Kind(), clip(c.Subject.CN))
}

// issued reports whether c names the anchor as its issuer.
func (a TrustAnchor) issued(c *Certificate) bool {
	return c.AuthorityKeyID == a.KeyID && (a.Subject == nil || sameRaw(c.RawIssuer, a.Subject))
}

// issuedBy reports whether c names issuer as its issuer, by name and key
// identifier.
func issuedBy(c, issuer *Certificate) bool {
	return issuer.SubjectKeyID == c.AuthorityKeyID && sameRaw(issuer.RawSubject, c.RawIssuer)
}

// checkWithoutAuthority settles a certificate that does not say which key made
// it: only a root may, and only the anchor's own key makes it good.
func checkWithoutAuthority(c *Certificate, anchor TrustAnchor) error {
	if !c.SelfIssued() || !c.Kind().Root() {
		return badCertificate(c.label(), "it has no authorityKeyIdentifier and is not a root")
	}
	if !equalKeys(c.PublicKey, anchor.PublicKey) {
		return fmt.Errorf("checking the path of %s: it is a root with key %s, the anchor is %s: %w", c.label(), KeyIDOf(c.PublicKey), anchor.KeyID, ErrNoTrustAnchor)
	}
	return checkSigned(c, anchor.PublicKey)
}

func checkSigned(c *Certificate, by *ecdsa.PublicKey) error {
	if !isECDSAWithSHA256(c.form.tbsAlgorithm) || !isECDSAWithSHA256(c.form.algorithm) {
		return badCertificate(c.label(), "its signature algorithm is not ecdsa-with-SHA256 without parameters")
	}
	if err := VerifyTBS(by, c.RawTBS, c.Signature); err != nil {
		return badCertificate(c.label(), err.Error())
	}
	return nil
}

// checkOnPath checks what a certificate must be by itself and returns the
// policies that are still acceptable with it on the path.
func checkOnPath(c *Certificate, acceptable []asn1.ObjectIdentifier, o PathOptions) ([]asn1.ObjectIdentifier, error) {
	if !o.IgnoreTime && (o.Now.Before(c.NotBefore) || o.Now.After(c.NotAfter)) {
		return nil, badCertificate(c.label(), fmt.Sprintf("it is valid from %s to %s, not at %s", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339), o.Now.UTC().Format(time.RFC3339)))
	}
	for _, e := range c.Extensions {
		if e.Critical && !onPath(e.ID) {
			return nil, badCertificate(c.label(), "it has a critical extension that is not known: "+extensionName(e.ID))
		}
	}
	if c.form.altNameOther != "" && find(c.Extensions, oidSubjectAltName).Critical {
		return nil, badCertificate(c.label(), "its critical subjectAltName has "+c.form.altNameOther)
	}
	shared := intersect(acceptable, c.Policies)
	if len(shared) == 0 {
		return nil, badCertificate(c.label(), fmt.Sprintf("its policies %v are not acceptable, want one of %v", c.Policies, acceptable))
	}
	return shared, nil
}

// onPath reports whether path validation here knows the extension.
func onPath(id asn1.ObjectIdentifier) bool {
	for _, known := range []objectID{oidKeyUsage, oidBasicConstraints, oidSubjectKeyIdentifier, oidAuthorityKeyIdentifier, oidSubjectAltName, oidCertificatePolicies, oidWrappedContingency} {
		if known.id.Equal(id) {
			return true
		}
	}
	return false
}

// intersect returns the policies that are in both lists. An empty list of what
// is acceptable, and anyPolicy on either side, stand for every policy
// (RFC 5280, 6.1.2).
func intersect(acceptable, has []asn1.ObjectIdentifier) []asn1.ObjectIdentifier {
	if len(acceptable) == 0 {
		return has
	}
	var out []asn1.ObjectIdentifier
	for _, h := range has {
		if h.Equal(oidAnyPolicy.id) {
			return acceptable
		}
		for _, a := range acceptable {
			if a.Equal(oidAnyPolicy.id) || a.Equal(h) {
				out = append(out, h)
				break
			}
		}
	}
	return out
}
