package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

func describeAlgorithm(algorithm []byte) string {
	if len(algorithm) == len(algorithmECDSA)+2 && bytes.Equal(algorithm[2:len(algorithmECDSA)], algorithmECDSA[2:]) &&
		bytes.HasSuffix(algorithm, []byte{tagNull, 0}) {
		return "ecdsa-with-SHA256 with NULL parameters"
	}
	return "another algorithm"
}

func criticality(critical bool) string {
	if critical {
		return "critical"
	}
	return "not critical"
}

func keyIDText(id KeyID) string {
	if id.IsZero() {
		return "none of 8 octets"
	}
	return id.String()
}

func wholeDays(c *Certificate) bool {
	return c.NotBefore.Equal(c.NotBefore.Truncate(24*time.Hour)) &&
		c.NotAfter.Add(time.Second).Equal(c.NotAfter.Add(time.Second).Truncate(24*time.Hour))
}

// shape returns the attribute types of a name in order, and false if an RDN has
// more than one.
func shape(attrs []attribute) (string, bool) {
	names := make([]string, len(attrs))
	single := true
	for i, a := range attrs {
		names[i] = a.name()
		single = single && a.rdn == i
	}
	return strings.Join(names, ", "), single
}

func stringsAre(attrs []attribute, tag byte) bool {
	for _, a := range attrs {
		if a.tag != tag && !oidUniqueIdentifier.is(a.oid) {
			return false
		}
	}
	return true
}

const (
	shapeAuthority = "organizationalUnitName, commonName"
	shapeDCA       = "commonName"
	shapeParty     = "organizationalUnitName, uniqueIdentifier"
	shapeNamed     = "commonName, organizationalUnitName, uniqueIdentifier"
)

// authorityShape returns what the name of an authority of that profile is.
func authorityShape(kind ProfileName) (attributes, ou string) {
	switch kind {
	case ProfileRootOCA:
		return shapeAuthority, RoleRoot.OU()
	case ProfileIssuingOCA:
		return shapeAuthority, RoleIssuingAuthority.OU()
	}
	return shapeDCA, ""
}

func checkIssuerName(x *examination) {
	want, ou := authorityShape(x.kind.Issuer())
	got, single := shape(x.c.form.issuer)
	x.require(got == want && single, "issuer", want+", one to an RDN", got)
	x.require(x.c.Issuer.OU == ou, "issuer.organizationalUnitName", fmt.Sprintf("%q", ou), fmt.Sprintf("%q", clip(x.c.Issuer.OU)))
}

func checkSubjectName(x *examination) {
	got, single := shape(x.c.form.subject)
	switch {
	case x.kind == ProfileDevice:
		x.require(got == "", "subject", "an empty name", got)
	case x.kind == ProfileOrganisation:
		x.require((got == shapeParty || got == shapeNamed) && single, "subject", "["+shapeDCA+",] "+shapeParty+", one to an RDN", got)
	default:
		want, ou := authorityShape(x.kind)
		x.require(got == want && single, "subject", want+", one to an RDN", got)
		x.require(x.c.Subject.OU == ou, "subject.organizationalUnitName", fmt.Sprintf("%q", ou), fmt.Sprintf("%q", clip(x.c.Subject.OU)))
	}
	if x.kind.Root() {
		x.require(x.c.SelfIssued(), "issuer", "the subject's own name", x.c.Issuer.String())
	}
}

func checkExtensionSet(x *examination) {
	places := extensionOrder(x.kind)
	for _, place := range places {
		x.require(place.optional || find(x.c.Extensions, place.oid) != nil, "extensions."+extensionName(place.oid.id), "this extension", "none")
	}
	for _, e := range x.c.Extensions {
		listed := slices.ContainsFunc(places, func(p extensionPlace) bool { return p.oid.id.Equal(e.ID) })
		x.require(listed, "extensions."+extensionName(e.ID), "no such extension", "one")
	}
}

func checkExtensionOrder(x *examination) {
	var want, got []string
	for _, place := range extensionOrder(x.kind) {
		if find(x.c.Extensions, place.oid) != nil {
			want = append(want, extensionName(place.oid.id))
		}
	}
	for _, e := range x.c.Extensions {
		if name := extensionName(e.ID); slices.Contains(want, name) {
			got = append(got, name)
		}
	}
	x.require(slices.Equal(got, want), "extensions", strings.Join(want, ", "), strings.Join(got, ", "))
}

func checkSelfSignature(x *examination) {
	if x.c.Raw == nil {
		return
	}
	// The signature of anybody but a root is looked at only if nothing says
	// which key made it: with an authorityKeyIdentifier the path check decides.
	if !x.kind.Root() && !x.c.AuthorityKeyID.IsZero() {
		return
	}
	own := VerifyTBS(x.c.PublicKey, x.c.RawTBS, x.c.Signature) == nil
	if x.kind.Root() {
		x.require(own, "signatureValue", "a signature with the certificate's own key", "another one")
	} else {
		x.require(!own, "signatureValue", "a signature of the issuer it names", "one with the certificate's own key")
	}
}

// checkIssuer compares with the certificate that is to sign.
func checkIssuer(x *examination) {
	if x.profile.Name.Root() {
		x.require(x.issuer == nil, "issuer", "no issuer but itself", "another certificate")
		return
	}
	if x.issuer == nil {
		x.require(false, "issuer", "the certificate of the "+string(x.profile.Name.Issuer()), "none")
		return
	}
	x.require(x.issuer.Kind() == x.profile.Name.Issuer(), "issuer", "the "+string(x.profile.Name.Issuer()), string(x.issuer.Kind()))
	x.require(sameRaw(x.c.RawIssuer, x.issuer.RawSubject), "issuer", x.issuer.Subject.String(), x.c.Issuer.String())
	x.require(x.c.AuthorityKeyID == x.issuer.SubjectKeyID, "extensions.authorityKeyIdentifier", x.issuer.SubjectKeyID.String(), keyIDText(x.c.AuthorityKeyID))
	x.require(x.issuer.IsCA && x.issuer.Usage&UsageCertSign != 0, "issuer", "an authority with keyCertSign", x.issuer.Usage.String())
	x.require(!x.c.NotBefore.After(x.issuer.NotAfter), "validity.notBefore", "a time at which the issuer's certificate is still valid", x.c.NotBefore.Format(time.RFC3339))
}
