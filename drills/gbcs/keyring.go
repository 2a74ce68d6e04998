package gbcs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"smki.example/policy"
)

// A Keyring is what an onlooker has to check messages with: certificates, bare
// public keys, and shared secrets of key agreement. It holds no private key.
//
// The files it is read from decide what "valid" means: whoever can write to them
// can make any message pass. It may be used concurrently once it is filled.
type Keyring struct {
	// Notes are what was met while reading files and did not stop it.
	Notes []string

	certificates []heldCertificate
	keys         []heldKey
	secrets      []sharedSecret
}

type heldCertificate struct {
	*policy.Certificate
	source string
}

type heldKey struct {
	*ecdsa.PublicKey
	keyID  policy.KeyID
	party  policy.EntityID // zero: not known
	source string
}

type sharedSecret struct {
	a, b   policy.EntityID
	z      []byte
	source string
}

// secretsFiles are the names under which shared secrets are looked for.
var secretsFiles = []string{"mac-secrets.json", "mac-intermediates.json"}

// AddCertificate adds a certificate (DER). It fails if the octets are not one;
// a deviation from the profile does not matter here.
func (k *Keyring) AddCertificate(source string, der []byte) error {
	c, _, err := policy.ReadCertificate(der)
	if err != nil {
		return fmt.Errorf("reading certificate %q: %w", source, err)
	}
	for _, held := range k.certificates {
		if bytes.Equal(held.Raw, c.Raw) {
			return nil
		}
	}
	k.certificates = append(k.certificates, heldCertificate{c, source})
	return nil
}

// AddPublicKey adds a bare public key: an anchor at the end of paths, or, with a
// party that is not zero, a key that the party signs with.
func (k *Keyring) AddPublicKey(source string, pub *ecdsa.PublicKey, party policy.EntityID) error {
	if pub == nil || pub.Curve != elliptic.P256() {
		return fmt.Errorf("reading public key %q: it is not on P-256", source)
	}
	k.keys = append(k.keys, heldKey{pub, policy.KeyIDOf(pub), party, source})
	return nil
}

// AddSecret adds the shared secret of two parties' key agreement keys: the
// x-coordinate that ECDH gives, 32 octets.
func (k *Keyring) AddSecret(source string, a, b policy.EntityID, z []byte) error {
	if len(z) != sharedSecretLength {
		return fmt.Errorf("reading the shared secret of %s and %s from %q: %d octets, not %d", a, b, source, len(z), sharedSecretLength)
	}
	for _, s := range k.secrets {
		if (s.a == a && s.b == b || s.a == b && s.b == a) && bytes.Equal(s.z, z) {
			return nil
		}
	}
	k.secrets = append(k.secrets, sharedSecret{a, b, bytes.Clone(z), source})
	return nil
}

// ReadDirectory adds every *.pem file of a folder (certificates and public
// keys; a file may have several), and the shared secrets that lie in it or where
// evidence packs and the public test vectors have them: in ../keys and ../rtds.
//
// A file that cannot be read as PEM is noted and passed over. It fails only if
// the folder cannot be read.
func (k *Keyring) ReadDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading certificates: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.EqualFold(filepath.Ext(e.Name()), ".pem") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("reading certificates: %w", err)
		}
		if err := k.addPEM(e.Name(), b); err != nil {
			k.Notes = append(k.Notes, err.Error())
		}
	}
	for _, folder := range []string{dir, filepath.Join(dir, "..", "keys"), filepath.Join(dir, "..", "rtds")} {
		for _, name := range secretsFiles {
			err := k.ReadSecrets(filepath.Join(folder, name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				k.Notes = append(k.Notes, err.Error())
			}
		}
	}
	return nil
}

func (k *Keyring) addPEM(name string, b []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			found = true
			if err := k.AddCertificate(name, block.Bytes); err != nil {
				return err
			}
		case "PUBLIC KEY":
			found = true
			key, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				return fmt.Errorf("reading public key %q: %w", name, err)
			}
			pub, ok := key.(*ecdsa.PublicKey)
			if !ok {
				continue // a record key, say: no GBCS message is signed with it
			}
			// A name such as 90b3d51f30000001-recovery.pub.pem says whose key it is.
			var party policy.EntityID
			if len(name) > 2*len(party) {
				if id, err := policy.ParseEntityID(name[:2*len(party)]); err == nil {
					party = id
				}
			}
			if err := k.AddPublicKey(name, pub, party); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("reading %q: neither a certificate nor a public key in PEM is in it", name)
	}
	return nil
}

// ReadSecrets adds the shared secrets of a JSON file with a member
// ecdhSharedSecrets, a list of {partyA, partyB, z}; other members are ignored.
// The file holds secrets: exercise and test keys only belong in one. No error
// shows a value of it.
func (k *Keyring) ReadSecrets(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading shared secrets: %w", err)
	}
	var f struct {
		Secrets []struct {
			PartyA policy.EntityID `json:"partyA"`
			PartyB policy.EntityID `json:"partyB"`
			Z      string          `json:"z"`
		} `json:"ecdhSharedSecrets"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("reading shared secrets %q: it is not JSON with ecdhSharedSecrets of partyA, partyB and z, or an identifier in it is none", file)
	}
	for i, s := range f.Secrets {
		z, err := hex.DecodeString(s.Z)
		if err != nil {
			return fmt.Errorf("reading shared secrets %q: z of entry %d is not hex", file, i+1)
		}
		if err := k.AddSecret(file, s.PartyA, s.PartyB, z); err != nil {
			return err
		}
	}
	return nil
}

// A signingKey is a key that may have made a signature, and where it is from.
type signingKey struct {
	*ecdsa.PublicKey
	keyID       policy.KeyID
	source      string
	certificate *policy.Certificate
}

// signers returns the keys with which a party signs messages.
func (k *Keyring) signers(party policy.EntityID) (keys []signingKey) {
	for _, c := range k.certificates {
		id, ok := c.EntityID()
		if !ok || id != party || c.Usage&policy.UsageDigitalSignature == 0 {
			continue
		}
		if role, ok := c.Role(); ok && (role == policy.RoleXMLSign || role == policy.RoleDSPXMLSign) {
			continue // signs service requests, never messages to devices
		}
		keys = append(keys, signingKey{c.PublicKey, policy.KeyIDOf(c.PublicKey), c.source, c.Certificate})
	}
	for _, held := range k.keys {
		if !held.party.IsZero() && held.party == party {
			keys = append(keys, signingKey{held.PublicKey, held.keyID, held.source, nil})
		}
	}
	return keys
}

// isRole reports whether a certificate says that the party has the role.
// Without any certificate of the party known is false.
func (k *Keyring) isRole(party policy.EntityID, role policy.RemotePartyRole) (is, known bool) {
	for _, c := range k.certificates {
		if id, ok := c.EntityID(); ok && id == party {
			known = true
			if r, ok := c.Role(); ok && r == role {
				return true, true
			}
		}
	}
	return false, known
}

// anchors returns what may stand at the end of a path: root certificates, and
// bare keys that are no party's.
func (k *Keyring) anchors() (anchors []anchor) {
	for _, c := range k.certificates {
		if c.IsCA && c.SelfIssued() {
			anchors = append(anchors, anchorOf(c.Certificate, c.source))
		}
	}
	for _, held := range k.keys {
		if held.party.IsZero() {
			anchors = append(anchors, anchor{policy.TrustAnchor{PublicKey: held.PublicKey, KeyID: held.keyID}, held.source})
		}
	}
	return anchors
}

// issuing returns the issuing certificates here, for certificates of devices,
// whose messages bring no path.
func (k *Keyring) issuing() (path []*policy.Certificate) {
	for _, c := range k.certificates {
		if c.IsCA && !c.SelfIssued() {
			path = append(path, c.Certificate)
		}
	}
	return path
}

type anchor struct {
	policy.TrustAnchor
	source string
}

func anchorOf(c *policy.Certificate, source string) anchor {
	return anchor{policy.AnchorOf(c), source}
}

// contingencyKeys returns the contingency public keys that the symmetric key of
// a command unwraps from root certificates here.
func (k *Keyring) contingencyKeys(symmetricKey []byte) (keys []signingKey) {
	for _, c := range k.certificates {
		if len(c.WrappedContingency) == 0 {
			continue
		}
		if pub, err := UnwrapContingency(c.WrappedContingency, symmetricKey); err == nil {
			keys = append(keys, signingKey{pub, policy.KeyIDOf(pub), "the contingency key in " + c.source, nil})
		}
	}
	return keys
}

func (k *Keyring) bareKeys() (keys []signingKey) {
	for _, held := range k.keys {
		keys = append(keys, signingKey{held.PublicKey, held.keyID, held.source, nil})
	}
	return keys
}
