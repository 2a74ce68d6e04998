package policy

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// encode writes a TBSCertificate (RFC 5280, 4.1).
func (p *parts) encode() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if p.version != 0 {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(p.version) })
		}
		addPrimitive(b, tagInteger, p.serial)
		b.AddBytes(p.algorithm)
		b.AddBytes(p.issuer)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, p.notBefore, p.tagBefore)
			addTime(b, p.notAfter, p.tagAfter)
		})
		b.AddBytes(p.subject)
		b.AddBytes(p.spki)
		if len(p.extensions) > 0 {
			b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addExtensions(b, p.extensions) })
		}
	})
	return b.Bytes()
}

func addPrimitive(b *cryptobyte.Builder, tag byte, content []byte) {
	b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(content) })
}

func addTime(b *cryptobyte.Builder, t time.Time, tag byte) {
	addPrimitive(b, tag, []byte(t.Format(timeLayout(tag))))
}

// timeLayout returns the layout of package time for a type of time.
func timeLayout(tag byte) string {
	if tag == tagGeneralizedTime {
		return "20060102150405Z"
	}
	return "060102150405Z"
}

func addExtensions(b *cryptobyte.Builder, list []Extension) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range list {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addPrimitive(b, tagOID, encodeOID(e.ID))
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				addPrimitive(b, tagOctetString, e.Value)
			})
		}
	})
}

func encodeName(attrs []attribute) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := 0; i < len(attrs); {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for rdn := attrs[i].rdn; i < len(attrs) && attrs[i].rdn == rdn; i++ {
					a := attrs[i]
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						addPrimitive(b, tagOID, a.oid)
						addPrimitive(b, a.tag, a.value)
					})
				}
			})
		}
	})
	return b.Bytes()
}

func encodeOctets(content []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1OctetString(content)
	return b.Bytes()
}

func encodeAuthorityKeyID(id KeyID) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id[:]) })
	})
	return b.Bytes()
}

func encodePolicies(policy asn1.ObjectIdentifier) ([]byte, error) {
	if !validOID(policy) {
		return nil, errors.New("the profile has no policy identifier")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addPrimitive(b, tagOID, encodeOID(policy)) })
	})
	return b.Bytes()
}

// encodeBasicConstraints writes cA TRUE with pathLen, or without it if below 0.
func encodeBasicConstraints(pathLen int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Boolean(true)
		if pathLen >= 0 {
			b.AddASN1Int64(int64(pathLen))
		}
	})
	return b.Bytes()
}

func encodeHardwareModuleName(hwType asn1.ObjectIdentifier, id EntityID) ([]byte, error) {
	if !validOID(hwType) || len(encodeOID(hwType)) > maxHardwareType {
		return nil, fmt.Errorf("HardwareType: want an object identifier of at most %d octets", maxHardwareType)
	}
	zero := cbasn1.Tag(0).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(zero, func(b *cryptobyte.Builder) {
			addPrimitive(b, tagOID, oidHardwareModuleName.content)
			b.AddASN1(zero, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addPrimitive(b, tagOID, encodeOID(hwType))
					b.AddASN1OctetString(id[:])
				})
			})
		})
	})
	return b.Bytes()
}
