package policy

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"time"
)

// ProfileName names what a certificate is for. The names are in environments,
// stores, journals and file names: never change them.
type ProfileName string

// The six profiles of SMKI. Root and issuing authorities exist twice, for
// organisations (OCA) and for devices (DCA).
const (
	ProfileRootOCA      ProfileName = "root-oca"
	ProfileIssuingOCA   ProfileName = "issuing-oca"
	ProfileRootDCA      ProfileName = "root-dca"
	ProfileIssuingDCA   ProfileName = "issuing-dca"
	ProfileDevice       ProfileName = "device"
	ProfileOrganisation ProfileName = "organisation"
)

// ProfileNames returns the six names, issuers before what they issue.
func ProfileNames() []ProfileName {
	return []ProfileName{ProfileRootOCA, ProfileIssuingOCA, ProfileRootDCA, ProfileIssuingDCA, ProfileDevice, ProfileOrganisation}
}

// Root reports whether certificates of the profile are signed with their own
// key.
func (n ProfileName) Root() bool { return n == ProfileRootOCA || n == ProfileRootDCA }

// Authority reports whether certificates of the profile may sign others.
func (n ProfileName) Authority() bool {
	return n.Root() || n == ProfileIssuingOCA || n == ProfileIssuingDCA
}

// Issuer returns the profile of the authority that signs under n; a root is its
// own.
func (n ProfileName) Issuer() ProfileName {
	switch n {
	case ProfileRootOCA, ProfileIssuingOCA:
		return ProfileRootOCA
	case ProfileRootDCA, ProfileIssuingDCA:
		return ProfileRootDCA
	case ProfileDevice:
		return ProfileIssuingDCA
	case ProfileOrganisation:
		return ProfileIssuingOCA
	}
	return ""
}

// Profile is the part of a certificate that its request does not decide, as the
// environment has it. What the format itself fixes (names, extensions and their
// order) is in the code beside the rule that checks it.
//
// A Profile is read from an environment and not changed afterwards.
type Profile struct {
	Name        ProfileName
	Version     int    // of the profile in its environment; stored with every intent
	Environment string // name of the environment

	Policy    asn1.ObjectIdentifier // the one certificate policy
	Usages    []KeyUsage            // allowed values; the only one is the default
	Years     int                   // validity; 0: no end (99991231235959Z)
	WholeDays bool                  // from 00:00:00 of the first day to 23:59:59 of the last
	MaxName   int                   // octets of an authority's CN; 0 for others
	names     nameRule              // CN of an organisation
}

// CertificateTemplate is what a request, or a ceremony, decides about a
// certificate; the profile decides the rest.
type CertificateTemplate struct {
	Serial    Serial
	Issuer    *Certificate // nil: signed with its own key, roots only
	PublicKey *ecdsa.PublicKey
	Usage     KeyUsage // zero: the profile's only usage; end entities must say

	CN           string                // authorities; organisations may have one
	Role         RemotePartyRole       // organisations
	EntityID     EntityID              // organisations and devices
	HardwareType asn1.ObjectIdentifier // devices

	// NotBefore is cut to the second and, where the profile counts in whole
	// days, to 00:00:00 UTC of its day.
	NotBefore time.Time
	// NotAfter zero means the end of the profile's validity. Another value is
	// written as it is and does not pass the lints unless it is that end.
	NotAfter time.Time

	// WrappedContingency is the DER of an ApexContingencyKey (RFC 5934, 9) for
	// the root-oca profile, nil if the root has none.
	WrappedContingency []byte
}
