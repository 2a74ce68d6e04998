package gbcs

import (
	"fmt"

	"smki.example/policy"
)

// A ReplacementMode says who replaces whose credentials
// (credentialsReplacementMode, GBCS 13.3.5). The values go on the wire, where
// zero is rootBySupplier: the zero value cannot be an invalid one here.
type ReplacementMode uint8

const (
	RootBySupplier                   ReplacementMode = 0
	RootByWANProvider                ReplacementMode = 1
	SupplierBySupplier               ReplacementMode = 2
	NetworkOperatorByNetworkOperator ReplacementMode = 3
	AccessControlBrokerByACB         ReplacementMode = 4
	WANProviderByWANProvider         ReplacementMode = 5
	TransCoSByTransCoS               ReplacementMode = 6
	SupplierByTransCoS               ReplacementMode = 7
	AnyExceptAbnormalRootByRecovery  ReplacementMode = 8
	AnyByContingency                 ReplacementMode = 9
	LoadControllerByLoadController   ReplacementMode = 10 // CS02g
	LoadControllerBySupplier         ReplacementMode = 11 // CS02g
)

// modes holds what a mode means. The signing cell is the one whose key vouches
// for the command; replaces is the one role whose cells it may change, or any.
var modes = [...]struct {
	name     string
	signer   policy.RemotePartyRole
	usage    policy.KeyUsage
	replaces policy.RemotePartyRole
	any      bool
}{
	RootBySupplier:                   {name: "rootBySupplier", signer: policy.RoleSupplier, usage: policy.UsageDigitalSignature, replaces: policy.RoleRoot},
	RootByWANProvider:                {name: "rootByWanProvider", signer: policy.RoleWANProvider, usage: policy.UsageDigitalSignature, replaces: policy.RoleRoot},
	SupplierBySupplier:               {name: "supplierBySupplier", signer: policy.RoleSupplier, usage: policy.UsageDigitalSignature, replaces: policy.RoleSupplier},
	NetworkOperatorByNetworkOperator: {name: "networkOperatorByNetworkOperator", signer: policy.RoleNetworkOperator, usage: policy.UsageDigitalSignature, replaces: policy.RoleNetworkOperator},
	AccessControlBrokerByACB:         {name: "accessControlBrokerByACB", signer: policy.RoleAccessControlBroker, usage: policy.UsageDigitalSignature, replaces: policy.RoleAccessControlBroker},
	WANProviderByWANProvider:         {name: "wanProviderByWanProvider", signer: policy.RoleWANProvider, usage: policy.UsageDigitalSignature, replaces: policy.RoleWANProvider},
	TransCoSByTransCoS:               {name: "transCoSByTransCoS", signer: policy.RoleTransitionalCoS, usage: policy.UsageDigitalSignature, replaces: policy.RoleTransitionalCoS},
	SupplierByTransCoS:               {name: "supplierByTransCoS", signer: policy.RoleTransitionalCoS, usage: policy.UsageDigitalSignature, replaces: policy.RoleSupplier},
	AnyExceptAbnormalRootByRecovery:  {name: "anyExceptAbnormalRootByRecovery", signer: policy.RoleRecovery, usage: policy.UsageDigitalSignature, any: true},
	AnyByContingency:                 {name: "anyByContingency", signer: policy.RoleRoot, usage: policy.UsageCertSign, any: true},
	LoadControllerByLoadController:   {name: "loadControllerByLoadController", signer: policy.RoleLoadController, usage: policy.UsageDigitalSignature, replaces: policy.RoleLoadController},
	LoadControllerBySupplier:         {name: "loadControllerBySupplier", signer: policy.RoleSupplier, usage: policy.UsageDigitalSignature, replaces: policy.RoleLoadController},
}

// Known reports whether the mode is one of the twelve.
func (m ReplacementMode) Known() bool { return int(m) < len(modes) }

func (m ReplacementMode) String() string {
	if m.Known() {
		return modes[m].name
	}
	return fmt.Sprintf("replacement mode %d", uint8(m))
}

// MessageCode returns the code of a command or response in this mode, or 0 for
// an unknown mode.
func (m ReplacementMode) MessageCode() MessageCode {
	switch {
	case m <= AnyByContingency:
		return codeUpdate + MessageCode(m)
	case m.Known():
		return codeUpdateLoadController + MessageCode(m-LoadControllerByLoadController)
	}
	return 0
}

// AuthorisingCell returns the cell whose holder authorises a command in this
// mode. A device finds the signer's key by this cell and not by the role in a
// certificate: during a handover the cell holds an access control broker's.
//
// For accessControlBrokerByACB it is the cell that a communications hub has; other
// devices have none and trust the MAC. The cells of modes 0, 1 and 9 are our
// reading: no public command shows them.
func (m ReplacementMode) AuthorisingCell() (TrustAnchorCell, bool) {
	if !m.Known() {
		return TrustAnchorCell{}, false
	}
	return TrustAnchorCell{Role: modes[m].signer, Usage: modes[m].usage}, true
}

// MayReplace reports whether a command in this mode may change the cell. That a
// recovery command may change the root only if the old root vouches for the new
// is for the device to check: it needs the certificates.
func (m ReplacementMode) MayReplace(c TrustAnchorCell) bool {
	return m.Known() && (modes[m].any || modes[m].replaces == c.Role)
}

// LoadController reports whether the mode belongs to CS02g.
func (m ReplacementMode) LoadController() bool {
	return m == LoadControllerByLoadController || m == LoadControllerBySupplier
}
