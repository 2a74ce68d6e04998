package main

import (
	"context"
	"errors"
	"path/filepath"

	"smki.example/ca/iki"
	"smki.example/hsm"
)

// renewIKI founds the next generation of the IKI authority: its key, its certificate
// with the intent in the ledger, its first list, and home.json last. Each step finds
// what a run that died has done.
func (r *rollover) renewIKI(ctx context.Context, d *desk) error {
	if d.home.IKI == nil {
		return refused("refused: this CA has no IKI authority: its key was not on the token when the home was made")
	}
	next := homeAuthority{Name: iki.Name, Generation: d.home.IKI.Generation + 1}
	next.Certificate = filepath.Join(authorityDir, string(next.label())+".pem")
	key, err := d.token.Key(ctx, next.label())
	if errors.Is(err, hsm.ErrNotFound) {
		if !d.home.env.Exercise {
			return refused("refused: there is no key %s on the token; environment %q takes its keys from a ceremony with witnesses: make it there with the ceremony binary first", next.label(), d.home.env.Name)
		}
		key, err = d.token.Generate(ctx, hsm.KeySpec{Label: next.label(), Use: hsm.Sign})
	}
	if err != nil {
		return tokenGone(err)
	}
	authority, err := iki.Found(ctx, iki.Config{Issuer: d.issuer, Generation: next.Generation, Signer: key.Signer}, d.home.ikiOrganisation())
	if err != nil {
		return oneLine(err)
	}
	record, err := authority.PublishCRL(ctx)
	if err != nil {
		return oneLine(err)
	}
	r.lists = append(r.lists, record.Issuer)
	if err := writeWhole(d.home.path(next.Certificate), certificatePEM(authority.Certificate()), 0o644); err != nil {
		return err
	}
	d.home.IKIBefore = append(d.home.IKIBefore, *d.home.IKI)
	d.home.IKI = &next
	return d.home.save()
}

// ikiOrganisation names who the IKI authority is.
func (h *home) ikiOrganisation() string {
	if h.env.Exercise {
		return "EXERCISE SMKI"
	}
	return "SMKI"
}
