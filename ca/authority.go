package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"smki.example/policy"
)

// An Authority is one CA key in one generation, and the right to use it.
type Authority struct {
	// Name is the name of the authority's own profile: "issuing-oca".
	Name string
	// Generation counts the keys the authority has had, from 1.
	Generation int
	// Certificate is its own certificate; its public key is what Signer signs
	// with.
	Certificate *policy.Certificate
	// Signer gives a signer whose operations end with ctx. It is asked for once a
	// signature, and must be usable by several goroutines at once.
	Signer func(ctx context.Context) crypto.Signer
	// Parallel is how many signatures of a batch are asked for at once. Zero: twice
	// the cores, because a goroutine that waits for a token does not work.
	Parallel int
	// Retired says that this generation signs CRLs only. Of those that are not, the
	// highest generation issues.
	Retired bool
}

// ID is the name with the generation, "issuing-oca-1": the key's label on the
// token, and the issuer's name in the database.
func (a *Authority) ID() string { return fmt.Sprintf("%s-%d", a.Name, a.Generation) }

// Profile is Name as the name of a profile.
func (a *Authority) Profile() policy.ProfileName { return policy.ProfileName(a.Name) }

func (a *Authority) parallel() int {
	if a.Parallel > 0 {
		return a.Parallel
	}
	return 2 * runtime.GOMAXPROCS(0)
}

// check refuses an authority whose parts do not belong together. It asks the
// signer for its public key and for nothing else.
func (a *Authority) check(ctx context.Context) error {
	switch {
	case !a.Profile().Authority():
		return fmt.Errorf("authority %q: Name is not the profile of an authority", a.Name)
	case a.Generation < 1:
		return fmt.Errorf("authority %q: Generation is %d; it counts from 1", a.Name, a.Generation)
	case a.Certificate == nil:
		return fmt.Errorf("authority %q: Certificate is missing", a.ID())
	case a.Signer == nil:
		return fmt.Errorf("authority %q: Signer is missing", a.ID())
	}
	signer := a.Signer(ctx)
	if signer == nil {
		return fmt.Errorf("authority %q: Signer gave none", a.ID())
	}
	pub, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("authority %q: its key is %T, not ECDSA", a.ID(), signer.Public())
	}
	if !pub.Equal(a.Certificate.PublicKey) {
		return fmt.Errorf("authority %q: the signer's key is not the key of its certificate %q; check the key's label and generation", a.ID(), a.Certificate.Serial)
	}
	return nil
}

// ValidAt refuses ([ErrRefused]) the use of a CA key outside the validity of its certificate.
func (a *Authority) ValidAt(now time.Time) error {
	if now.Before(a.Certificate.NotBefore) || now.After(a.Certificate.NotAfter) {
		return refuse("authority-validity", "authority %q is valid from %s to %s and its key is not used outside (our rule, so that no certificate outlives a path; RFC 5280, 6.1.3); give the CA a new generation",
			a.ID(), a.Certificate.NotBefore.Format(time.RFC3339), a.Certificate.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// authorities finds authorities by ID and by name.
type authorities struct {
	byID   map[string]*Authority
	active map[string]*Authority // by name: the one that issues
	order  []*Authority
}

func newAuthorities(ctx context.Context, list []Authority) (authorities, error) {
	as := authorities{byID: make(map[string]*Authority), active: make(map[string]*Authority)}
	for n := range list {
		a := list[n]
		if err := a.check(ctx); err != nil {
			return as, err
		}
		if as.byID[a.ID()] != nil {
			return as, fmt.Errorf("authority %q is given twice", a.ID())
		}
		as.byID[a.ID()] = &a
		as.order = append(as.order, &a)
		if now := as.active[a.Name]; !a.Retired && (now == nil || now.Generation < a.Generation) {
			as.active[a.Name] = &a
		}
	}
	return as, nil
}

// find takes an ID ("issuing-oca-1") or a name ("issuing-oca": the generation that
// issues).
func (as authorities) find(name string) (*Authority, error) {
	if a := as.byID[name]; a != nil {
		return a, nil
	}
	if a := as.active[name]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("authority %q: %w among those this CA was opened with", name, ErrNotFound)
}

// issuerFor is the authority that signs certificates of a profile.
func (as authorities) issuerFor(profile policy.ProfileName) (*Authority, error) {
	if a := as.active[string(profile.Issuer())]; a != nil {
		return a, nil
	}
	return nil, errors.New("no authority " + string(profile.Issuer()) + " was given to this CA, so it cannot issue " + string(profile) + " certificates")
}

// SplitID takes an ID apart into name and generation; a name alone has generation
// 0.
func SplitID(id string) (name string, generation int) {
	cut := strings.LastIndexByte(id, '-')
	if cut < 0 {
		return id, 0
	}
	n, err := strconv.Atoi(id[cut+1:])
	if err != nil || n < 1 {
		return id, 0
	}
	return id[:cut], n
}
