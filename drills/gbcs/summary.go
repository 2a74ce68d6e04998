package gbcs

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"smki.example/policy"
)

// What stands in lists of a Tree has one line for people and an object for
// programs.

// MarshalJSON writes role, keyUsage and cellUsage by name.
func (c TrustAnchorCell) MarshalJSON() ([]byte, error) {
	return json.Marshal(Tree{
		{"remotePartyRole", c.Role.String()},
		{"keyUsage", c.Usage.String()},
		{"cellUsage", c.Cell.String()},
	})
}

func (f SpecialistFloor) usage() string {
	if f.Usage == 0 {
		return "prepaymentTopUp"
	}
	return fmt.Sprintf("usage %d", f.Usage)
}

// String prints "prepaymentTopUp 0".
func (f SpecialistFloor) String() string { return fmt.Sprintf("%s %d", f.usage(), f.Floor) }

// MarshalJSON writes usage and seqNumber.
func (f SpecialistFloor) MarshalJSON() ([]byte, error) {
	return json.Marshal(Tree{{"usage", f.usage()}, {"seqNumber", uint64(f.Floor)}})
}

// String prints "supplier 0 (prepaymentTopUp 0)".
func (c SeqNumberChange) String() string {
	s := fmt.Sprintf("%s %d", c.Role, c.Floor)
	if c.Specialist == nil {
		return s
	}
	var list []string
	for _, f := range c.Specialist {
		list = append(list, f.String())
	}
	return s + " (" + strings.Join(list, ", ") + ")"
}

// MarshalJSON writes remotePartyRole, floorSeqNumber and, where there is one,
// specialistFloorSeqNumber.
func (c SeqNumberChange) MarshalJSON() ([]byte, error) {
	t := Tree{{"remotePartyRole", c.Role.String()}, {"floorSeqNumber", uint64(c.Floor)}}
	if c.Specialist != nil {
		t = append(t, Field{"specialistFloorSeqNumber", c.Specialist})
	}
	return json.Marshal(t)
}

// String prints the cell and what the certificate for it says.
func (r Replacement) String() string {
	return fmt.Sprintf("%s <- %s", r.Cell, Summarise(r.Certificate))
}

// MarshalJSON writes targetTrustAnchorCell and replacementCertificate.
func (r Replacement) MarshalJSON() ([]byte, error) {
	return json.Marshal(Tree{
		{"targetTrustAnchorCell", r.Cell},
		{"replacementCertificate", Summarise(r.Certificate)},
	})
}

// String prints "supplier keyAgreement: success (0): EUI key -> EUI key".
func (c CellOutcome) String() string {
	return fmt.Sprintf("%s: %s: %s %s -> %s %s", c.Cell, c.Status.Coded(), c.ExistingID, c.ExistingKeyID, c.ReplacingID, c.ReplacingKeyID)
}

// MarshalJSON writes the fields under their names in the specification.
func (c CellOutcome) MarshalJSON() ([]byte, error) {
	return json.Marshal(Tree{
		{"affectedTrustAnchorCell", c.Cell},
		{"statusCode", c.Status.Coded()},
		{"existingSubjectUniqueID", c.ExistingID},
		{"existingSubjectKeyIdentifier", c.ExistingKeyID.String()},
		{"replacingSubjectUniqueID", c.ReplacingID},
		{"replacingSubjectKeyIdentifier", c.ReplacingKeyID.String()},
	})
}

// String prints "keyAgreement prePaymentTopUp: EUI key".
func (c Credential) String() string {
	s := c.Usage.String()
	if c.Cell != CellManagement {
		s += " " + c.Cell.String()
	}
	return fmt.Sprintf("%s: %s %s", s, c.ID, c.KeyID)
}

// MarshalJSON writes the fields under their names in the specification.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(Tree{
		{"keyUsage", c.Usage.String()},
		{"cellUsage", c.Cell.String()},
		{"subjectUniqueID", c.ID},
		{"subjectKeyIdentifier", c.KeyID.String()},
	})
}

// A CertificateSummary is what a certificate in a message says. Certificate is
// nil if the octets are none.
type CertificateSummary struct {
	Octets      int
	Certificate *policy.Certificate
}

// Summarise reads a certificate (DER) as far as it can be read.
func Summarise(der []byte) CertificateSummary {
	c, _, err := policy.ReadCertificate(der)
	if err != nil {
		c = nil
	}
	return CertificateSummary{Octets: len(der), Certificate: c}
}

// String prints the certificate in one line.
func (s CertificateSummary) String() string {
	c := s.Certificate
	if c == nil {
		return fmt.Sprintf("%d octets that are no certificate", s.Octets)
	}
	var who []string
	if id, ok := c.EntityID(); ok {
		who = append(who, id.String())
	}
	if role, ok := c.Role(); ok {
		who = append(who, role.String())
	}
	if c.Subject.CN != "" {
		who = append(who, fmt.Sprintf("%q", c.Subject.CN))
	}
	return fmt.Sprintf("%s, %s, key %s, issuer %q %s, serial %s, %s to %s", strings.Join(who, " "), c.Usage, c.SubjectKeyID,
		c.Issuer.CN, c.AuthorityKeyID, c.Serial, c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

// MarshalJSON writes an object; "certificate" is false if the octets are none.
func (s CertificateSummary) MarshalJSON() ([]byte, error) {
	c := s.Certificate
	t := Tree{{"octets", s.Octets}, {"certificate", c != nil}}
	if c == nil {
		return json.Marshal(t)
	}
	if id, ok := c.EntityID(); ok {
		t = append(t, Field{"entityID", id})
	}
	if role, ok := c.Role(); ok {
		t = append(t, Field{"remotePartyRole", role.String()})
	}
	if c.Subject.CN != "" {
		t = append(t, Field{"commonName", c.Subject.CN})
	}
	return json.Marshal(append(t,
		Field{"keyUsage", c.Usage.String()},
		Field{"subjectKeyIdentifier", c.SubjectKeyID.String()},
		Field{"issuer", c.Issuer.CN},
		Field{"authorityKeyIdentifier", c.AuthorityKeyID.String()},
		Field{"serial", c.Serial.String()},
		Field{"notBefore", c.NotBefore.UTC().Format(time.RFC3339)},
		Field{"notAfter", c.NotAfter.UTC().Format(time.RFC3339)},
	))
}
