package gbcs

import "fmt"

// An AlertCode says what an alert is about. Only the first two are in payloads
// that this package reads; the others are here so that whoever shows an alert
// of a device has their names.
type AlertCode uint16

const (
	AlertFutureDatedActioned          AlertCode = 0x8F66
	AlertFutureDatedNotActioned       AlertCode = 0x8F67
	AlertImmediateActioned            AlertCode = 0x8154
	AlertImmediateNotActioned         AlertCode = 0x8155
	AlertUpdateSecurityCredentials    AlertCode = 0x8F70
	AlertNoAuthority                  AlertCode = 0x8F30
	AlertSourceAuthenticationFailure  AlertCode = 0x8F3D
	AlertAuthorisationFailure         AlertCode = 0x8F53
	AlertUnauthorisedCommunication    AlertCode = 0x8F3E
	AlertMalformedOrOutOfOrder        AlertCode = 0x8F60
	AlertSigningCertificateFailed     AlertCode = 0x8F4C
	AlertSigningCertificateReplaced   AlertCode = 0x8F4D
	AlertAgreementCertificateFailed   AlertCode = 0x8F4E
	AlertAgreementCertificateReplaced AlertCode = 0x8F4F
)

// Meaning returns the code in words, or "" for a code not listed here.
func (c AlertCode) Meaning() string {
	switch c {
	case AlertFutureDatedActioned:
		return "future dated command actioned"
	case AlertFutureDatedNotActioned:
		return "future dated command not actioned"
	case AlertImmediateActioned:
		return "immediate command actioned"
	case AlertImmediateNotActioned:
		return "immediate command not actioned"
	case AlertUpdateSecurityCredentials:
		return "update security credentials"
	case AlertNoAuthority:
		return "source has no authority for the command"
	case AlertSourceAuthenticationFailure:
		return "trusted source authentication failure"
	case AlertAuthorisationFailure:
		return "other authentication or authorisation failure"
	case AlertUnauthorisedCommunication:
		return "unauthorised communication access attempted"
	case AlertMalformedOrOutOfOrder:
		return "unusual number of malformed or out-of-order commands"
	case AlertSigningCertificateFailed:
		return "own digital signing certificate replacement failed"
	case AlertSigningCertificateReplaced:
		return "own digital signing certificate replaced"
	case AlertAgreementCertificateFailed:
		return "own key agreement certificate replacement failed"
	case AlertAgreementCertificateReplaced:
		return "own key agreement certificate replaced"
	}
	return ""
}

// String prints the code as four hex digits.
func (c AlertCode) String() string { return fmt.Sprintf("%04X", uint16(c)) }
