package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CRLTemplate is a revocation list that is about to be built. The issuer
// decides which list it is: that of the Issuing OCA is the Organisation CRL,
// that of the Root OCA the Organisation ARL, that of the Issuing DCA, where an
// environment has one, the device CRL.
type CRLTemplate struct {
	Issuer                 *Certificate
	Number                 int64
	ThisUpdate, NextUpdate time.Time
	Entries                []CRLEntry // in any order, each serial once
}

// TBSCRL returns the exact to-be-signed bytes of a list: version 2, entries
// ascending by serial, the extensions authorityKeyIdentifier and cRLNumber,
// reason codes non-critical (RFC 5280, 5). Times are cut to the second.
//
// A serial that stands twice in the template is an error: two entries would
// differ in date or reason, and a list that says both says neither.
func TBSCRL(t CRLTemplate) ([]byte, error) {
	if err := checkCRLTemplate(t); err != nil {
		return nil, fmt.Errorf("building a revocation list: %w", err)
	}
	entries := slices.Clone(t.Entries)
	slices.SortFunc(entries, func(a, b CRLEntry) int { return bytes.Compare(a.Serial[:], b.Serial[:]) })
	for i := 1; i < len(entries); i++ {
		if entries[i].Serial == entries[i-1].Serial {
			return nil, fmt.Errorf("building a revocation list: Entries: want each serial once, got %s twice", entries[i].Serial)
		}
	}
	authority, err := encodeAuthorityKeyID(t.Issuer.SubjectKeyID)
	if err != nil {
		return nil, err
	}
	var number cryptobyte.Builder
	number.AddASN1Int64(t.Number)
	extensions := []Extension{
		{ID: oidAuthorityKeyIdentifier.id, Value: authority},
		{ID: oidCRLNumber.id, Value: number.BytesOrPanic()},
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 256+48*len(entries)))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddBytes(algorithmECDSA)
		b.AddBytes(t.Issuer.RawSubject)
		for _, at := range []time.Time{t.ThisUpdate, t.NextUpdate} {
			at = at.UTC().Truncate(time.Second)
			addTime(b, at, timeTag(at))
		}
		if len(entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				out := make([]byte, 0, 52*len(entries))
				for _, e := range entries {
					out = appendEntry(out, e)
				}
				b.AddBytes(out)
			})
		}
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addExtensions(b, extensions) })
	})
	return b.Bytes()
}

func checkCRLTemplate(t CRLTemplate) error {
	switch {
	case t.Issuer == nil:
		return errors.New("Issuer: want the certificate of the authority")
	case t.Number < 1:
		return fmt.Errorf("Number: want 1 or more, got %d", t.Number)
	case t.ThisUpdate.IsZero() || t.NextUpdate.IsZero():
		return errors.New("ThisUpdate, NextUpdate: want times")
	case t.ThisUpdate.UTC().Year() < 1950 || t.NextUpdate.UTC().Year() > 9999:
		return errors.New("ThisUpdate, NextUpdate: want dates from 1950 to 9999")
	}
	for _, e := range t.Entries {
		if err := checkCRLEntry(e); err != nil {
			return err
		}
	}
	return nil
}

func checkCRLEntry(e CRLEntry) error {
	switch {
	case e.Serial.IsZero():
		return errors.New("Entries: want a serial in each")
	case !e.Reason.Known():
		return fmt.Errorf("Entries: serial %s: want a reason that SMKI allows, got %s", e.Serial, e.Reason)
	case e.At.UTC().Year() < 1950 || e.At.UTC().Year() > 9999:
		return fmt.Errorf("Entries: serial %s: want a revocation date from 1950 to 9999", e.Serial)
	}
	return nil
}

// reasonExtension is crlEntryExtensions with a reasonCode, up to its value.
var reasonExtension = []byte{tagSequence, 12, tagSequence, 10, tagOID, 3, 0x55, 0x1d, 0x15, tagOctetString, 3, tagEnumerated, 1}

// appendEntry writes one entry. It knows that no entry reaches 128 octets, so
// that every length is one octet: a list of a million entries is built in a
// fraction of the time that nested builders take.
func appendEntry(out []byte, e CRLEntry) []byte {
	start := len(out)
	serial := e.Serial.content()
	out = append(out, tagSequence, 0, tagInteger, byte(len(serial)))
	out = append(out, serial...)
	at := e.At.UTC().Truncate(time.Second)
	tag := timeTag(at)
	out = append(out, tag, byte(len(timeLayout(tag))))
	out = at.AppendFormat(out, timeLayout(tag))
	if e.Reason != ReasonUnspecified {
		out = append(append(out, reasonExtension...), byte(e.Reason))
	}
	out[start+1] = byte(len(out) - start - 2)
	return out
}
