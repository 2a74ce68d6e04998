package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"smki.example/ca"
	"smki.example/ca/cfsslapi"
	"smki.example/ca/revocation"
	"smki.example/policy"
)

// cfsslPath is where cfssl's clients look.
const cfsslPath = "/api/v1/cfssl/"

// cfsslHandler is cfssl's interface. Where registration is open its clients are known
// by their keys. Elsewhere a key is not enough: each client is the system in the
// register whose IKI certificate the connection has, and can use the key of its own
// name only.
func (d *desk) cfsslHandler(s *services, p porter, cfg cfsslapi.Config) (http.Handler, error) {
	cfg.CA, cfg.Revocations, cfg.Timeout = d.issuer, d.register, cfsslLane.write-10*time.Second
	cfg.Unauthenticated = s.CFSSL.Unauthenticated
	clients := make([]cfsslapi.Client, 0, len(s.CFSSL.Clients))
	for _, c := range s.CFSSL.Clients {
		client := cfsslapi.Client{Name: c.Name, KeyFile: d.home.path(c.KeyFile), RevokeAny: c.RevokeAny}
		if c.PreviousKeyFile != "" {
			client.PreviousKeyFile = d.home.path(c.PreviousKeyFile)
		}
		clients = append(clients, client)
	}
	if d.home.env.Registration == policy.RegistrationOpen {
		cfg.Clients = clients
		face, err := cfsslapi.New(cfg)
		if err != nil {
			return nil, err
		}
		return face.Handler(), nil
	}
	cfg.Revocations = noRevocations{d.register}
	faces := make(map[string]http.Handler, len(clients))
	for _, c := range clients {
		cfg.Clients = []cfsslapi.Client{c}
		face, err := cfsslapi.New(cfg)
		if err != nil {
			return nil, err
		}
		faces[c.Name] = face.Handler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		officer, _, err := p.who(r)
		if err != nil || officer == nil || faces[requester(*officer)] == nil {
			http.Error(w, "the IKI certificate is of no client of this interface", http.StatusForbidden)
			return
		}
		faces[requester(*officer)].ServeHTTP(w, r)
	}), nil
}

// noRevocations stands where the registration authority revokes: a client of cfssl's
// interface has no second person.
type noRevocations struct{ *revocation.Register }

// Revoke implements [cfsslapi.Revocations].
func (noRevocations) Revoke(context.Context, revocation.Revoke) (revocation.Revocation, error) {
	return revocation.Revocation{}, &ca.Refusal{Rule: "two-persons", Err: errTwoPersons}
}

var errTwoPersons = errors.New("the registration authority revokes, on the request of a party's officer: ask at its console")
