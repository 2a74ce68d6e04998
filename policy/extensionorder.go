package policy

import "slices"

// extensionPlace is one extension of a profile with its criticality.
type extensionPlace struct {
	oid      objectID
	critical bool
	optional bool
}

var (
	placeKeyUsage    = extensionPlace{oid: oidKeyUsage, critical: true}
	placeBasic       = extensionPlace{oid: oidBasicConstraints, critical: true}
	placeSubjectKey  = extensionPlace{oid: oidSubjectKeyIdentifier}
	placeAltName     = extensionPlace{oid: oidSubjectAltName, critical: true}
	placePolicies    = extensionPlace{oid: oidCertificatePolicies, critical: true}
	placeAuthority   = extensionPlace{oid: oidAuthorityKeyIdentifier}
	placeContingency = extensionPlace{oid: oidWrappedContingency, optional: true}

	orderRoot         = []extensionPlace{placeKeyUsage, placeBasic, placePolicies, placeSubjectKey}
	orderRootOCA      = append(slices.Clone(orderRoot), placeContingency)
	orderIssuing      = append(slices.Clone(orderRoot), placeAuthority)
	orderDevice       = []extensionPlace{placeKeyUsage, placeSubjectKey, placeAltName, placePolicies, placeAuthority}
	orderOrganisation = []extensionPlace{placeKeyUsage, placeSubjectKey, placePolicies, placeAuthority}
)

// extensionOrder returns exactly the extensions of a profile, in the order of
// the published certificates.
func extensionOrder(kind ProfileName) []extensionPlace {
	switch kind {
	case ProfileRootOCA:
		return orderRootOCA
	case ProfileRootDCA:
		return orderRoot
	case ProfileIssuingOCA, ProfileIssuingDCA:
		return orderIssuing
	case ProfileDevice:
		return orderDevice
	}
	return orderOrganisation
}

// pathLenOf returns the pathLenConstraint of an authority, -1 for none.
func pathLenOf(kind ProfileName) int {
	if kind.Root() {
		return -1
	}
	return 0
}
