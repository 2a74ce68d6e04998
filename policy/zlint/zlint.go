// Package zlint offers the rules of package policy as lints of zlint, the
// linter that certification authorities know, so that an SMKI certificate can be
// examined by their tools and next to their own lints.
//
// The rules are not written a second time: each lint asks package policy and
// reports its verdict, with the clause as citation and SMKI as source. Names are
// those of the rules: e_smki_ and the rule for what must hold, w_smki_ for what
// published certificates merely do. Rules that compare a certificate with its
// issuer's have no lint, because zlint shows a lint one certificate only; they
// stay with policy.Profile.LintTBS, which is what stands before every signature.
//
// This package stands apart from policy because zlint links net/http, which must
// not be in the offline ceremony. Start with [LintCertificate] and [LintCRL];
// [Register] is for programs that run zlint's registry themselves.
package zlint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"smki.example/policy"
)

// Source is the source of our lints in zlint's registry.
const Source lint.LintSource = "SMKI"

// A Finding is one lint that did not pass.
type Finding struct {
	Lint     string // e_smki_key_usage, e_path_len_constraint_zero_or_less …
	Status   lint.LintStatus
	Details  string
	Citation string
}

// String returns the finding in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Status, f.Lint, f.Details, f.Citation)
}

// excluded names lints of RFC 5280 that SMKI certificates cannot pass, each
// with the reason why SMKI is right here.
var excluded = map[string]string{
	"e_subject_dn_not_printable_characters": "it takes the EUI-64 in uniqueIdentifier for text; X.520 makes it a BIT STRING",
}

// LintCertificate runs our lints and zlint's of RFC 5280 over a certificate, and
// returns what did not pass. environment is the name of an embedded environment
// whose values are to hold too; empty leaves those lints out.
//
// zlint must be able to read the certificate at all; the error says if it could
// not.
func LintCertificate(der []byte, environment string) ([]Finding, error) {
	registry, err := Registry(environment)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate with zlint: %w", err)
	}
	return findings(zlint.LintCertificateEx(c, registry)), nil
}

// LintCRL runs our lints and zlint's of RFC 5280 over a revocation list.
func LintCRL(der []byte) ([]Finding, error) {
	registry, err := Registry("")
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("reading a revocation list with zlint: %w", err)
	}
	return findings(zlint.LintRevocationListEx(list, registry)), nil
}

// findings returns the results worse than a notice, by name of the lint.
func findings(set *zlint.ResultSet) []Finding {
	var out []Finding
	for name, r := range set.Results {
		if r.Status > lint.Notice {
			out = append(out, Finding{Lint: name, Status: r.Status, Details: r.Details, Citation: r.LintMetadata.Citation})
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return strings.Compare(a.Lint, b.Lint) })
	return out
}

// Registry returns zlint's registry cut down to our lints and those of RFC 5280:
// the lints for web servers have nothing to say about a meter. environment is as
// for [LintCertificate].
func Registry(environment string) (lint.Registry, error) {
	Register()
	var names []string
	for name := range excluded {
		names = append(names, name)
	}
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{Source, lint.RFC5280},
		ExcludeNames:   names,
	})
	if err != nil {
		return nil, fmt.Errorf("choosing lints: %w", err)
	}
	if environment != "" {
		if _, err := policy.LoadEnvironment(environment); err != nil {
			return nil, err
		}
		configuration, err := lint.NewConfigFromString(configure(environment))
		if err != nil {
			return nil, fmt.Errorf("configuring lints: %w", err)
		}
		registry.SetConfiguration(configuration)
	}
	return registry, nil
}
