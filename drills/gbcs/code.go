package gbcs

import "fmt"

// A MessageCode names the use case of a message. The values go on the wire.
type MessageCode uint16

const (
	CodeReadCredentials               MessageCode = 0x0008 // CS02a
	CodeIssueCredentials              MessageCode = 0x000A // CS02c
	CodeUpdateDeviceCertificate       MessageCode = 0x000B // CS02d
	CodeReadDeviceCertificate         MessageCode = 0x000C // CS02e
	CodeUpdateAlert                   MessageCode = 0x00CB // CS02b, future dated
	codeUpdate                        MessageCode = 0x0100 // CS02b mode 0; mode n is codeUpdate + n up to 9
	CodeReadCredentialsLoadController MessageCode = 0x011B // CS02f
	CodeUpdateAlertLoadController     MessageCode = 0x0124 // CS02g, future dated
	codeUpdateLoadController          MessageCode = 0x0125 // CS02g mode 10; mode 11 is the next
)

// Mode returns the replacement mode of an Update Security Credentials code.
func (c MessageCode) Mode() (ReplacementMode, bool) {
	switch {
	case c >= codeUpdate && c <= codeUpdate+MessageCode(AnyByContingency):
		return ReplacementMode(c - codeUpdate), true
	case c == codeUpdateLoadController || c == codeUpdateLoadController+1:
		return LoadControllerByLoadController + ReplacementMode(c-codeUpdateLoadController), true
	}
	return 0, false
}

// UseCase returns the short name of the use case, "CS02b", or "" for a code that
// this package does not read.
func (c MessageCode) UseCase() string {
	if mode, ok := c.Mode(); ok {
		if mode >= LoadControllerByLoadController {
			return "CS02g"
		}
		return "CS02b"
	}
	switch c {
	case CodeReadCredentials:
		return "CS02a"
	case CodeIssueCredentials:
		return "CS02c"
	case CodeUpdateDeviceCertificate:
		return "CS02d"
	case CodeReadDeviceCertificate:
		return "CS02e"
	case CodeUpdateAlert:
		return "CS02b"
	case CodeReadCredentialsLoadController:
		return "CS02f"
	case CodeUpdateAlertLoadController:
		return "CS02g"
	}
	return ""
}

// Title returns the name of the use case in words.
func (c MessageCode) Title() string {
	if _, ok := c.Mode(); ok {
		return "Update Security Credentials"
	}
	switch c {
	case CodeReadCredentials, CodeReadCredentialsLoadController:
		return "Provide Security Credential Details"
	case CodeIssueCredentials:
		return "Issue Security Credentials"
	case CodeUpdateDeviceCertificate:
		return "Update Device Certificates on Device"
	case CodeReadDeviceCertificate:
		return "Provide Device Certificates from Device"
	case CodeUpdateAlert, CodeUpdateAlertLoadController:
		return "Update Security Credentials, future dated alert"
	}
	return "use case not known here"
}

// String prints the code as four hex digits.
func (c MessageCode) String() string { return fmt.Sprintf("%04X", uint16(c)) }
