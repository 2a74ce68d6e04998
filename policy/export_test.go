package policy

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Reencode writes the certificate again from what was read of it. It must be
// octet for octet what was read.
func (c *Certificate) Reencode() ([]byte, error) {
	subject, err := encodeName(c.form.subject)
	if err != nil {
		return nil, err
	}
	issuer, err := encodeName(c.form.issuer)
	if err != nil {
		return nil, err
	}
	point, err := pointOf(c.PublicKey)
	if err != nil {
		return nil, err
	}
	spki, err := encodePublicKey(point)
	if err != nil {
		return nil, err
	}
	tbs, err := (&parts{
		version: c.form.version, serial: c.Serial.content(), algorithm: c.form.tbsAlgorithm,
		issuer: issuer, subject: subject, spki: spki,
		notBefore: c.NotBefore, notAfter: c.NotAfter, tagBefore: c.form.notBeforeTag, tagAfter: c.form.notAfterTag,
		extensions: c.Extensions,
	}).encode()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(c.form.algorithm)
		b.AddASN1BitString(c.Signature)
	})
	return b.Bytes()
}

// HasUniqueIDs reports whether there was a field that is known to be there but
// not read: such a certificate cannot be written again.
func (c *Certificate) HasUniqueIDs() bool { return c.form.uniqueIDs }

// CheckDER is checkDER for tests from outside.
func CheckDER(der []byte) error {
	if v := checkDER(der); v != nil {
		return v
	}
	return nil
}
