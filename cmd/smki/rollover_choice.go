package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/policy"
)

// atIssuer runs f at a desk whose certificates come from a generation of an
// authority, or from the newest of each for "". The other generations of that
// authority sign lists there and nothing else.
func atIssuer(c *cli.Context, id string, f func(*desk) error) error {
	if id == "" {
		return at(c, true, f)
	}
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	a, there := h.authority(ca.SplitID(id))
	if c.String("type") == iki.Name {
		for _, one := range h.ikis() {
			there = there || string(one.label()) == id
			a = one
		}
	}
	switch {
	case !there || policy.ProfileName(a.Name).Root():
		return clikit.Usagef("smki issue: --issuer %q: want one of %s", id, strings.Join(h.issuers(), ", "))
	case a.Retired:
		return refused("refused: %s is retired and issues no more; want one of %s", id, strings.Join(h.issuers(), ", "))
	}
	d, err := openChosen(c.Context, c.String("home"), id)
	if err != nil {
		return err
	}
	err = f(d)
	return errors.Join(err, d.Close(context.WithoutCancel(c.Context)))
}

// openChosen is [openCA] with a generation chosen.
func openChosen(ctx context.Context, dir, id string) (d *desk, err error) {
	h, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	h.chosen = id
	return openAt(ctx, h, true, nil)
}

// issuers are the generations that may issue.
func (h *home) issuers() []string {
	var ids []string
	for _, a := range h.Authorities {
		if !policy.ProfileName(a.Name).Root() && !a.Offline && !a.Retired {
			ids = append(ids, string(hsm.Label(a.Name, a.Generation)))
		}
	}
	return ids
}

// mayIssue refuses a request that the chosen authority does not issue for: it would
// be signed by another, which is not what was asked.
func (d *desk) mayIssue(id string, der []byte) error {
	if id == "" || strings.HasPrefix(id, iki.Name+"-") {
		return nil
	}
	name, _ := ca.SplitID(id)
	request, err := policy.ParseRequest(der)
	if err != nil {
		return nil // issuing it says what is wrong with it
	}
	if want := request.Kind().Issuer(); string(want) != name {
		return refused("refused: a request of kind %s is for %s, and --issuer says %s", request.Kind(), want, id)
	}
	return nil
}
