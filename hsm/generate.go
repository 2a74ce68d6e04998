package hsm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// A Use is the one thing a private key may do: a key that signs never agrees, and
// the other way round, as key usages in SMKI certificates never mix.
type Use uint8

const (
	// Sign is ECDSA.
	Sign Use = iota + 1
	// Derive is ECDH key agreement.
	Derive
)

func (u Use) String() string {
	switch u {
	case Sign:
		return "sign"
	case Derive:
		return "derive"
	}
	return fmt.Sprintf("Use(%d)", uint8(u))
}

// A KeySpec says what key to generate.
type KeySpec struct {
	Label KeyLabel
	Use   Use
	// Modifiable leaves CKA_MODIFIABLE true. SoftHSM copies a key to a session only if it is
	// modifiable, and signing with such a copy is half as fast again; the price is
	// that whoever is logged in can rename the key or change its use. Its value cannot leave either way.
	Modifiable bool
}

// prime256v1 is the DER of the curve's object identifier, 1.2.840.10045.3.1.7.
var prime256v1 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}

// idLength is the length of a random CKA_ID: long enough that two never meet.
const idLength = 16

// Generate makes a P-256 key pair in the token: private, sensitive, not extractable, not
// modifiable unless asked for, for the one use of spec. It reads the attributes back
// and returns the key only if they are what was asked for; otherwise it destroys the pair.
//
// A label that any object of the token bears already is ErrConflict; PKCS#11
// itself would accept it, and two keys of one name is how the wrong one comes to sign.
// An error that wraps ErrUnavailable may leave the key behind: look it up before
// a second try. A process that is killed in here may leave half a pair, which takes
// the label and is no key: destroy it. Calls take turns, within a process and, on SoftHSM, between
// processes; on other tokens two processes that generate one label at the same moment should
// not exist: each looks again and withdraws its key if it sees the other's.
func (t *Token) Generate(ctx context.Context, spec KeySpec) (*Key, error) {
	fail := func(err error) (*Key, error) { return nil, fmt.Errorf("generating key %q: %w", spec.Label, err) }
	if err := spec.Label.Check(); err != nil {
		return fail(err)
	}
	if spec.Use != Sign && spec.Use != Derive {
		return fail(fmt.Errorf("use is %v: want sign or derive", spec.Use))
	}
	t.generate.Lock()
	defer t.generate.Unlock()
	id := make([]byte, idLength)
	rand.Read(id)
	if _, err := operate(ctx, t, repeatUntouched, func(s *session) (struct{}, error) {
		return struct{}{}, s.guarded(func() error { return s.generate(spec, id) })
	}); err != nil {
		return fail(err)
	}
	key, err := t.Key(ctx, spec.Label)
	if err != nil {
		return fail(err)
	}
	evidence := key.Evidence()
	err = evidence.Check()
	if err == nil && (evidence.Use() != spec.Use || evidence.Modifiable != spec.Modifiable) {
		err = fmt.Errorf("the token made it otherwise than it was told: use %v, modifiable %t", evidence.Use(), evidence.Modifiable)
	}
	if err != nil {
		return fail(errors.Join(err, t.Destroy(ctx, spec.Label)))
	}
	return key, nil
}

func (s *session) generate(spec KeySpec, id []byte) error {
	if err := untouched(s.unused(spec.Label, id)); err != nil {
		return err
	}
	public := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(spec.Label)),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, prime256v1),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, spec.Use == Sign),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false),
	}
	private := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(spec.Label)),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, spec.Use == Sign),
		pkcs11.NewAttribute(pkcs11.CKA_DERIVE, spec.Use == Derive),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, spec.Modifiable),
	}
	_, _, err := s.driver().GenerateKeyPair(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)}, public, private)
	if err != nil {
		return called("C_GenerateKeyPair", err)
	}
	return s.alone(spec.Label, id)
}

// unused returns ErrConflict if an object of the token bears label or id.
func (s *session) unused(label KeyLabel, id []byte) error {
	for _, by := range []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(label)), pkcs11.NewAttribute(pkcs11.CKA_ID, id)} {
		found, err := s.find(pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), by)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("%w: token %q has an object of that name; use the next generation, or destroy it first", ErrConflict, s.login.label)
		}
	}
	return s.sound()
}

// alone returns ErrConflict, and destroys the objects of id, if another process
// has made objects of the same label in the meantime.
func (s *session) alone(label KeyLabel, id []byte) error {
	token := pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)
	all, err := s.find(token, pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(label)))
	if err != nil {
		return err
	}
	ours, err := s.find(token, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	if err != nil {
		return err
	}
	if len(all) == len(ours) {
		return nil
	}
	err = fmt.Errorf("%w: another process made a key of that name at the same moment", ErrConflict)
	for _, h := range ours {
		err = errors.Join(err, called("C_DestroyObject", s.driver().DestroyObject(s.handle, h)))
	}
	return err
}

// Destroy removes every object of the token that bears label: a private key with its
// public key, or a secret. There is no way back. Copies that sessions of another
// process or Token sign with last until those are closed. It is for drills and for keys whose
// certificate has ended. ErrNotFound says that there was nothing.
func (t *Token) Destroy(ctx context.Context, label KeyLabel) error {
	_, err := operate(ctx, t, repeatUntouched, func(s *session) (struct{}, error) {
		return struct{}{}, s.guarded(func() error { return s.destroy(label) })
	})
	if err != nil {
		return fmt.Errorf("destroying key %q: %w", label, err)
	}
	t.pool.flush() // with the copies that sessions hold of the key
	return nil
}

func (s *session) destroy(label KeyLabel) error {
	found, err := s.find(pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(label)))
	if err != nil {
		return untouched(err)
	}
	if len(found) == 0 {
		return untouched(s.absent("looking for it"))
	}
	for _, h := range found {
		if err := s.driver().DestroyObject(s.handle, h); err != nil {
			return called("C_DestroyObject", err)
		}
	}
	return nil
}
