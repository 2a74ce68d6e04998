package policy

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CRLEntry is one revoked certificate on a list.
type CRLEntry struct {
	Serial Serial
	At     time.Time // of the revocation, in whole seconds once written
	Reason Reason
}

// CRL is a revocation list as it was read. It is not changed afterwards.
type CRL struct {
	Raw, RawTBS            []byte
	RawIssuer              []byte
	Issuer                 Name
	AuthorityKeyID         KeyID
	Number                 int64
	ThisUpdate, NextUpdate time.Time
	Entries                []CRLEntry // ascending by serial
	Extensions             []Extension
	Signature              []byte

	form crlForm
}

// crlForm is what only the rules look at.
type crlForm struct {
	version                 int64
	tbsAlgorithm, algorithm []byte
	thisTag, nextTag        byte
	authorityMore           bool
	numberSeen              bool
	entryFault              string // first entry that departs from the form
	entryRule               string // the rule that it breaks
}

// ParseCRL reads a list and requires strict DER and every rule for lists in
// [Rules]. The error is a [Violations] or a *[Violation]. The signature is for
// [CRL.CheckSignature].
func ParseCRL(der []byte) (*CRL, error) {
	c, v := readCRL(der)
	if v != nil {
		return nil, v
	}
	if vs := examineCRL(c, nil); len(vs) > 0 {
		return nil, vs
	}
	return c, nil
}

func readCRL(der []byte) (*CRL, *Violation) {
	tbs, algorithm, signature, v := readSigned(der, "certificateList", maxCRL, "RFC 5280, 5.1")
	if v != nil {
		return nil, v
	}
	c, v := readTBSCRL(tbs)
	if v != nil {
		return nil, v
	}
	c.Raw, c.form.algorithm, c.Signature = der, algorithm, signature
	return c, nil
}

// readTBSCRL reads a TBSCertList whose DER was checked.
func readTBSCRL(der []byte) (*CRL, *Violation) {
	c := &CRL{RawTBS: der}
	in, tbs := cryptobyte.String(der), cryptobyte.String(nil)
	var algorithm, issuer cryptobyte.String
	if !in.ReadASN1(&tbs, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, structure("tbsCertList", "a SEQUENCE", "RFC 5280, 5.1")
	}
	if tbs.PeekASN1Tag(cbasn1.INTEGER) && !tbs.ReadASN1Integer(&c.form.version) {
		return nil, structure("version", "an INTEGER", "RFC 5280, 5.1.2.1")
	}
	if !tbs.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) {
		return nil, structure("tbsCertList", "signature and issuer", "RFC 5280, 5.1")
	}
	c.form.tbsAlgorithm = algorithm
	var v *Violation
	if c.Issuer, _, v = parseName(issuer); v != nil {
		v.Field = "issuer." + v.Field
		return nil, v
	}
	c.RawIssuer = issuer
	var ok bool
	if c.ThisUpdate, c.form.thisTag, ok = readTime(&tbs); !ok {
		return nil, structure("thisUpdate", "a time", "RFC 5280, 5.1.2.4")
	}
	if tbs.PeekASN1Tag(cbasn1.UTCTime) || tbs.PeekASN1Tag(cbasn1.GeneralizedTime) {
		if c.NextUpdate, c.form.nextTag, ok = readTime(&tbs); !ok {
			return nil, structure("nextUpdate", "a time", "RFC 5280, 5.1.2.5")
		}
	}
	if tbs.PeekASN1Tag(cbasn1.SEQUENCE) {
		var entries cryptobyte.String
		if !tbs.ReadASN1(&entries, cbasn1.SEQUENCE) || entries.Empty() {
			return nil, structure("revokedCertificates", "at least one entry, or none of the field", "RFC 5280, 5.1.2.6")
		}
		if v := c.readEntries(entries); v != nil {
			return nil, v
		}
	}
	var extensions cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&extensions, &present, cbasn1.Tag(0).ContextSpecific().Constructed()) || !tbs.Empty() {
		return nil, structure("tbsCertList", "nothing but crlExtensions after the entries", "RFC 5280, 5.1")
	}
	if present {
		if c.Extensions, v = readExtensions(extensions); v != nil {
			return nil, v
		}
	}
	return c, c.takeExtensions()
}

func (c *CRL) takeExtensions() *Violation {
	for _, e := range c.Extensions {
		field := "crlExtensions." + extensionName(e.ID)
		switch {
		case oidAuthorityKeyIdentifier.id.Equal(e.ID), oidCRLNumber.id.Equal(e.ID):
			if v := checkDER(e.Value); v != nil {
				v.Field = field + ", " + v.Field
				return v
			}
		}
		switch {
		case oidAuthorityKeyIdentifier.id.Equal(e.ID):
			id, more, ok := readAuthorityKeyID(e.Value)
			if !ok {
				return structure(field, "a SEQUENCE with keyIdentifier", "RFC 5280, 5.2.1")
			}
			c.AuthorityKeyID, c.form.authorityMore = id, more
		case oidCRLNumber.id.Equal(e.ID):
			in := cryptobyte.String(e.Value)
			if !in.ReadASN1Integer(&c.Number) || !in.Empty() {
				return structure(field, "an INTEGER of at most 63 bits", "RFC 5280, 5.2.3")
			}
			c.form.numberSeen = true
		}
	}
	return nil
}

// readEntries reads every entry and notes the first that departs from the form,
// for the rules.
func (c *CRL) readEntries(in cryptobyte.String) *Violation {
	c.Entries = make([]CRLEntry, 0, len(in)/37)
	fault := func(rule, what string, s Serial) {
		if c.form.entryFault == "" {
			c.form.entryRule, c.form.entryFault = rule, fmt.Sprintf("%s at serial %s", what, s)
		}
	}
	for !in.Empty() {
		var entry, serial cryptobyte.String
		if !in.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1(&serial, cbasn1.INTEGER) {
			return structure("revokedCertificates", "userCertificate, revocationDate and crlEntryExtensions", "RFC 5280, 5.1.2.6")
		}
		var e CRLEntry
		var v *Violation
		if e.Serial, v = readSerial(serial); v != nil {
			v.Field = "revokedCertificates.userCertificate"
			return v
		}
		var tag byte
		var ok bool
		if e.At, tag, ok = readTime(&entry); !ok {
			return structure("revokedCertificates.revocationDate", "a time", "RFC 5280, 5.1.2.6")
		}
		if tag != timeTag(e.At) {
			fault("crl-time-form", "revocationDate of the wrong type", e.Serial)
		}
		if n := len(c.Entries); n > 0 && bytes.Compare(c.Entries[n-1].Serial[:], e.Serial[:]) >= 0 {
			fault("crl-entry-order", "an entry that does not ascend", e.Serial)
		}
		if !entry.Empty() {
			extensions, v := readExtensions(entry)
			if v != nil {
				return v
			}
			if len(extensions) != 1 || !extensions[0].ID.Equal(oidReasonCode.id) || extensions[0].Critical {
				fault("crl-entry-extensions", "something other than one non-critical reasonCode", e.Serial)
			}
			for _, x := range extensions {
				if !x.ID.Equal(oidReasonCode.id) {
					continue
				}
				if len(x.Value) != 3 || x.Value[0] != tagEnumerated || x.Value[1] != 1 {
					return structure("revokedCertificates.reasonCode", "an ENUMERATED of one octet", "RFC 5280, 5.3.1")
				}
				if e.Reason = Reason(x.Value[2]); !e.Reason.Known() || e.Reason == ReasonUnspecified {
					fault("crl-reason", e.Reason.String(), e.Serial)
				}
			}
		}
		c.Entries = append(c.Entries, e)
	}
	return nil
}

// CheckSignature verifies that issuer made the list: that it is the authority
// the list names, may sign lists, and that the signature is its own.
func (c *CRL) CheckSignature(issuer *Certificate) error {
	switch {
	case issuer == nil:
		return errors.New("checking a revocation list: want the certificate of its issuer")
	case !sameRaw(c.RawIssuer, issuer.RawSubject) || c.AuthorityKeyID != issuer.SubjectKeyID:
		return fmt.Errorf("checking a revocation list: it is of %s, key %s, not of %s, key %s", c.Issuer, c.AuthorityKeyID, issuer.Subject, issuer.SubjectKeyID)
	case issuer.Usage&UsageCRLSign == 0:
		return fmt.Errorf("checking a revocation list: %s may not sign lists, its key usage is %s", issuer.Subject, issuer.Usage)
	}
	if err := VerifyTBS(issuer.PublicKey, c.RawTBS, c.Signature); err != nil {
		return fmt.Errorf("checking revocation list %d of %s: %w", c.Number, c.Issuer, err)
	}
	return nil
}

// Find returns the entry of a serial, and false if it is not on the list.
func (c *CRL) Find(s Serial) (CRLEntry, bool) {
	i, ok := slices.BinarySearchFunc(c.Entries, s, func(e CRLEntry, s Serial) int { return bytes.Compare(e.Serial[:], s[:]) })
	if !ok {
		return CRLEntry{}, false
	}
	return c.Entries[i], true
}

// PEM returns the list as one PEM block.
func (c *CRL) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: c.Raw})
}
