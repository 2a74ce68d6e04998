package verbs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/policy"
)

var (
	oidOrganisationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidUniqueIdentifier   = asn1.ObjectIdentifier{2, 5, 4, 45}
	oidExtensionRequest   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidECDSAWithSHA256    = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// organisationRequest makes the PKCS#10 request of an organisation, as its own
// systems would: role and EUI-64 in the subject, one key usage, signed by the key
// itself (SMKI IDS, Appendix F). The standard library cannot write the BIT STRING
// in the subject.
func organisationRequest(role policy.RemotePartyRole, entity policy.EntityID, usage policy.KeyUsage, key crypto.Signer) ([]byte, error) {
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("making a request for %v: the key is %T, not ECDSA", entity, key.Public())
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("making a request for %v: %w", entity, err)
	}
	var info cryptobyte.Builder
	info.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(casn1.SEQUENCE, func(name *cryptobyte.Builder) {
			addName(name, oidOrganisationalUnit, casn1.UTF8String, []byte(role.OU()))
			addName(name, oidUniqueIdentifier, casn1.BIT_STRING, append([]byte{0}, entity[:]...))
		})
		b.AddBytes(spki)
		b.AddASN1(casn1.Tag(0).ContextSpecific().Constructed(), func(attributes *cryptobyte.Builder) {
			attributes.AddASN1(casn1.SEQUENCE, func(attribute *cryptobyte.Builder) {
				attribute.AddASN1ObjectIdentifier(oidExtensionRequest)
				attribute.AddASN1(casn1.SET, func(values *cryptobyte.Builder) {
					values.AddASN1(casn1.SEQUENCE, func(extensions *cryptobyte.Builder) {
						extensions.AddASN1(casn1.SEQUENCE, func(extension *cryptobyte.Builder) {
							extension.AddASN1ObjectIdentifier(oidKeyUsage)
							extension.AddASN1Boolean(true)
							extension.AddASN1OctetString(usage.DER())
						})
					})
				})
			})
		})
	})
	tbs, err := info.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making a request for %v: %w", entity, err)
	}
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("making a request for %v: %w", entity, err)
	}
	var request cryptobyte.Builder
	request.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddASN1(casn1.SEQUENCE, func(algorithm *cryptobyte.Builder) { algorithm.AddASN1ObjectIdentifier(oidECDSAWithSHA256) })
		b.AddASN1BitString(signature)
	})
	return request.Bytes()
}

func addName(name *cryptobyte.Builder, oid asn1.ObjectIdentifier, tag casn1.Tag, value []byte) {
	name.AddASN1(casn1.SET, func(rdn *cryptobyte.Builder) {
		rdn.AddASN1(casn1.SEQUENCE, func(attribute *cryptobyte.Builder) {
			attribute.AddASN1ObjectIdentifier(oid)
			attribute.AddASN1(tag, func(v *cryptobyte.Builder) { v.AddBytes(value) })
		})
	})
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
