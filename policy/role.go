package policy

import (
	"fmt"
	"strings"
)

// RemotePartyRole is the role of a remote party, written in the OU of an
// Organisation Certificate as two hex digits and in GBCS messages as an integer
// (SMKI IDS, Appendix F; Test PKI).
//
// The numbers are on the wire and in certificates: never renumber them. Zero is
// the root there, so that, unlike in other enumerations of this project, the
// zero value is a valid role; a field that may be absent needs a flag of its
// own (as [Certificate.Role] has).
type RemotePartyRole uint8

// The roles that public material shows. Codes 128 to 134 and others may exist
// in texts that were not at hand; add a row to roleTable when one is met.
const (
	RoleRoot                RemotePartyRole = 0
	RoleRecovery            RemotePartyRole = 1
	RoleSupplier            RemotePartyRole = 2
	RoleNetworkOperator     RemotePartyRole = 3
	RoleAccessControlBroker RemotePartyRole = 4
	RoleTransitionalCoS     RemotePartyRole = 5
	RoleWANProvider         RemotePartyRole = 6
	RoleIssuingAuthority    RemotePartyRole = 7
	RoleLoadController      RemotePartyRole = 8
	RoleOther               RemotePartyRole = 127
	RoleXMLSign             RemotePartyRole = 135
	RoleDSPXMLSign          RemotePartyRole = 137
)

// roleTable is all that is known of a role; every function below reads it.
var roleTable = []struct {
	role RemotePartyRole
	name string
	// authority: the role names a certification authority, which has no
	// EntityID and never holds an Organisation Certificate.
	authority bool
}{
	{RoleRoot, "root", true},
	{RoleRecovery, "recovery", false},
	{RoleSupplier, "supplier", false},
	{RoleNetworkOperator, "networkOperator", false},
	{RoleAccessControlBroker, "accessControlBroker", false},
	{RoleTransitionalCoS, "transitionalCoS", false},
	{RoleWANProvider, "wanProvider", false},
	{RoleIssuingAuthority, "issuingAuthority", true},
	{RoleLoadController, "loadController", false},
	{RoleOther, "other", false},
	{RoleXMLSign, "xmlSign", false},
	{RoleDSPXMLSign, "dspXMLSign", false},
}

// Roles returns every known role in the order of the codes.
func Roles() []RemotePartyRole {
	out := make([]RemotePartyRole, len(roleTable))
	for i, row := range roleTable {
		out[i] = row.role
	}
	return out
}

// ParseRole reads a role by its name ("supplier"; case does not matter) or by
// its code as two hex digits ("02", "7F"). An unknown code is an error, not a
// role without a name.
func ParseRole(s string) (RemotePartyRole, error) {
	for _, row := range roleTable {
		if strings.EqualFold(s, row.name) || strings.EqualFold(s, row.role.OU()) {
			return row.role, nil
		}
	}
	names := make([]string, len(roleTable))
	for i, row := range roleTable {
		names[i] = row.name
	}
	return 0, fmt.Errorf("reading remote party role %q: want one of %s, or its code as two hex digits such as 02", clip(s), strings.Join(names, ", "))
}

// Known reports whether r is in the table.
func (r RemotePartyRole) Known() bool {
	for _, row := range roleTable {
		if row.role == r {
			return true
		}
	}
	return false
}

// Authority reports whether r names a certification authority (root,
// issuingAuthority): such a name has no EntityID.
func (r RemotePartyRole) Authority() bool {
	for _, row := range roleTable {
		if row.role == r {
			return row.authority
		}
	}
	return false
}

// String returns the name, or "role 0x83" for a code without one.
func (r RemotePartyRole) String() string {
	for _, row := range roleTable {
		if row.role == r {
			return row.name
		}
	}
	return fmt.Sprintf("role 0x%02X", uint8(r))
}

// OU returns the code as certificates carry it: two upper-case hex digits.
func (r RemotePartyRole) OU() string { return fmt.Sprintf("%02X", uint8(r)) }

// MarshalText writes the name of a known role and the two digits of another.
func (r RemotePartyRole) MarshalText() ([]byte, error) {
	if !r.Known() {
		return []byte(r.OU()), nil
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what [ParseRole] reads, and leaves r alone on error.
func (r *RemotePartyRole) UnmarshalText(b []byte) error {
	v, err := ParseRole(string(b))
	if err == nil {
		*r = v
	}
	return err
}
