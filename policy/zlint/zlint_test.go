package zlint_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zmap/zcrypto/x509"
	zmap "github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"smki.example/policy"
	"smki.example/policy/policytest"
	"smki.example/policy/zlint"
)

var supplierID = policy.EntityID{0x90, 0xb3, 0xd5, 0x1f, 0x30, 0x01, 0x00, 0x00}

// What policy builds passes our lints and zlint's of RFC 5280.
func TestBuiltObjectsPass(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	party, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	device, _ := h.Device(t, supplierID, policy.UsageKeyAgreement)
	for name, c := range map[string]*policy.Certificate{
		"root-oca": h.RootOCA.Certificate, "issuing-oca": h.IssuingOCA.Certificate, "root-dca": h.RootDCA.Certificate,
		"issuing-dca": h.IssuingDCA.Certificate, "organisation": party, "device": device,
	} {
		found, err := zlint.LintCertificate(c.Raw, "exercise")
		require.NoError(t, err, name)
		require.Empty(t, found, name)
	}
	list := h.CRL(t, h.IssuingOCA, 1, policytest.Began.Add(time.Hour), policy.CRLEntry{Serial: party.Serial, At: policytest.Began, Reason: policy.ReasonKeyCompromise})
	found, err := zlint.LintCRL(list.Raw)
	require.NoError(t, err)
	require.Empty(t, found)
}

// Every rule that can be judged without the issuer is a lint under our source,
// and the registry has no lint of another source than ours and RFC 5280.
func TestEveryRuleIsALint(t *testing.T) {
	t.Parallel()
	registry, err := zlint.Registry("")
	require.NoError(t, err)
	zlint.Register() // twice is once
	for _, rule := range policy.Rules() {
		var source lint.LintSource
		switch rule.Scope {
		case policy.ScopeForm, policy.ScopePractice, policy.ScopeEnvironment:
			if rule.Name == "issuer" || rule.Name == "own-key" {
				continue
			}
			l := registry.CertificateLints().ByName(zlint.Name(rule))
			require.NotNil(t, l, rule.Name)
			require.Equal(t, rule.Clause, l.Citation)
			source = l.Source
		case policy.ScopeList:
			l := registry.RevocationListLints().ByName(zlint.Name(rule))
			require.NotNil(t, l, rule.Name)
			source = l.Source
		default:
			continue
		}
		require.Equal(t, zlint.Source, source)
	}
	require.ElementsMatch(t, lint.SourceList{zlint.Source, lint.RFC5280}, registry.Sources())
	_, err = zlint.Registry("live")
	require.ErrorContains(t, err, "exercise")
}

// Each row changes octets of a good object in place; our lint of that rule must
// say so.
func TestLintsFail(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	device, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)
	list := h.CRL(t, h.IssuingOCA, 1, policytest.Began.Add(time.Hour), policy.CRLEntry{Serial: device.Serial, At: policytest.Began, Reason: policy.ReasonKeyCompromise})
	has := func(found []zlint.Finding, name string) {
		t.Helper()
		for _, f := range found {
			if f.Lint == name {
				require.Contains(t, f.String(), f.Citation)
				return
			}
		}
		require.Failf(t, "not found", "%s in %v", name, found)
	}
	for name, change := range map[string][2][]byte{
		"e_smki_key_usage":              {{3, 2, 7, 0x80}, {3, 2, 3, 0x88}},
		"e_smki_subject_key_identifier": {device.SubjectKeyID[:], make([]byte, 8)},
		"e_smki_device_validity":        {[]byte("99991231235959Z"), []byte("20601231235959Z")},
		"e_smki_entity_identifier":      {supplierID[:], make([]byte, 8)},
		"e_smki_policy_identifier":      {{0x81, 0xfd, 0x59, 1, 2, 1, 2}, {0x81, 0xfd, 0x59, 1, 2, 1, 3}},
	} {
		bad := bytes.Replace(device.Raw, change[0], change[1], 1)
		require.NotEqual(t, device.Raw, bad, name)
		found, err := zlint.LintCertificate(bad, "exercise")
		require.NoError(t, err, name)
		has(found, name)
	}
	found, err := zlint.LintCRL(bytes.Replace(list.Raw, []byte{0x0a, 1, 1}, []byte{0x0a, 1, 6}, 1))
	require.NoError(t, err)
	has(found, "e_smki_crl_reason")

	_, err = zlint.LintCertificate([]byte{0x30, 0}, "")
	require.ErrorContains(t, err, "reading a certificate")
	_, err = zlint.LintCRL(nil)
	require.ErrorContains(t, err, "reading a revocation list")
}

// Without an environment its rules do not apply; with one they do.
func TestEnvironmentIsConfiguration(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	device, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)
	found, err := zlint.LintCertificate(device.Raw, "")
	require.NoError(t, err)
	require.Empty(t, found)
	found, err = zlint.LintCertificate(device.Raw, "dcc-test")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "e_smki_policy_identifier", found[0].Lint)
}

// An excluded lint that no longer fails is to be taken off the list.
func TestExclusionsAreNeeded(t *testing.T) {
	t.Parallel()
	zlint.Register()
	h := policytest.NewHierarchy(t)
	party, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	c, err := x509.ParseCertificate(party.Raw)
	require.NoError(t, err)
	for name, reason := range zlint.Excluded {
		require.NotEmpty(t, reason)
		registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeNames: []string{name}})
		require.NoError(t, err)
		require.Greater(t, zmap.LintCertificateEx(c, registry).Results[name].Status, lint.Notice, name)
	}
}

func TestPublishedCertificates(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"90b3d51f30010000-Z1-supplier-ds.pem":       nil,
		"90b3d51f30010008-Z1-loadController-ds.pem": {"e_smki_lifetime", "w_smki_published_days"},
		"device-00db1234567890a0-ds.pem":            nil,
		"issuing-Z1.pem":                            nil,
	} {
		b, err := os.ReadFile(filepath.Join(policytest.Vectors(t), "certs", file))
		require.NoError(t, err)
		block, _ := pem.Decode(b)
		found, err := zlint.LintCertificate(block.Bytes, "dcc-test")
		require.NoError(t, err)
		var got []string
		for _, f := range found {
			got = append(got, f.Lint)
		}
		require.Equal(t, want, got, file)
	}
}
