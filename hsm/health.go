package hsm

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// HealthKey is the name of the key that health checks sign with, so that no CA
// key ever makes a signature for which there is no intent.
const HealthKey = "health"

// Health has the token sign random octets with its health key of the latest
// generation and verifies the signature. Nothing less tells: a SoftHSM token whose
// directory is gone goes on opening sessions. An error wraps ErrNotFound if the
// token has no health key; make one with [Token.Generate] and the label "health-1".
func (t *Token) Health(ctx context.Context) error {
	fail := func(err error) error { return fmt.Errorf("checking token %q: %w", t.info.Label, err) }
	keys, err := t.Keys(ctx)
	if err != nil {
		return fail(err)
	}
	var label KeyLabel
	for _, k := range keys {
		if l := k.Attributes.Label; k.Kind == "private" && l.Name() == HealthKey && l.Generation() > label.Generation() {
			label = l
		}
	}
	if label == "" {
		return fail(fmt.Errorf("health key: %w: generate %q", ErrNotFound, Label(HealthKey, 1)))
	}
	key, err := t.Key(ctx, label)
	if err != nil {
		return fail(err)
	}
	var digest [sha256.Size]byte
	rand.Read(digest[:])
	der, err := operate(ctx, t, repeatAlways, func(s *session) ([]byte, error) { return s.sign(key, digest[:], false) })
	if err != nil {
		return fail(fmt.Errorf("signing with key %q: %w", label, err))
	}
	if !ecdsa.VerifyASN1(key.public, digest[:], der) {
		return fail(fmt.Errorf("%w: the signature of key %q is wrong", ErrUnavailable, label))
	}
	return nil
}
