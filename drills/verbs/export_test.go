package verbs

import (
	"context"
	"crypto"

	"smki.example/drills/fleet"
	"smki.example/hsm/custody"
	"smki.example/softhsm"
)

// What tests reach for: the devices, the tokens in their folders, a CA key behind
// the ledger's back, the vault.

func (w *World) Fleet() *fleet.Fleet               { return w.fleet }
func (w *World) Token(owner string) *softhsm.Token { return w.tokens.made[owner] }
func (w *World) Vault() *custody.Vault             { return w.custody.vault }
func (w *World) Sum() Figures                      { return w.figures() }
func (w *World) Behind(ctx context.Context, name string) (crypto.Signer, error) {
	a, err := w.authority.issuer.Authority(name)
	if err != nil {
		return nil, err
	}
	return a.Signer(ctx), nil
}
