package main

import (
	"context"
	"errors"
	"fmt"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/policy"
)

// partClients parts the serial numbers of IKI certificates from all others, which may
// be nobody's.
func (d *desk) partClients(ctx context.Context, serials []policy.Serial) (clients, rest []policy.Serial, err error) {
	for _, s := range serials {
		_, err := d.issuer.BySerial(ctx, s)
		if errors.Is(err, ca.ErrNotFound) {
			if _, err = iki.BySerial(ctx, d.store, s); err == nil {
				clients = append(clients, s)
				continue
			}
		}
		if err != nil && !errors.Is(err, ca.ErrNotFound) {
			return nil, nil, err
		}
		rest = append(rest, s)
	}
	return clients, rest, nil
}

// revokeClients revokes IKI certificates, one by one, and adds them to what was done.
func (d *desk) revokeClients(ctx context.Context, done *revoked, clients []policy.Serial, reason policy.Reason, by string) error {
	for _, s := range clients {
		r, err := iki.Revoke(ctx, d.issuer, iki.Withdrawal{Serial: s, Reason: reason, By: by})
		if err != nil {
			if done.Revoked > 0 {
				err = fmt.Errorf("%w; %d certificates were revoked before", err, done.Revoked)
			}
			return err
		}
		done.all = append(done.all, revocation.Revocation{Serial: r.Serial, Issuer: r.Issuer, Reason: r.Reason, At: r.At, By: r.By, RecordedAt: r.RecordedAt, OnCRL: true, New: r.New})
		done.Revocations = append(done.Revocations, revokedSerial{r.Serial, r.Issuer, r.Reason, r.At, r.New, true})
		if r.New {
			done.Revoked++
		} else {
			done.Already++
		}
	}
	return nil
}
