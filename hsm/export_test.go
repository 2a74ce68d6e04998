package hsm

import (
	"context"

	"github.com/miekg/pkcs11"
)

// Driver is the calls of a PKCS#11 module, for tests that stand in between.
type Driver = driver

// OpenThrough opens a token whose module's calls go through what wrap returns.
func OpenThrough(ctx context.Context, c Config, wrap func(Driver) Driver) (*Token, error) {
	c.load = func(path string) driver { return wrap(loadLibrary(path)) }
	return Open(ctx, c)
}

// LoseSessions closes all sessions of the token behind the package's back, at a
// moment when no call is under way: SoftHSM frees what a call in another thread is using.
func (t *Token) LoseSessions(ctx context.Context) error {
	m := t.login.module
	if err := m.gate.acquire(ctx); err != nil {
		return err
	}
	defer m.gate.release()
	return m.d.CloseAllSessions(t.login.slot)
}

// Hanging returns how many sessions are lost to a call that has not returned.
func (t *Token) Hanging() int { return int(t.pool.hanging.Load()) }

// Borrow takes a session out of the pool until the returned function is called.
func (t *Token) Borrow(ctx context.Context) (giveBack func(), err error) {
	s, err := t.pool.take(ctx)
	if err != nil {
		return nil, err
	}
	return func() { t.pool.put(s) }, nil
}

// Copies returns how many idle sessions sign with a proven copy of the key.
func (t *Token) Copies(k *Key) int {
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	n := 0
	for _, s := range t.pool.idle {
		if o := s.objects[string(k.id)]; o != nil && o.copied && o.proven {
			n++
		}
	}
	return n
}

// SignatureDER turns r||s into DER.
var SignatureDER = signatureDER

// Codes and their names, for a test that none is empty.
var (
	CodeName = codeName
	Called   = called
)

// SessionObjects counts what the token's sessions hold besides its own objects.
func (t *Token) SessionObjects(ctx context.Context) (int, error) {
	return operate(ctx, t, repeatAlways, func(s *session) (int, error) {
		found, err := s.find(pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false))
		return len(found), err
	})
}

// WrapByMechanism wraps data with the token's own CKM_AES_KEY_WRAP, under a session
// object that has the value of k and may wrap.
func (t *Token) WrapByMechanism(ctx context.Context, k *Secret, data []byte) ([]byte, error) {
	value, err := k.Value(ctx)
	if err != nil {
		return nil, err
	}
	return operate(ctx, t, repeatAlways, func(s *session) ([]byte, error) {
		d := s.driver().(*pkcs11.Ctx)
		create := func(kind uint, value []byte, wraps bool) (pkcs11.ObjectHandle, error) {
			return d.CreateObject(s.handle, []*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
				pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, kind),
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
				pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
				pkcs11.NewAttribute(pkcs11.CKA_WRAP, wraps),
				pkcs11.NewAttribute(pkcs11.CKA_VALUE, value),
			})
		}
		kek, err := create(pkcs11.CKK_AES, value, true)
		if err != nil {
			return nil, err
		}
		plain, err := create(pkcs11.CKK_GENERIC_SECRET, data, false)
		if err != nil {
			return nil, err
		}
		return d.WrapKey(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_WRAP, nil)}, kek, plain)
	})
}
