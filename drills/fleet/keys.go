package fleet

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"io"

	"filippo.io/keygen"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/policy"
)

// A keyPair is one of a device's two key pairs with its Device Certificate.
// A command may have it make a successor (CS02c), which waits in next until a
// certificate for it arrives (CS02d): the old pair works until then.
type keyPair struct {
	usage       policy.KeyUsage
	generation  int
	private     *ecdsa.PrivateKey
	agreement   *ecdh.PrivateKey // the same key, where the usage is key agreement
	certificate *policy.Certificate
	next        *ecdsa.PrivateKey
}

// deviceKey derives the private key of a device from the seed. The key depends
// on the device, its usage and its generation alone, so that the same drill has
// the same keys whatever happened in between.
func deviceKey(seed [32]byte, id policy.EntityID, usage policy.KeyUsage, generation int) (*ecdsa.PrivateKey, error) {
	h := hmac.New(sha256.New, seed[:])
	h.Write([]byte("exercise device key"))
	h.Write(id[:])
	var n [10]byte
	binary.BigEndian.PutUint16(n[:2], uint16(usage))
	binary.BigEndian.PutUint64(n[2:], uint64(generation))
	h.Write(n[:])
	key, err := keygen.ECDSA(elliptic.P256(), h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("deriving the %v key of device %v: %w", usage, id, err)
	}
	return key, nil
}

func newKeyPair(seed [32]byte, id policy.EntityID, usage policy.KeyUsage) (keyPair, error) {
	key, err := deviceKey(seed, id, usage, 1)
	if err != nil {
		return keyPair{}, err
	}
	p := keyPair{usage: usage, generation: 1}
	return p, p.use(key)
}

// use makes key the pair's working key.
func (p *keyPair) use(key *ecdsa.PrivateKey) error {
	p.private = key
	if p.usage == policy.UsageKeyAgreement {
		agreement, err := key.ECDH()
		if err != nil {
			return fmt.Errorf("using a key for agreement: %w", err)
		}
		p.agreement = agreement
	}
	return nil
}

// pairLocked returns the pair of a usage, or nil for a usage that devices have
// no key for.
func (d *Device) pairLocked(usage policy.KeyUsage) *keyPair {
	switch usage {
	case policy.UsageDigitalSignature:
		return &d.signing
	case policy.UsageKeyAgreement:
		return &d.agree
	}
	return nil
}

// A steadySigner signs as RFC 6979 does, whatever source of randomness its
// caller offers, so that a device gives the same answer octet for octet when a
// drill is run again with the same commands.
type steadySigner struct{ key *ecdsa.PrivateKey }

func (s steadySigner) Public() crypto.PublicKey { return &s.key.PublicKey }

func (s steadySigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.Sign(nil, digest, opts)
}

// Request returns a DER PKCS#10 request for the device's key of one usage, in
// the form a device makes it: empty subject, key usage and hardware module
// name, both critical (GBCS, CS02c). The request of one device, usage and seed
// is always the same.
func (d *Device) Request(usage policy.KeyUsage) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	pair := d.pairLocked(usage)
	if pair == nil {
		return nil, fmt.Errorf("making a request for device %v: a device has no %v key", d.ID, usage)
	}
	return d.request(usage, pair.private)
}

var (
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidHardwareModuleName = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4}
)

func (d *Device) request(usage policy.KeyUsage, key *ecdsa.PrivateKey) ([]byte, error) {
	var san cryptobyte.Builder
	san.AddASN1(casn1.SEQUENCE, func(names *cryptobyte.Builder) {
		names.AddASN1(casn1.Tag(0).ContextSpecific().Constructed(), func(other *cryptobyte.Builder) {
			other.AddASN1ObjectIdentifier(oidHardwareModuleName)
			other.AddASN1(casn1.Tag(0).ContextSpecific().Constructed(), func(value *cryptobyte.Builder) {
				value.AddASN1(casn1.SEQUENCE, func(module *cryptobyte.Builder) {
					module.AddASN1ObjectIdentifier(d.HardwareType)
					module.AddASN1OctetString(d.ID[:])
				})
			})
		})
	})
	sanDER, err := san.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making a request for device %v: %w", d.ID, err)
	}
	der, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{
		SignatureAlgorithm: x509.ECDSAWithSHA256,
		ExtraExtensions: []pkix.Extension{
			{Id: oidKeyUsage, Critical: true, Value: usage.DER()},
			{Id: oidSubjectAltName, Critical: true, Value: sanDER},
		},
	}, steadySigner{key})
	if err != nil {
		return nil, fmt.Errorf("making a request for device %v: %w", d.ID, err)
	}
	return der, nil
}

// Install gives the device a Device Certificate for one of its present keys.
// It refuses a certificate for another device, another key or another usage,
// and then changes nothing.
func (d *Device) Install(c *policy.Certificate) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	pair := d.pairLocked(c.Usage)
	switch {
	case pair == nil:
		return fmt.Errorf("installing a certificate on device %v: a device has no %v key", d.ID, c.Usage)
	case c.DeviceID != d.ID:
		return fmt.Errorf("installing a certificate on device %v: it is for %v", d.ID, c.DeviceID)
	case !pair.private.PublicKey.Equal(c.PublicKey):
		return fmt.Errorf("installing a certificate on device %v: it is for another %v key", d.ID, c.Usage)
	}
	pair.certificate = c
	return nil
}

// Certificate returns the device's certificate of one usage, or nil if none is
// installed.
func (d *Device) Certificate(usage policy.KeyUsage) *policy.Certificate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pair := d.pairLocked(usage); pair != nil {
		return pair.certificate
	}
	return nil
}

// Public returns the device's present public key of one usage, or nil for a
// usage that devices have no key for.
func (d *Device) Public(usage policy.KeyUsage) *ecdsa.PublicKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pair := d.pairLocked(usage); pair != nil {
		return &pair.private.PublicKey
	}
	return nil
}

// SharedSecret returns Z, the x-coordinate that static Diffie-Hellman gives
// between the device's key agreement key and pub. With it an outsider can check
// the MACs of a drill; it is an exercise secret and belongs in no log.
func (d *Device) SharedSecret(pub *ecdsa.PublicKey) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sharedSecretLocked(pub)
}

// A secretMemo keeps the last shared secret. A device talks to one Access
// Control Broker, so one is enough to save a point multiplication a message.
type secretMemo struct {
	with *ecdsa.PublicKey
	z    []byte
}

func (d *Device) sharedSecretLocked(pub *ecdsa.PublicKey) ([]byte, error) {
	if d.secret.with != nil && d.secret.with.Equal(pub) {
		return append([]byte(nil), d.secret.z...), nil
	}
	peer, err := pub.ECDH()
	if err != nil {
		return nil, fmt.Errorf("agreeing on a secret for device %v: %w", d.ID, err)
	}
	z, err := d.agree.agreement.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("agreeing on a secret for device %v: %w", d.ID, err)
	}
	d.secret = secretMemo{with: pub, z: z}
	return append([]byte(nil), z...), nil
}
