package auditor

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/policy"
)

// errNoAuthority says that the caller did not bring the certificate that a
// signature must be verified with.
var errNoAuthority = errors.New("the certificate of its authority was not given")

// facts are what a certificate's own bytes say of its row.
type facts struct {
	serial              policy.Serial
	spki                [32]byte
	notBefore, notAfter int64
	entity              []byte
	role                int64 // -1: none
	usage               int64
	organisation, cn    string // IKI
}

// readCertificate verifies the signature over a certificate and compares its row
// with what its bytes say. It returns what is wrong.
func (a *inspection) readCertificate(c *certificateRow) error {
	var said facts
	if isIKI(c.profile) {
		cert, err := x509.ParseCertificate(c.der)
		if err != nil {
			return fmt.Errorf("its bytes do not parse: %w", err)
		}
		issuer := a.iki[c.issuer]
		if issuer == nil {
			return errNoAuthority
		}
		if err := issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
			return fmt.Errorf("its signature is not that of %s: %w", c.issuer, err)
		}
		if said, err = ikiFacts(cert); err != nil {
			return err
		}
	} else {
		cert, err := policy.ParseCertificate(c.der)
		if err != nil {
			return fmt.Errorf("its bytes do not parse: %w", err)
		}
		issuer := a.authorities[c.issuer]
		if issuer == nil {
			return errNoAuthority
		}
		if err := policy.VerifyTBS(issuer.PublicKey, cert.RawTBS, cert.Signature); err != nil {
			return fmt.Errorf("its signature is not that of %s: %w", c.issuer, err)
		}
		if said, err = ownFacts(cert); err != nil {
			return err
		}
	}
	role := int64(-1)
	if c.role.Valid {
		role = c.role.Int64
	}
	for _, column := range []struct {
		name string
		same bool
	}{
		{"serial number", bytes.Equal(c.serial, said.serial[:])},
		{"key", bytes.Equal(c.spki, said.spki[:])},
		{"start of validity", c.notBefore == said.notBefore},
		{"end of validity", c.notAfter == said.notAfter},
		{"entity", bytes.Equal(c.entity, said.entity)},
		{"role", role == said.role},
		{"key usage", c.usage == said.usage},
		{"organisation", c.organisation == said.organisation},
		{"name", c.cn == said.cn},
	} {
		if !column.same {
			return fmt.Errorf("its %s in the ledger is not that of its bytes", column.name)
		}
	}
	return nil
}

func ownFacts(cert *policy.Certificate) (facts, error) {
	spki, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		return facts{}, err
	}
	said := facts{serial: cert.Serial, spki: sha256.Sum256(spki), notBefore: micro(cert.NotBefore), notAfter: micro(cert.NotAfter), role: -1, usage: int64(cert.Usage)}
	if id, ok := cert.EntityID(); ok {
		said.entity = id[:]
	}
	if role, ok := cert.Role(); ok {
		said.role = int64(role)
	}
	return said, nil
}

func ikiFacts(cert *x509.Certificate) (facts, error) {
	said := facts{spki: sha256.Sum256(cert.RawSubjectPublicKeyInfo), notBefore: micro(cert.NotBefore), notAfter: micro(cert.NotAfter), role: -1, cn: cert.Subject.CommonName}
	if cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.BitLen() > 8*len(said.serial) {
		return said, fmt.Errorf("its serial number %X is none of ours", cert.SerialNumber)
	}
	cert.SerialNumber.FillBytes(said.serial[:])
	if len(cert.Subject.Organization) > 0 {
		said.organisation = cert.Subject.Organization[0]
	}
	if len(cert.Subject.OrganizationalUnit) > 0 {
		role, err := policy.ParseRole(cert.Subject.OrganizationalUnit[0])
		if err != nil {
			return said, err
		}
		said.role = int64(role)
	}
	return said, nil
}

// unsigned stands in for the signature of bytes that were not signed, or whose
// signature nobody has.
var unsigned = []byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}

// subject compares the key and the entity of an intent that did not become a
// certificate, which decide what may be issued beside it, with its bytes. Of one
// that did, the certificate is compared.
func subject(r *record, it item, in *intentRow) error {
	der, err := policy.Assemble(in.tbs, unsigned)
	if err != nil {
		return differ(r.Seq, "%s: its bytes are no certificate's: %v", it, err)
	}
	var said facts
	if isIKI(in.profile) {
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(der); err == nil {
			said, err = ikiFacts(cert)
		}
	} else {
		var cert *policy.Certificate
		if cert, err = policy.ParseCertificate(der); err == nil {
			said, err = ownFacts(cert)
		}
	}
	switch {
	case err != nil:
		return differ(r.Seq, "%s: its bytes are no certificate's: %v", it, err)
	case !bytes.Equal(in.spki, said.spki[:]):
		return differ(r.Seq, "%s: its key in the ledger is not that of its bytes", it)
	case !bytes.Equal(in.entity, said.entity):
		return differ(r.Seq, "%s: its entity in the ledger is not that of its bytes", it)
	case !bytes.Equal(in.serial, said.serial[:]):
		return differ(r.Seq, "%s: its serial number in the ledger is not that of its bytes", it)
	}
	return nil
}

// sameTBS tells whether a certificate or a list begins with the bytes of an intent.
func sameTBS(der, tbs []byte) bool {
	in := cryptobyte.String(der)
	var whole, first cryptobyte.String
	return in.ReadASN1(&whole, cbasn1.SEQUENCE) && in.Empty() && whole.ReadASN1Element(&first, cbasn1.SEQUENCE) && bytes.Equal(first, tbs)
}

// recorded compares certificates and what became of their intents.
func (a *inspection) recorded(r *record, f *found) error {
	for _, it := range r.says.Certificates {
		in := f.intents[it.ID]
		if in == nil {
			return differ(r.Seq, "certificate %s: its intent %d is in the log and not in the ledger", it.Serial, it.ID)
		}
		c := compare(r, it)
		c.text("authority", in.issuer, it.Issuer)
		c.text("serial number", serialText(in.serial), it.Serial)
		c.text("profile", in.versioned(), it.Profile)
		a.settle(c, in, "recorded", micro(r.At))
		c.text("cause", as(in.cause), "")
		if c.err == nil {
			c.err = a.certified(r, it, f)
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// name of a certificate, for people.
type name string

func (n name) String() string { return string(n) }

// certified compares the row of a certificate with its item, its intent and its own
// bytes.
func (a *inspection) certified(r *record, it item, f *found) error {
	row, in := f.certificates[it.Serial], f.intents[it.ID]
	if row == nil {
		return differ(r.Seq, "certificate %s: it is in the log and not in the ledger", it.Serial)
	}
	c := compare(r, name("certificate "+it.Serial))
	c.number("intent", row.intent, it.ID)
	c.text("authority", row.issuer, it.Issuer)
	c.text("profile", row.profile, in.profile)
	c.text("intent's key", hex.EncodeToString(in.spki), hex.EncodeToString(row.spki))
	if !isIKI(it.Issuer) {
		c.text("intent's entity", hex.EncodeToString(in.entity), hex.EncodeToString(row.entity))
	}
	c.text("requester", as(row.requester), r.By)
	c.time("time of recording", row.recorded, micro(r.At))
	c.text("interface", row.door, it.Interface)
	c.digest("bytes", row.der, it.DER)
	if c.err == nil && !sameTBS(row.der, in.tbs) {
		c.err = differ(r.Seq, "certificate %s: its bytes are not those of its intent %d", it.Serial, it.ID)
	}
	if fault := f.faults[it.Serial]; c.err == nil && fault != nil {
		if fault == errNoAuthority {
			return fmt.Errorf("certificate %s: the certificate of its authority %q was not given to the audit", it.Serial, row.issuer)
		}
		c.err = differ(r.Seq, "certificate %s: %v", it.Serial, fault)
	}
	if c.err == nil && !a.marks.set(it.ID, certified) {
		c.err = differ(r.Seq, "certificate %s: the log records it a second time", it.Serial)
	}
	if octets, _ := serialOctets(it.Serial); a.strange[string(octets)] {
		a.marks.set(it.ID, revoked)
	}
	a.report.Certificates++
	return c.err
}
