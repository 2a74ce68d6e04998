package fleet

import (
	"bytes"
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

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/policy"
)

// A device has two key pairs, each with its Device Certificate. A command may
// have it make a successor (CS02c), which waits until a certificate for it
// arrives (CS02d): the old pair works until then.
const (
	pairSigning = iota
	pairAgreement
)

var pairUsages = [2]policy.KeyUsage{policy.UsageDigitalSignature, policy.UsageKeyAgreement}

// A pairState is which generations of a pair there are: the one in use, and the
// newest one made. The keys themselves follow from the seed.
type pairState struct{ present, made uint16 }

// pointLength is an uncompressed point on P-256.
const pointLength = 65

func pairOf(usage policy.KeyUsage) (pair int, ok bool) {
	switch usage {
	case policy.UsageDigitalSignature:
		return pairSigning, true
	case policy.UsageKeyAgreement:
		return pairAgreement, true
	}
	return 0, false
}

// deviceScalar derives a private key from the seed. The key depends on the
// device, its usage and its generation alone, so that the same drill has the
// same keys whatever happened in between. Candidates outside the order of the
// curve are rejected (FIPS 186-5, A.2.2), which one in four thousand million is.
func deviceScalar(seed [32]byte, id policy.EntityID, usage policy.KeyUsage, generation uint16) (scalar [32]byte) {
	in := make([]byte, 0, 64)
	in = append(in, "exercise device key"...)
	in = append(in, id[:]...)
	in = binary.BigEndian.AppendUint16(in, uint16(usage))
	in = binary.BigEndian.AppendUint16(in, generation)
	for try := byte(0); ; try++ {
		h := hmac.New(sha256.New, seed[:])
		h.Write(append(in, try))
		h.Sum(scalar[:0])
		if inOrder(scalar) {
			return scalar
		}
	}
}

// order is the order of P-256 (SP 800-186, 3.2.1.3).
var order = [32]byte{
	0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
	0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
}

func inOrder(scalar [32]byte) bool {
	return scalar != [32]byte{} && bytes.Compare(scalar[:], order[:]) < 0
}

func deviceKey(seed [32]byte, id policy.EntityID, usage policy.KeyUsage, generation uint16) (*ecdsa.PrivateKey, error) {
	scalar := deviceScalar(seed, id, usage, generation)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		return nil, fmt.Errorf("deriving the %v key of device %v: %w", usage, id, err)
	}
	return key, nil
}

// pointOf returns a public key as an uncompressed point.
func pointOf(pub *ecdsa.PublicKey) (point [pointLength]byte, err error) {
	octets, err := pub.Bytes()
	if err == nil && len(octets) != pointLength {
		err = fmt.Errorf("a point of %d octets", len(octets))
	}
	if err != nil {
		return point, fmt.Errorf("reading a public key: %w", err)
	}
	copy(point[:], octets)
	return point, nil
}

// privateLocked returns the working private key of a pair.
func (d *Device) privateLocked(pair int) (*ecdsa.PrivateKey, error) {
	return deviceKey(d.fleet.seed, d.ID, pairUsages[pair], d.pairs[pair].present)
}

// useLocked makes the newest key of a pair, whose public half is given, its
// working key.
func (d *Device) useLocked(pair int, pub *ecdsa.PublicKey) error {
	point, err := pointOf(pub)
	if err != nil {
		return err
	}
	d.public[pair], d.pairs[pair].present = point, d.pairs[pair].made
	d.forgetLocked()
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
	pair, ok := pairOf(usage)
	if !ok {
		return nil, fmt.Errorf("making a request for device %v: a device has no %v key", d.ID, usage)
	}
	key, err := d.privateLocked(pair)
	if err != nil {
		return nil, err
	}
	return d.request(usage, key)
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
					module.AddASN1ObjectIdentifier(d.fleet.hardwareType)
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
	point, err := pointOf(c.PublicKey)
	if err != nil {
		return fmt.Errorf("installing a certificate on device %v: %w", d.ID, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pair, ok := pairOf(c.Usage)
	switch {
	case !ok:
		return fmt.Errorf("installing a certificate on device %v: a device has no %v key", d.ID, c.Usage)
	case c.DeviceID != d.ID:
		return fmt.Errorf("installing a certificate on device %v: it is for %v", d.ID, c.DeviceID)
	case d.public[pair] != point:
		return fmt.Errorf("installing a certificate on device %v: it is for another %v key", d.ID, c.Usage)
	}
	d.moreLocked().certificates[pair] = bytes.Clone(c.Raw)
	return nil
}

// Certificate returns the device's certificate of one usage, or nil if none is
// installed. It is read anew each time; for the key alone [Device.Public] is
// cheaper.
func (d *Device) Certificate(usage policy.KeyUsage) *policy.Certificate {
	pair, ok := pairOf(usage)
	if !ok {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.more == nil || d.more.certificates[pair] == nil {
		return nil
	}
	c, err := policy.ParseCertificate(d.more.certificates[pair])
	if err != nil {
		panic("fleet: internal error: a device holds octets that are no certificate")
	}
	return c
}

// Public returns the device's present public key of one usage, or nil for a
// usage that devices have no key for.
func (d *Device) Public(usage policy.KeyUsage) *ecdsa.PublicKey {
	pair, ok := pairOf(usage)
	if !ok {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.publicLocked(pair)
}

func (d *Device) publicLocked(pair int) *ecdsa.PublicKey {
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), d.public[pair][:])
	if err != nil {
		panic("fleet: internal error: a device has a public key that is none")
	}
	return pub
}

// SharedSecret returns Z, the x-coordinate that static Diffie-Hellman gives
// between the device's key agreement key and pub. With it an outsider can check
// the MACs of a drill; it is an exercise secret and belongs in no log.
func (d *Device) SharedSecret(pub *ecdsa.PublicKey) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sharedSecretLocked(pub)
}

// A secretMemo is a shared secret that is known without a private key; tests
// have such.
type secretMemo struct {
	with *ecdsa.PublicKey
	z    []byte
}

func (d *Device) sharedSecretLocked(pub *ecdsa.PublicKey) ([]byte, error) {
	if d.more != nil && d.more.secret.with != nil && d.more.secret.with.Equal(pub) {
		return bytes.Clone(d.more.secret.z), nil
	}
	peer, err := pub.ECDH()
	if err != nil {
		return nil, fmt.Errorf("agreeing on a secret for device %v: %w", d.ID, err)
	}
	scalar := deviceScalar(d.fleet.seed, d.ID, policy.UsageKeyAgreement, d.pairs[pairAgreement].present)
	key, err := ecdh.P256().NewPrivateKey(scalar[:])
	if err != nil {
		return nil, fmt.Errorf("agreeing on a secret for device %v: %w", d.ID, err)
	}
	z, err := key.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("agreeing on a secret for device %v: %w", d.ID, err)
	}
	return z, nil
}
