package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/ra"
	"smki.example/ca/repository"
	"smki.example/ca/smkiws"
	"smki.example/policy"
)

// A porter says who sent a request, from the IKI certificate of its connection, which
// the gate has let in, and the register. The register is asked with every request, and
// by requests with one certificate that come at one moment together.
type porter struct {
	registry *ra.Registry
	looks    *looks[smkiws.Client]
	// strangers lets clients in that are not in the register: where registration is open
	// and nobody has to release what they send.
	strangers bool
}

// who returns the officer or system in the register whose certificate a request came
// with; or the certificate alone, where strangers are let in.
func (p porter) who(r *http.Request) (*ra.Officer, iki.Client, error) {
	client, known := iki.ClientOf(r)
	if !known {
		return nil, client, &ca.Refusal{Rule: "credential", Err: errors.New("an IKI certificate is needed here")}
	}
	officer, err := p.registry.Authenticate(r.Context(), client.Certificate)
	if err == nil {
		return &officer, client, nil
	}
	// A certificate that was withdrawn, or whose officer was, is no stranger's.
	var refusal *ca.Refusal
	if p.strangers && errors.As(err, &refusal) && refusal.Rule == "credential" {
		return nil, client, nil
	}
	return nil, client, err
}

// The web services are for authorised systems, the portal is for people (AppM 2.3 to
// 2.5, Appendix G).
const (
	systemRole = ra.System
	portalRole = ra.ARO
)

// as identifies for package smkiws who holds a role: its own, or as a stranger.
func (p porter) as(role ra.Role) func(*http.Request) (smkiws.Client, error) {
	look := func(r *http.Request) (smkiws.Client, error) {
		officer, client, err := p.who(r)
		if err != nil {
			return smkiws.Client{}, err
		}
		if officer == nil {
			// No party of the register has a name with a slash in it.
			return smkiws.Client{Party: "iki/" + client.Organisation, Requester: "iki/" + client.Organisation + "/" + client.CN, Roles: userRoles(client.Role)}, nil
		}
		if officer.Role != role {
			return smkiws.Client{}, fmt.Errorf("%s %q: %w: this interface is for the role %s", officer.Role, officer.ID, smkiws.ErrForbidden, role)
		}
		if err := p.registry.May(r.Context(), officer.ID, ra.ActSubmitDeviceRequests, officer.Party); err != nil {
			return smkiws.Client{}, err
		}
		party, err := p.registry.Party(r.Context(), officer.Party)
		if err != nil {
			return smkiws.Client{}, err
		}
		c := smkiws.Client{Party: string(party.ID), Requester: requester(*officer), Roles: userRoles(party.Roles...)}
		if party.Category == ra.DataCommunicationsCompany && !slices.Contains(c.Roles, smkiws.DCC) {
			c.Roles = append(c.Roles, smkiws.DCC)
		}
		return c, nil
	}
	return func(r *http.Request) (smkiws.Client, error) {
		client, known := iki.ClientOf(r)
		if !known || p.looks == nil {
			return look(r)
		}
		return p.looks.share(string(role)+string(client.Certificate), func() (smkiws.Client, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lookTime)
			defer cancel()
			return look(r.WithContext(ctx))
		})
	}
}

// lookTime bounds a look into the register that others may be waiting for.
const lookTime = 5 * time.Second

// requester is an officer as the CA's register of eligibility wants him.
func requester(o ra.Officer) string { return string(o.Party) + "/" + string(o.ID) }

// userRoles are the User roles that go with Remote Party Roles. A supplier's role does
// not say which fuel, so that it stands for both; the DCC's are those of its own
// certificates on devices (I).
func userRoles(roles ...policy.RemotePartyRole) []smkiws.UserRole {
	var users []smkiws.UserRole
	for _, role := range roles {
		switch role {
		case policy.RoleSupplier:
			users = append(users, smkiws.ImportSupplier, smkiws.GasSupplier)
		case policy.RoleRecovery, policy.RoleAccessControlBroker, policy.RoleTransitionalCoS, policy.RoleWANProvider, policy.RoleDSPXMLSign:
			users = append(users, smkiws.DCC)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// repositoryParties asks the register whether the owner of an API key takes part.
type repositoryParties struct{ registry *ra.Registry }

var _ repository.Parties = repositoryParties{}

// Active implements [repository.Parties].
func (p repositoryParties) Active(ctx context.Context, party string) error {
	found, err := p.registry.Party(ctx, ra.PartyID(party))
	switch {
	case errors.Is(err, ca.ErrNotFound):
		return fmt.Errorf("party %q is not in the register: %w", party, repository.ErrForbidden)
	case err != nil:
		return err
	case found.State != ra.Active:
		return fmt.Errorf("party %q is withdrawn: %w", party, repository.ErrForbidden)
	}
	return nil
}

// newRepository opens the read side. Where registration is open nobody is asked
// whether the owner of an API key is in the register.
func (d *desk) newRepository(cfg repository.Config) (*repository.Repository, error) {
	cfg.Issuer, cfg.Register = d.issuer, d.register
	if d.home.env.Registration != policy.RegistrationOpen {
		cfg.Parties = repositoryParties{d.registry}
	}
	return repository.New(cfg)
}
