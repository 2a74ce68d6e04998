package main

import (
	"context"
	"crypto"
	"crypto/x509"

	"smki.example/hsm"
)

// token logs in, compares every key with its certificate, and makes one signature
// with the health key, which signs nothing else.
func (d *doctor) token(ctx context.Context) {
	config, err := d.home.tokenConfig()
	if err != nil {
		d.noToken(err)
		return
	}
	token, err := hsm.Open(ctx, config)
	if err != nil {
		d.noToken(err)
		return
	}
	defer token.Close()
	info := token.Info()
	d.ok("token", "%q is there and the PIN is right", info.Label)
	if err := token.Health(ctx); err != nil {
		d.gone = true
		d.finds(wrong, "token", "see the token's own log; nothing is issued until it signs", "a signature with the health key: %v", err)
	} else {
		d.ok("token", "it signs: the health key's signature verifies")
	}
	for _, a := range d.home.Authorities {
		if a.Offline {
			d.ok("key", "%s is kept elsewhere; it signs nothing here", a.label())
			continue
		}
		cert, err := d.home.authorityCertificate(a)
		if err != nil {
			continue // told already
		}
		d.key(ctx, token, a.label(), cert.PublicKey)
	}
	for _, a := range d.home.ikis() {
		if der, err := d.home.certificate(a); err == nil {
			if cert, err := x509.ParseCertificate(der); err == nil {
				d.key(ctx, token, a.label(), cert.PublicKey)
			}
		}
	}
}

func (d *doctor) noToken(err error) {
	d.gone = true
	d.finds(wrong, "token", "put the token back, or the PIN file where home.json says; nothing is issued or listed meanwhile, and the Repository goes on", "%v", err)
}

func (d *doctor) key(ctx context.Context, token *hsm.Token, label hsm.KeyLabel, certified crypto.PublicKey) {
	key, err := token.Key(ctx, label)
	if err != nil {
		d.finds(wrong, "key", "is it the right token? home.json names it. The key is in no backup: without it the authority signs nothing", "%s: %v", label, err)
		return
	}
	public, is := certified.(interface{ Equal(crypto.PublicKey) bool })
	if !is || !public.Equal(key.Signer(ctx).Public()) {
		d.finds(wrong, "key", "put back the certificate that the ceremony made for this key; the CA does not start with another", "%s: the key on the token is not that of its certificate", label)
		return
	}
	d.ok("key", "%s is the key of its certificate", label)
}
