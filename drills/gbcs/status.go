package gbcs

import "fmt"

// A StatusCode says what became of one cell (numbers of RFC 5934). The values
// go on the wire, where zero is success.
type StatusCode uint8

const (
	StatusSuccess             StatusCode = 0
	StatusBadCertificate      StatusCode = 5
	StatusNoTrustAnchor       StatusCode = 10
	StatusInsufficientMemory  StatusCode = 17
	StatusTrustAnchorNotFound StatusCode = 25
	StatusResourcesBusy       StatusCode = 30
	StatusOther               StatusCode = 127
)

func (s StatusCode) String() string {
	switch s {
	case StatusSuccess:
		return "success"
	case StatusBadCertificate:
		return "badCertificate"
	case StatusNoTrustAnchor:
		return "noTrustAnchor"
	case StatusInsufficientMemory:
		return "insufficientMemory"
	case StatusTrustAnchorNotFound:
		return "trustAnchorNotFound"
	case StatusResourcesBusy:
		return "resourcesBusy"
	case StatusOther:
		return "other"
	}
	return fmt.Sprintf("status code %d", uint8(s))
}
