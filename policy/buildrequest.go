package policy

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// RequestTemplate is what a subscriber asks for: a device if HardwareType is
// set, an organisation otherwise.
type RequestTemplate struct {
	PublicKey    *ecdsa.PublicKey
	Usage        KeyUsage
	EntityID     EntityID
	HardwareType asn1.ObjectIdentifier // devices
	CN           string                // organisations that have one
	Role         RemotePartyRole       // organisations
}

// TBSRequest returns the CertificationRequestInfo of a request in the form of
// SMKI IDS, Appendix F, for parties and devices that this project plays.
// [Assemble] joins it to its signature. What it returns, once signed, passes
// [ParseRequest].
func TBSRequest(t RequestTemplate) ([]byte, error) {
	point, err := pointOf(t.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("building a request: PublicKey: %w", err)
	}
	if !t.Usage.EndEntity() || t.EntityID.IsZero() {
		return nil, errors.New("building a request: want one of digitalSignature and keyAgreement, and an EntityID")
	}
	extensions := []Extension{{ID: oidKeyUsage.id, Critical: true, Value: t.Usage.DER()}}
	subject, err := encodeName(nil)
	if len(t.HardwareType) > 0 {
		if t.CN != "" || t.Role != 0 {
			return nil, errors.New("building a request: want no CN and no Role for a device")
		}
		alt, err := encodeHardwareModuleName(t.HardwareType, t.EntityID)
		if err != nil {
			return nil, fmt.Errorf("building a request: %w", err)
		}
		extensions = append(extensions, Extension{ID: oidSubjectAltName.id, Critical: true, Value: alt})
	} else {
		p := Profile{Name: ProfileOrganisation}
		subject, err = p.subject(CertificateTemplate{CN: t.CN, Role: t.Role, EntityID: t.EntityID})
	}
	if err != nil {
		return nil, fmt.Errorf("building a request: %w", err)
	}
	spki, err := encodePublicKey(point)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addPrimitive(b, tagOID, oidExtensionRequest.content)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addExtensions(b, extensions) })
			})
		})
	})
	return b.Bytes()
}
