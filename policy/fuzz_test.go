package policy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz targets anew")

// TestSeeds writes the committed seeds with -update: objects that this code
// made, so that fuzzing starts from what it is about and nothing of others is
// in the repository. Without the flag it checks that they are there and still
// read as what they were.
func TestSeeds(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	device, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)
	party := h.Issue(t, policy.ProfileOrganisation, &h.IssuingOCA, policytest.NewKey(t), policy.CertificateTemplate{CN: "EXAMPLE", Role: policy.RoleSupplier, EntityID: supplierID, Usage: policy.UsageKeyAgreement})
	root := h.Issue(t, policy.ProfileRootOCA, nil, policytest.NewKey(t), policy.CertificateTemplate{CN: "XB", WrappedContingency: wrapped})
	key := policytest.NewKey(t)
	at := policytest.Began.Add(time.Hour)
	seeds := map[string]map[string][]byte{
		"FuzzParseCertificate": {"device": device.Raw, "organisation": party.Raw, "root-oca": root.Raw, "issuing-oca": h.IssuingOCA.Certificate.Raw, "issuing-dca": h.IssuingDCA.Certificate.Raw},
		"FuzzParseRequest": {
			"device":       policytest.DeviceRequest(t, key, supplierID, policy.UsageDigitalSignature),
			"organisation": policytest.OrganisationRequest(t, key, "EXAMPLE", policy.RoleSupplier, supplierID, policy.UsageKeyAgreement),
		},
		"FuzzParseCRL": {
			"empty": h.CRL(t, h.RootOCA, 1, at).Raw,
			"two":   h.CRL(t, h.IssuingOCA, 2, at, policy.CRLEntry{Serial: device.Serial, At: at, Reason: policy.ReasonKeyCompromise}, policy.CRLEntry{Serial: party.Serial, At: at}).Raw,
		},
	}
	for target, files := range seeds {
		for name, der := range files {
			file := filepath.Join("testdata", "fuzz", target, name)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", der), 0o644))
			}
			b, err := os.ReadFile(file)
			require.NoError(t, err, "run go test ./policy -run TestSeeds -update")
			var text string
			_, err = fmt.Sscanf(string(b), "go test fuzz v1\n[]byte(%q)", &text)
			require.NoError(t, err)
			switch target {
			case "FuzzParseCertificate":
				_, err = policy.ParseCertificate([]byte(text))
			case "FuzzParseRequest":
				_, err = policy.ParseRequest([]byte(text))
			default:
				_, err = policy.ParseCRL([]byte(text))
			}
			require.NoError(t, err, file)
		}
	}
}

// What reads as a certificate is written again as it was, and what the strict
// reader accepts the tolerant one finds nothing but practice in.
func FuzzParseCertificate(f *testing.F) {
	f.Fuzz(func(t *testing.T, der []byte) {
		c, violations, err := policy.ReadCertificate(der)
		if err != nil {
			return
		}
		if !c.HasUniqueIDs() {
			again, err := c.Reencode()
			require.NoError(t, err)
			require.Equal(t, der, again)
		}
		for _, v := range violations {
			require.NotEmpty(t, v.Error())
		}
		if _, err := policy.ParseCertificate(der); err == nil {
			for _, v := range violations {
				require.Contains(t, v.Rule, "published-")
			}
		}
		_ = policy.CheckPath(c, []*policy.Certificate{c}, policy.AnchorOf(c), policy.PathOptions{IgnoreTime: true})
	})
}

// What reads as a request can be asked for anew: a certificate for it can be
// built, and passes the lints of its profile.
func FuzzParseRequest(f *testing.F) {
	h := policytest.NewHierarchy(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := policy.ParseRequest(der)
		if err != nil {
			return
		}
		if h.Environment.CheckRequest(r) != nil {
			return
		}
		template := policy.CertificateTemplate{Serial: policytest.NewSerial(t), Issuer: h.IssuingDCA.Certificate, PublicKey: r.PublicKey, Usage: r.Usage, EntityID: r.EntityID(), HardwareType: r.HardwareType, NotBefore: policytest.Began}
		if r.Kind() == policy.ProfileOrganisation {
			template.Issuer, template.CN = h.IssuingOCA.Certificate, r.Subject.CN
			template.Role, _ = r.Role()
		}
		p, err := h.Environment.Profile(r.Kind())
		require.NoError(t, err)
		tbs, err := p.TBS(template)
		require.NoError(t, err)
		require.NoError(t, p.LintTBS(tbs, template.Issuer))
	})
}

// What reads as a list is built again from its entries as it was.
func FuzzParseCRL(f *testing.F) {
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := policy.ParseCRL(der)
		if err != nil {
			return
		}
		issuer := &policy.Certificate{RawSubject: c.RawIssuer, SubjectKeyID: c.AuthorityKeyID}
		tbs, err := policy.TBSCRL(policy.CRLTemplate{Issuer: issuer, Number: c.Number, ThisUpdate: c.ThisUpdate, NextUpdate: c.NextUpdate, Entries: c.Entries})
		require.NoError(t, err)
		require.Equal(t, c.RawTBS, tbs)
		again, err := policy.Assemble(tbs, c.Signature)
		require.NoError(t, err)
		require.Equal(t, der, again)
	})
}

// The text forms never yield two objects, or one that is not a SEQUENCE.
func FuzzDecodePEMOrBase64(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"))
	f.Add([]byte("MAA=\r\n"))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		der, err := policy.DecodePEMOrBase64(b, "input")
		if err == nil {
			require.Equal(t, byte(0x30), der[0])
			again, err := policy.DecodePEMOrBase64(der, "input")
			require.NoError(t, err)
			require.Equal(t, der, again)
		}
	})
}
