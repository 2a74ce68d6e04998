package policy_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// published states, for every public test certificate that departs from the
// form, exactly how. Certificates that are not listed have no deviation.
var published = map[string][]string{
	"00db123456780004-otherUser-ds.pem": {
		"extensions: extensions.basicConstraints",
	},
	"90b3d51f30010008-Z1-loadController-ds.pem": {
		"published-days: validity",
	},
	"90b3d51f30010009-mdr-ds.pem": {
		"signature-algorithm: signature",
		"signature-algorithm: signatureAlgorithm",
		"name-strings: issuer",
		"extension-order: extensions",
		"published-days: validity",
	},
	"dsp-xml-sign-90B3D51F30000002-ds.pem": xmlSigning,
	"xml-sign-00DB123456780004-ds.pem":     xmlSigning,
	"xml-sign-90B3D51F30010000-ds.pem":     xmlSigning,
}

var xmlSigning = []string{
	"name-strings: issuer",
	"extensions: extensions.authorityKeyIdentifier",
	"extension-order: extensions",
	"self-signature: signatureValue",
	"published-lifetime: validity",
	"published-days: validity",
}

// certificates reads every certificate of the public test PKI.
func certificates(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(policytest.Vectors(t), "certs", "*.pem"))
	require.NoError(t, err)
	out := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		block, rest := pem.Decode(b)
		require.NotNil(t, block, f)
		require.Empty(t, rest, f)
		if block.Type == "CERTIFICATE" {
			out[filepath.Base(f)] = block.Bytes
		}
	}
	require.GreaterOrEqual(t, len(out), 25)
	return out
}

func TestPublishedCertificates(t *testing.T) {
	t.Parallel()
	all := certificates(t)
	for name := range published {
		require.Contains(t, all, name)
	}
	for name, der := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, violations, err := policy.ReadCertificate(der)
			require.NoError(t, err)
			var got []string
			for _, v := range violations {
				got = append(got, v.Rule+": "+v.Field)
				require.NotEmpty(t, v.Clause)
			}
			require.Equal(t, published[name], got)

			again, err := c.Reencode()
			require.NoError(t, err)
			require.Equal(t, der, again, "what was read, written again")

			strict, err := policy.ParseCertificate(der)
			if formOnly := onlyPractice(got); formOnly {
				require.NoError(t, err)
				require.Equal(t, c, strict)
			} else {
				require.ErrorContains(t, err, "[rule "+strings.SplitN(got[0], ":", 2)[0]+";")
			}
		})
	}
}

func onlyPractice(rules []string) bool {
	for _, r := range rules {
		if !strings.HasPrefix(r, "published-") {
			return false
		}
	}
	return true
}

// The profile of dcc-test has the shape of the published certificates: they
// pass its lints wherever they deviate in nothing.
func TestPublishedCertificatesPassTheirProfile(t *testing.T) {
	t.Parallel()
	env, err := policy.LoadEnvironment("dcc-test")
	require.NoError(t, err)
	all := certificates(t)
	z1, err := policy.ParseCertificate(all["issuing-Z1.pem"])
	require.NoError(t, err)
	count := 0
	for name, der := range all {
		if published[name] != nil {
			continue
		}
		c, err := policy.ParseCertificate(der)
		require.NoError(t, err, name)
		p, err := env.Profile(c.Kind())
		require.NoError(t, err)
		err = p.LintTBS(c.RawTBS, z1)
		if c.Kind() == policy.ProfileOrganisation {
			require.NoError(t, err, name)
			count++
			continue
		}
		// No certificate of ZA or E357 is public, so that only the rules that
		// compare with the issuer can fail.
		for _, v := range asViolations(t, err) {
			require.Contains(t, []string{"issuer", "own-key"}, v.Rule, "%s: %v", name, v)
		}
	}
	require.Equal(t, 16, count)
}

func asViolations(t *testing.T, err error) policy.Violations {
	t.Helper()
	var vs policy.Violations
	require.ErrorAs(t, err, &vs)
	return vs
}

func anchor(t *testing.T, file string) policy.TrustAnchor {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(policytest.Vectors(t), "certs", file))
	require.NoError(t, err)
	block, _ := pem.Decode(b)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	pub := key.(*ecdsa.PublicKey)
	return policy.TrustAnchor{PublicKey: pub, KeyID: policy.KeyIDOf(pub)}
}

// Every published certificate goes to its anchor, or fails as a device would
// make it fail.
func TestPublishedPaths(t *testing.T) {
	t.Parallel()
	all := certificates(t)
	za, e357 := anchor(t, "anchor-ZA-root.pub.pem"), anchor(t, "anchor-E357-device-issuing.pub.pem")
	require.Equal(t, "48cf1b32697c4669", za.KeyID.String())
	require.Equal(t, "47d40af3412904a0", e357.KeyID.String())
	z1, _, err := policy.ReadCertificate(all["issuing-Z1.pem"])
	require.NoError(t, err)
	fails := map[string]error{
		"00db123456780004-otherUser-ds.pem":    policy.ErrNoTrustAnchor,  // issuer OB is not on the path
		"90b3d51f30010009-mdr-ds.pem":          policy.ErrNoTrustAnchor,  // issuer Z99 is not on the path
		"dsp-xml-sign-90B3D51F30000002-ds.pem": policy.ErrBadCertificate, // names no key of an issuer
		"xml-sign-00DB123456780004-ds.pem":     policy.ErrBadCertificate,
		"xml-sign-90B3D51F30010000-ds.pem":     policy.ErrBadCertificate,
	}
	expired := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for name, der := range all {
		c, _, err := policy.ReadCertificate(der)
		require.NoError(t, err, name)
		to := za
		if c.Kind() == policy.ProfileDevice {
			to = e357
		}
		err = policy.CheckPath(c, []*policy.Certificate{z1}, to, policy.PathOptions{IgnoreTime: true, Policies: c.Policies})
		if want := fails[name]; want != nil {
			require.ErrorIs(t, err, want, name)
			continue
		}
		require.NoError(t, err, name)
		err = policy.CheckPath(c, []*policy.Certificate{z1}, to, policy.PathOptions{Now: c.NotBefore.Add(time.Hour)})
		require.NoError(t, err, name)
		err = policy.CheckPath(c, []*policy.Certificate{z1}, to, policy.PathOptions{Now: expired})
		if c.NotAfter.Before(expired) {
			require.ErrorIs(t, err, policy.ErrBadCertificate, name)
		} else {
			require.NoError(t, err, name)
		}
	}
}
