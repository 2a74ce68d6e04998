package gbcs

import "fmt"

// A Level says how much a finding weighs. Its zero value is not one.
type Level uint8

const (
	// LevelInfo is worth knowing and wrong for nobody.
	LevelInfo Level = iota + 1
	// LevelWarning departs from what GBCS says or public messages show.
	LevelWarning
	// LevelError means that a part could not be read, or that a device would
	// refuse it.
	LevelError
)

func (l Level) String() string {
	switch l {
	case LevelInfo:
		return "info"
	case LevelWarning:
		return "warning"
	case LevelError:
		return "error"
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// MarshalText writes the form of String.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// The codes of findings. Scripts match on them: never change one.
const (
	FindingUnknownUseCase     = "unknownUseCase"     // payload kept, not read
	FindingMalformedPayload   = "malformedPayload"   // payload of a known use case that cannot be read
	FindingLengthForm         = "lengthForm"         // lengths in the payload are not DER
	FindingDateTime           = "dateTime"           // date-time where none is due, or none where one is
	FindingOtherInformation   = "otherInformation"   // unusual length, or not empty in CS02
	FindingProtection         = "protection"         // other signature or MAC than the use case has
	FindingPrecommand         = "precommand"         // form of a pre-command
	FindingMode               = "mode"               // mode and message code differ, or unknown
	FindingCounter            = "counter"            // counters differ or are out of range
	FindingSymmetricKey       = "symmetricKey"       // there or absent against the mode
	FindingAuthorisingCell    = "authorisingCell"    // not the cell of the mode
	FindingReplacedCell       = "replacedCell"       // cell that the mode may not change, twice, or none
	FindingPath               = "path"               // unusual number of path certificates
	FindingRoles              = "roles"              // unusual number of roles asked for
	FindingStatus             = "status"             // number without a name, or outcome that contradicts itself
	FindingNotCertificate     = "notCertificate"     // octets that are no certificate or request
	FindingDeviation          = "deviation"          // certificate or request departs from its profile
	FindingCertificateForCell = "certificateForCell" // usage or role of a certificate is not that of its cell
	FindingCertificateSubject = "certificateSubject" // device certificate of another device
	FindingExpired            = "expired"            // outside the validity period
	FindingPathHolds          = "pathHolds"          // path leads to an anchor
	FindingNoTrustAnchor      = "noTrustAnchor"      // path does not lead to an anchor
	FindingBadCertificate     = "badCertificate"     // path leads there and does not hold
	FindingAnchorNotGiven     = "anchorNotGiven"     // the end of the path is not in the keyring
	FindingOurReading         = "ourReading"         // rests on inference: no public message shows it
)

// A Finding is something about a message that a reader should know.
type Finding struct {
	Level Level  `json:"level"`
	Code  string `json:"code"`
	Where string `json:"where,omitempty"` // part of the message, "replacement 2"
	Text  string `json:"text"`
}

func (f Finding) String() string {
	if f.Where == "" {
		return fmt.Sprintf("%s: %s: %s", f.Level, f.Code, f.Text)
	}
	return fmt.Sprintf("%s: %s: %s: %s", f.Level, f.Code, f.Where, f.Text)
}

type findings []Finding

func (f *findings) add(level Level, code, where, format string, args ...any) {
	*f = append(*f, Finding{Level: level, Code: code, Where: where, Text: fmt.Sprintf(format, args...)})
}
