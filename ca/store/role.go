package store

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotOwner is wrapped by the error of [Open] when the tables on PostgreSQL are of an
// older version and the address's user may not change them, as a service's should not.
var ErrNotOwner = errors.New("the tables are of an older version, and only their owner may bring them up to this one")

// notOwner tells whether the server refused for want of a right.
func notOwner(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "42501"
}

//go:embed role.sql
var roleScript string

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// ServiceRole returns the SQL that makes, or brings up to date, the PostgreSQL role
// of a service: it may do what the rooms do, and may neither change nor delete
// evidence, nor change a table. It is run by the owner of the tables, after they
// were made (opening the store with the owner's address makes them) and after each
// upgrade. The login that the service uses is granted the role; an upgrade needs the
// owner's address once more.
func ServiceRole(name string) (string, error) {
	if !roleName.MatchString(name) {
		return "", fmt.Errorf("naming the service's role %q: lower-case letters, digits and _ only", name)
	}
	return strings.ReplaceAll(roleScript, "smki_service", name), nil
}
