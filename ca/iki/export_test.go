package iki

import (
	"crypto/x509"
	"time"

	"smki.example/policy"
)

// RefusedByCFSSL is what an error of cfssl's becomes.
var RefusedByCFSSL = refusedByCFSSL

// LintCertificate lints to-be-signed bytes as those of c, which a request asked for.
func LintCertificate(tbs []byte, c *Certificate, r *Request, issuer *x509.Certificate) error {
	e := &expected{serial: c.Serial, issuer: issuer.RawSubject, notBefore: c.NotBefore, notAfter: c.NotAfter, key: r.KeyHash,
		subject:    []attribute{{oidOrganisation, r.Organisation}, {oidOrganisationalUnit, r.Role.OU()}, {oidCommonName, r.CN}},
		extensions: clientExtensions(r, issuer.SubjectKeyId)}
	return e.lint(tbs)
}

// LintList lints to-be-signed bytes as those of a list.
func LintList(tbs []byte, r CRLRecord, entries []policy.CRLEntry, issuer *x509.Certificate) error {
	return lintList(tbs, issuer.RawSubject, issuer.SubjectKeyId, &list{record: r, entries: entries})
}

// WriteServer makes a server's certificate as of a time.
func WriteServer(file string, now time.Time) error {
	return writeServer(file, []string{"localhost"}, now)
}
