package verify

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"

	"smki.example/policy"
)

// certificates reads every certificate of the pack strictly and follows each to
// a self-signed one in the pack. Time is disregarded: a record is read years
// after the drill, and expiry is no tampering.
func (a *audit) certificates() (string, error) {
	all, err := a.loadCertificates()
	if err != nil {
		return "", err
	}
	for name, c := range all {
		if err := chained(c, all); err != nil {
			return "", fmt.Errorf("%s: %v", name, err)
		}
	}
	return fmt.Sprintf("%d certificates, each down to a root in the pack", len(all)), nil
}

// loadCertificates reads the certificates of the pack, once for all steps.
func (a *audit) loadCertificates() (map[string]*policy.Certificate, error) {
	if a.certs != nil {
		return a.certs, nil
	}
	all := map[string]*policy.Certificate{}
	for _, name := range a.named("certs/", ".pem") {
		raw, err := a.read(name)
		if err != nil {
			return nil, err
		}
		block, rest := pem.Decode(raw)
		if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) != 0 {
			return nil, fmt.Errorf("%s holds no single certificate in PEM", name)
		}
		c, err := policy.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %v", name, err)
		}
		all[name] = c
	}
	if len(all) == 0 {
		return nil, errors.New("the pack holds no certificate")
	}
	a.certs = all
	return all, nil
}

func selfSigned(c *policy.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) && c.IsCA }

// chained follows c upwards by name and key identifier, each link verified by
// its issuer's key.
func chained(c *policy.Certificate, all map[string]*policy.Certificate) error {
	for depth := 0; depth < 4; depth++ {
		if selfSigned(c) {
			if err := policy.VerifyTBS(c.PublicKey, c.RawTBS, c.Signature); err != nil {
				return fmt.Errorf("its own signature does not hold: %v", err)
			}
			return nil
		}
		issuer := issuerOf(c, all)
		if issuer == nil {
			return errors.New("its issuer is not in the pack, or did not sign it")
		}
		c = issuer
	}
	return errors.New("its chain does not end")
}

func issuerOf(c *policy.Certificate, all map[string]*policy.Certificate) *policy.Certificate {
	for _, candidate := range all {
		if candidate.IsCA && bytes.Equal(candidate.RawSubject, c.RawIssuer) && candidate.SubjectKeyID == c.AuthorityKeyID &&
			policy.VerifyTBS(candidate.PublicKey, c.RawTBS, c.Signature) == nil {
			return candidate
		}
	}
	return nil
}

// crls verifies every CRL by its issuer in the pack, and that an issuer's
// numbers rise with time.
func (a *audit) crls() (string, error) {
	all, err := a.loadCertificates()
	if err != nil {
		return "", err
	}
	type numbered struct {
		number int64
		crl    *policy.CRL
	}
	byIssuer := map[policy.KeyID][]numbered{}
	names := a.named("crls/", ".crl")
	for _, name := range names {
		raw, err := a.read(name)
		if err != nil {
			return "", err
		}
		crl, err := policy.ParseCRL(raw)
		if err != nil {
			return "", fmt.Errorf("%s: %v", name, err)
		}
		signed := false
		for _, c := range all {
			signed = signed || (c.IsCA && c.SubjectKeyID == crl.AuthorityKeyID && crl.CheckSignature(c) == nil)
		}
		if !signed {
			return "", fmt.Errorf("%s: no certificate of the pack signed it", name)
		}
		for _, other := range byIssuer[crl.AuthorityKeyID] {
			if other.number == crl.Number {
				return "", fmt.Errorf("%s: number %d was given to two CRLs", name, crl.Number)
			}
			if (other.number < crl.Number) == crl.ThisUpdate.Before(other.crl.ThisUpdate) {
				return "", fmt.Errorf("%s: number %d does not rise with time", name, crl.Number)
			}
		}
		byIssuer[crl.AuthorityKeyID] = append(byIssuer[crl.AuthorityKeyID], numbered{crl.Number, crl})
	}
	return fmt.Sprintf("%d lists of %d issuers, numbers rise", len(names), len(byIssuer)), nil
}
