package verify

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// What a command of the Contingency key looks like, and how its public half lies
// in the root certificate, no public text says: what follows is the project's
// reading (RFC 5934, 9; RFC 5649; GBCS v0.8.1 p.179), made a second time here. That
// no public text gives these octets is said wherever they are shown.

// symmetricKey is the plaintext symmetric key of a contingency command. The other
// fields of the payload are nobody's business here.
func (m *message) symmetricKey() ([]byte, error) {
	in := &octets{rest: m.signed}
	for range 5 { // transaction, originator, recipient, date-time, other information
		in.take(in.length())
	}
	payload := in.take(in.length())
	var command, control, mode, key asn1.RawValue
	if _, err := asn1.Unmarshal(payload, &command); err != nil || in.failed {
		return nil, errWire
	}
	if _, err := asn1.Unmarshal(command.Bytes, &control); err != nil {
		return nil, errWire
	}
	rest, err := asn1.Unmarshal(control.Bytes, &mode)
	if err != nil {
		return nil, errWire
	}
	if _, err := asn1.Unmarshal(rest, &key); err != nil || key.Class != asn1.ClassContextSpecific || key.Tag != 0 {
		return nil, errors.New("a contingency command without a symmetric key")
	}
	return key.Bytes, nil
}

// contingencySigned reports whether the Contingency key that a command's symmetric
// key unwraps from a root certificate of the pack signed the command.
func (a *audit) contingencySigned(m *message) error {
	symmetric, err := m.symmetricKey()
	if err != nil {
		return err
	}
	certificates, err := a.loadCertificates()
	if err != nil {
		return err
	}
	found := false
	for _, name := range slices.Sorted(maps.Keys(certificates)) {
		c := certificates[name]
		if !selfSigned(c) || len(c.WrappedContingency) == 0 {
			continue
		}
		if key, err := unwrapped(c.WrappedContingency, symmetric); err == nil {
			found = true
			if m.signedBy(key) {
				return nil
			}
		}
	}
	if found {
		return errors.New("the Contingency key that its symmetric key unwraps did not sign it")
	}
	return errors.New("its symmetric key unwraps the Contingency key from no root certificate of the pack")
}

// oidAES256WrapPad is the one wrap that drills write (RFC 5649, 5).
var oidAES256WrapPad = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 48}

// unwrapped reads an ApexContingencyKey and unwraps the public key in it.
func unwrapped(apex, symmetric []byte) (*ecdsa.PublicKey, error) {
	var value struct {
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Wrapped   []byte
	}
	if rest, err := asn1.Unmarshal(apex, &value); err != nil || len(rest) != 0 || !value.Algorithm.OID.Equal(oidAES256WrapPad) || len(symmetric) != 32 {
		return nil, errors.New("no contingency key wrapped by AES-256 with padding")
	}
	plain, err := unwrapPadded(symmetric, value.Wrapped)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(plain)
	if err != nil {
		return nil, err
	}
	public, is := key.(*ecdsa.PublicKey)
	if !is {
		return nil, errors.New("what was wrapped is no ECDSA key")
	}
	return public, nil
}

// unwrapPadded is RFC 5649, 4.2, for more than one block.
func unwrapPadded(key, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	n := len(wrapped)/8 - 1
	if len(wrapped)%8 != 0 || n < 2 {
		return nil, errors.New("wrapped octets are no whole number of blocks")
	}
	a := binary.BigEndian.Uint64(wrapped)
	r := bytes.Clone(wrapped[8:])
	var b [16]byte
	for t := 6 * n; t > 0; t-- {
		i := (t - 1) % n
		binary.BigEndian.PutUint64(b[:8], a^uint64(t))
		copy(b[8:], r[8*i:8*i+8])
		block.Decrypt(b[:], b[:])
		a = binary.BigEndian.Uint64(b[:8])
		copy(r[8*i:], b[8:])
	}
	length := int(uint32(a))
	if a>>32 != 0xA65959A6 || length > len(r) || length <= len(r)-8 || bytes.ContainsFunc(r[length:], func(c rune) bool { return c != 0 }) {
		return nil, errors.New("the key is not the one that wrapped it")
	}
	return r[:length], nil
}

// oneCampaign holds contingency commands against the uses of symmetric keys: each
// carries one that was given out under a decision, and each key was given to one
// campaign alone, because from its first command on it is everybody's.
func (a *audit) oneCampaign(given map[string]string) error {
	campaigns, err := a.campaignsOf()
	if err != nil {
		return err
	}
	used := map[string]string{} // by digest of the symmetric key
	for _, name := range a.named("messages/", ".hex") {
		m, err := a.loadMessage(name)
		if err != nil || m.cra != craCommand || m.code != codeContingency {
			continue
		}
		key, err := m.symmetricKey()
		if err != nil {
			return fmt.Errorf("%s: %v", name, err)
		}
		sum := sha256.Sum256(key)
		digest := hex.EncodeToString(sum[:])
		label, is := given[digest]
		if !is {
			return fmt.Errorf("%s carries a symmetric key that no decision gave out", name)
		}
		if before, seen := used[digest]; seen && before != campaigns[name] {
			return fmt.Errorf("%s: the symmetric key %q is good for one campaign, and %q used it as well as %q", name, label, campaigns[name], before)
		}
		used[digest] = campaigns[name]
	}
	return nil
}

// campaignsOf are the campaigns of the messages, by file.
func (a *audit) campaignsOf() (map[string]string, error) {
	out := map[string]string{}
	for _, e := range a.entries {
		if e.Kind != "message" {
			continue
		}
		var body struct {
			File     string `json:"file"`
			Campaign string `json:"campaign"`
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return nil, fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		out[body.File] = body.Campaign
	}
	return out, nil
}
