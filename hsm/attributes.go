package hsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"
)

// Attributes are what the token says of a key, read back from it: the evidence
// that a ceremony records. LOCAL, ALWAYS_SENSITIVE and NEVER_EXTRACTABLE cannot be set by
// anyone; the token derives them from the key's whole life. They prove no more than
// the token is worth, and a SoftHSM token is worth its directory.
type Attributes struct {
	Label KeyLabel `json:"label"`
	// ID is CKA_ID in hex, by which a key is found again after a loss.
	ID string `json:"id"`
	// Token is true for an object that outlives its session.
	Token       bool `json:"token"`
	Private     bool `json:"private"`
	Sensitive   bool `json:"sensitive"`
	Extractable bool `json:"extractable"`
	Modifiable  bool `json:"modifiable"`
	Sign        bool `json:"sign"`
	Derive      bool `json:"derive"`
	Decrypt     bool `json:"decrypt"`
	Wrap        bool `json:"wrap"`
	Unwrap      bool `json:"unwrap"`

	Local            bool `json:"local"`
	AlwaysSensitive  bool `json:"always_sensitive"`
	NeverExtractable bool `json:"never_extractable"`

	// Mechanism is how the token says it made the key, such as CKM_EC_KEY_PAIR_GEN.
	Mechanism string `json:"mechanism"`
	// Unreported lists attributes that the token would not tell. They are false above.
	Unreported []string `json:"unreported,omitempty"`
}

// Check returns an error that lists every way in which the attributes fall short
// of a private key that was made in the token and cannot leave it, for one use.
func (a Attributes) Check() error {
	var wrong []string
	for _, rule := range []struct {
		name      string
		got, want bool
	}{
		{"CKA_TOKEN", a.Token, true},
		{"CKA_PRIVATE", a.Private, true},
		{"CKA_SENSITIVE", a.Sensitive, true},
		{"CKA_EXTRACTABLE", a.Extractable, false},
		{"CKA_DECRYPT", a.Decrypt, false},
		{"CKA_WRAP", a.Wrap, false},
		{"CKA_UNWRAP", a.Unwrap, false},
		{"CKA_LOCAL", a.Local, true},
		{"CKA_ALWAYS_SENSITIVE", a.AlwaysSensitive, true},
		{"CKA_NEVER_EXTRACTABLE", a.NeverExtractable, true},
	} {
		if rule.got != rule.want {
			wrong = append(wrong, fmt.Sprintf("%s is %t", rule.name, rule.got))
		}
	}
	if a.Sign == a.Derive {
		wrong = append(wrong, fmt.Sprintf("CKA_SIGN is %t and CKA_DERIVE is %t, want one of them", a.Sign, a.Derive))
	}
	if wrong != nil {
		return fmt.Errorf("key %q: %s", a.Label, strings.Join(wrong, "; "))
	}
	return nil
}

// Use returns what the attributes allow: Sign, Derive, or 0 if both or neither.
func (a Attributes) Use() Use {
	switch {
	case a.Sign && !a.Derive:
		return Sign
	case a.Derive && !a.Sign:
		return Derive
	}
	return 0
}

// attribute reads one attribute. A missing or sensitive one is errUnreported.
func (s *session) attribute(h pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	got, err := s.driver().GetAttributeValue(s.handle, h, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)), errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)):
		return nil, errUnreported
	case err != nil:
		return nil, called("C_GetAttributeValue", err)
	case len(got) != 1:
		return nil, errUnreported
	}
	return got[0].Value, nil
}

var errUnreported = errors.New("the token does not tell")

// attributes reads the evidence of one private or secret key. One attribute at a time, since a
// token that lacks one answers nothing about the others.
func (s *session) attributes(h pkcs11.ObjectHandle) (Attributes, error) {
	var a Attributes
	for _, flag := range []struct {
		name string
		kind uint
		to   *bool
	}{
		{"CKA_TOKEN", pkcs11.CKA_TOKEN, &a.Token},
		{"CKA_PRIVATE", pkcs11.CKA_PRIVATE, &a.Private},
		{"CKA_SENSITIVE", pkcs11.CKA_SENSITIVE, &a.Sensitive},
		{"CKA_EXTRACTABLE", pkcs11.CKA_EXTRACTABLE, &a.Extractable},
		{"CKA_MODIFIABLE", pkcs11.CKA_MODIFIABLE, &a.Modifiable},
		{"CKA_SIGN", pkcs11.CKA_SIGN, &a.Sign},
		{"CKA_DERIVE", pkcs11.CKA_DERIVE, &a.Derive},
		{"CKA_DECRYPT", pkcs11.CKA_DECRYPT, &a.Decrypt},
		{"CKA_WRAP", pkcs11.CKA_WRAP, &a.Wrap},
		{"CKA_UNWRAP", pkcs11.CKA_UNWRAP, &a.Unwrap},
		{"CKA_LOCAL", pkcs11.CKA_LOCAL, &a.Local},
		{"CKA_ALWAYS_SENSITIVE", pkcs11.CKA_ALWAYS_SENSITIVE, &a.AlwaysSensitive},
		{"CKA_NEVER_EXTRACTABLE", pkcs11.CKA_NEVER_EXTRACTABLE, &a.NeverExtractable},
	} {
		v, err := s.attribute(h, flag.kind)
		switch {
		case err == errUnreported && flag.kind == pkcs11.CKA_WRAP: // private keys need not have it
		case err == errUnreported:
			a.Unreported = append(a.Unreported, flag.name)
		case err != nil:
			return Attributes{}, err
		default:
			*flag.to = len(v) == 1 && v[0] != 0
		}
	}
	label, err := s.attribute(h, pkcs11.CKA_LABEL)
	if err != nil && err != errUnreported {
		return Attributes{}, err
	}
	id, err := s.attribute(h, pkcs11.CKA_ID)
	if err != nil && err != errUnreported {
		return Attributes{}, err
	}
	made, err := s.attribute(h, pkcs11.CKA_KEY_GEN_MECHANISM)
	if err != nil && err != errUnreported {
		return Attributes{}, err
	}
	a.Label, a.ID, a.Mechanism = KeyLabel(label), fmt.Sprintf("%x", id), mechanismName(made)
	return a, nil
}

// mechanismName names the generation mechanisms that this package uses; others
// are numbers. CK_UNAVAILABLE_INFORMATION says that the key was not made in the token.
func mechanismName(v []byte) string {
	n, ok := ulong(v)
	switch {
	case !ok:
		return "not told"
	case n == pkcs11.CKM_EC_KEY_PAIR_GEN:
		return "CKM_EC_KEY_PAIR_GEN"
	case n == pkcs11.CKM_AES_KEY_GEN:
		return "CKM_AES_KEY_GEN"
	case n == uint64(^uint(0)):
		return "CK_UNAVAILABLE_INFORMATION"
	}
	return fmt.Sprintf("CKM 0x%X", n)
}

// ulong reads a CK_ULONG, which has the byte order and size of the machine.
func ulong(v []byte) (uint64, bool) {
	switch len(v) {
	case 4:
		return uint64(binary.NativeEndian.Uint32(v)), true
	case 8:
		return binary.NativeEndian.Uint64(v), true
	}
	return 0, false
}

// find returns the handles of all objects that match, at most a bounded number.
func (s *session) find(template ...*pkcs11.Attribute) (found []pkcs11.ObjectHandle, err error) {
	s.login.objects.RLock()
	defer s.login.objects.RUnlock()
	d := s.driver()
	if err := d.FindObjectsInit(s.handle, template); err != nil {
		return nil, called("C_FindObjectsInit", err)
	}
	defer func() {
		if ferr := called("C_FindObjectsFinal", d.FindObjectsFinal(s.handle)); ferr != nil && err == nil {
			err = ferr
		}
	}()
	for len(found) < maxObjects {
		some, _, err := d.FindObjects(s.handle, findStep)
		if err != nil {
			return nil, called("C_FindObjects", err)
		}
		if len(some) == 0 {
			return found, nil
		}
		found = append(found, some...)
	}
	return nil, fmt.Errorf("the token holds more than %d objects that match", maxObjects)
}

const (
	findStep   = 100    // handles asked for at a time
	maxObjects = 10_000 // more is a token that never says that it is done
)

// absent returns the error for an object that was not found: ErrNotFound, unless
// the session is no longer sound.
func (s *session) absent(what string) error {
	if err := s.sound(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w on token %q", what, ErrNotFound, s.login.label)
}

// sound returns an error if the session cannot see the token's private objects.
// A token that is gone, and one that has logged its user out, both find nothing and
// say so nowhere else, so every conclusion from nothing found asks this first.
func (s *session) sound() error {
	info, err := s.driver().GetSessionInfo(s.handle)
	if err != nil {
		return called("C_GetSessionInfo", err)
	}
	if !loggedIn(info) {
		return called("C_GetSessionInfo", pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN))
	}
	if s.held {
		return s.login.present()
	}
	return s.login.seen()
}

func loggedIn(info pkcs11.SessionInfo) bool {
	return info.State == pkcs11.CKS_RW_USER_FUNCTIONS || info.State == pkcs11.CKS_RO_USER_FUNCTIONS
}
