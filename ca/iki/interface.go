package iki

import (
	"fmt"
	"strings"
)

// An Interface is one door of the SMKI services. A certificate is for exactly one
// (AppM, Appendix G, for the two web services; AppN 2.3.1 for the portal), which is
// decided when it is issued and stands in the ledger: nothing in the certificate
// says it. Stored as text: never rename one.
type Interface string

// The interfaces. That the registration authority's console has one of its own is
// our choice.
const (
	// NoInterface opens none: file signing, or a certificate issued without a word.
	NoInterface        Interface = ""
	AdHoc              Interface = "ad-hoc"              // Ad Hoc Device CSR web service
	Batched            Interface = "batched"             // Batched Device CSR web service
	PortalOrganisation Interface = "portal-organisation" // portal, organisation business
	PortalDevice       Interface = "portal-device"       // portal, device business
	Console            Interface = "console"             // the registration authority's console
)

// Interfaces returns every interface but [NoInterface].
func Interfaces() []Interface {
	return []Interface{AdHoc, Batched, PortalOrganisation, PortalDevice, Console}
}

// ParseInterface reads the name of an interface. "none" is [NoInterface].
func ParseInterface(s string) (Interface, error) {
	if s == "none" {
		return NoInterface, nil
	}
	names := []string{"none"}
	for _, i := range Interfaces() {
		if s == string(i) {
			return i, nil
		}
		names = append(names, string(i))
	}
	return NoInterface, fmt.Errorf("reading interface %.40q: want one of %s", s, strings.Join(names, ", "))
}

// String returns the name; that of [NoInterface] is "none".
func (i Interface) String() string {
	if i == NoInterface {
		return "none"
	}
	return string(i)
}

// known tells whether i is an interface or none.
func (i Interface) known() bool {
	_, err := ParseInterface(i.String())
	return err == nil
}
