package smkiws

import (
	"errors"
	"net/http"
	"slices"

	"smki.example/ca"
)

// A Client is a system, or an ARO, that was identified by its IKI certificate.
type Client struct {
	// Party owns the batches that the client submits, and is what demand is counted
	// by. It never changes for a Party.
	Party string
	// Requester is who asks for certificates, as the ledger and the register of
	// parties have it.
	Requester string
	// Roles are the User roles that the Party holds.
	Roles []UserRole
}

// A UserRole is a role in which a Party uses the SMKI, in the words of the SEC.
type UserRole string

// The roles that the Ad Hoc service knows (AppM 2.4).
const (
	ImportSupplier UserRole = "Import Supplier"
	GasSupplier    UserRole = "Gas Supplier"
	DCC            UserRole = "DCC"
)

// DefaultAdHocRoles is who may use the Ad Hoc service: Authorised Subscribers acting
// as Import Supplier or Gas Supplier, and the DCC (AppM 2.4).
var DefaultAdHocRoles = []UserRole{ImportSupplier, GasSupplier, DCC}

// ErrForbidden is wrapped by errors that say a client is known and may not do
// what it asked for.
var ErrForbidden = errors.New("not allowed")

// identify returns the client of a request, or answers the request itself: AppM
// leaves faults outside the documents to HTTP (I).
func identify(w http.ResponseWriter, r *http.Request, who func(*http.Request) (Client, error), roles []UserRole) (Client, bool) {
	c, err := who(r)
	if status, says := refusalOf(c, err, roles); status != 0 {
		http.Error(w, says, status)
		return Client{}, false
	}
	return c, true
}

// refusalOf is what a client is told who is not let in; status 0: it is.
func refusalOf(c Client, err error, roles []UserRole) (status int, says string) {
	switch {
	case errors.Is(err, ca.ErrOutage):
		return http.StatusServiceUnavailable, "the register of parties does not answer; try again"
	case err != nil || c.Party == "" || c.Requester == "":
		return http.StatusForbidden, "a valid IKI certificate of an Authorised Subscriber's system is needed (AppM 2.4, 2.5)"
	case roles != nil && !slices.ContainsFunc(c.Roles, func(have UserRole) bool { return slices.Contains(roles, have) }):
		return http.StatusForbidden, "the Party does not hold a role that may use this service (AppM 2.4)"
	}
	return 0, ""
}
