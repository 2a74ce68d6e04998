package zlint

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"

	"smki.example/policy"
)

// withIssuer names the rules that need the issuer's certificate.
var withIssuer = map[string]bool{"issuer": true, "own-key": true}

// Register adds a lint for every rule to zlint's global registry, once for the
// process, however often it is called.
func Register() { register() }

var register = sync.OnceFunc(func() {
	for _, rule := range policy.Rules() {
		switch rule.Scope {
		case policy.ScopeForm, policy.ScopePractice, policy.ScopeEnvironment:
			if withIssuer[rule.Name] {
				continue
			}
			lint.RegisterCertificateLint(&lint.CertificateLint{
				LintMetadata: metadata(rule),
				Lint:         func() lint.CertificateLintInterface { return &certificateLint{rule: rule} },
			})
		case policy.ScopeList:
			lint.RegisterRevocationListLint(&lint.RevocationListLint{
				LintMetadata: metadata(rule),
				Lint:         func() lint.RevocationListLintInterface { return &listLint{rule: rule} },
			})
		}
	}
})

// Name returns the name of the lint for a rule.
func Name(rule policy.Rule) string {
	prefix := "e_smki_"
	if rule.Scope == policy.ScopePractice {
		prefix = "w_smki_"
	}
	return prefix + strings.ReplaceAll(rule.Name, "-", "_")
}

func metadata(rule policy.Rule) lint.LintMetadata {
	return lint.LintMetadata{Name: Name(rule), Description: rule.Says, Citation: rule.Clause, Source: Source, OverrideFrameworkFilter: true}
}

// configure returns zlint's configuration text that names the environment to
// every lint that needs one.
func configure(environment string) string {
	var b strings.Builder
	for _, rule := range policy.Rules() {
		if rule.Scope == policy.ScopeEnvironment && !withIssuer[rule.Name] {
			fmt.Fprintf(&b, "[%s]\nEnvironment = %q\n", Name(rule), environment)
		}
	}
	return b.String()
}

// certificateLint is one rule. Environment is filled in by zlint from its
// configuration; without it rules of an environment do not apply.
type certificateLint struct {
	rule        policy.Rule
	Environment string
}

// Configure tells zlint where the configuration goes.
func (l *certificateLint) Configure() any { return l }

// CheckApplies reports whether the rule can be judged.
func (l *certificateLint) CheckApplies(*x509.Certificate) bool {
	return l.rule.Scope != policy.ScopeEnvironment || l.Environment != ""
}

// Execute reads the octets anew with package policy and reports its verdict.
func (l *certificateLint) Execute(c *x509.Certificate) *lint.LintResult {
	own, violations, err := policy.ReadCertificate(c.Raw)
	if err != nil {
		// What the reader refuses is reported by every lint: none can pass.
		return &lint.LintResult{Status: lint.Fatal, Details: err.Error()}
	}
	if l.rule.Scope == policy.ScopeEnvironment {
		environment, err := policy.LoadEnvironment(l.Environment)
		if err != nil {
			return &lint.LintResult{Status: lint.Fatal, Details: err.Error()}
		}
		profile, err := environment.Profile(own.Kind())
		if err != nil {
			return &lint.LintResult{Status: lint.Fatal, Details: err.Error()}
		}
		violations = violations[:0]
		for _, v := range profile.Examine(own, nil) {
			violations = append(violations, *v)
		}
	}
	status := lint.Error
	if l.rule.Scope == policy.ScopePractice {
		status = lint.Warn
	}
	for _, v := range violations {
		if v.Rule == l.rule.Name {
			return &lint.LintResult{Status: status, Details: v.Error()}
		}
	}
	return &lint.LintResult{Status: lint.Pass}
}

// listLint is one rule for revocation lists.
type listLint struct{ rule policy.Rule }

// CheckApplies reports true: every list has to keep every rule.
func (l *listLint) CheckApplies(*x509.RevocationList) bool { return true }

// Execute reads the octets anew with package policy and reports its verdict.
func (l *listLint) Execute(c *x509.RevocationList) *lint.LintResult {
	_, err := policy.ParseCRL(c.Raw)
	var violations policy.Violations
	switch {
	case err == nil:
		return &lint.LintResult{Status: lint.Pass}
	case !errors.As(err, &violations):
		return &lint.LintResult{Status: lint.Fatal, Details: err.Error()}
	}
	for _, v := range violations {
		if v.Rule == l.rule.Name {
			return &lint.LintResult{Status: lint.Error, Details: v.Error()}
		}
	}
	return &lint.LintResult{Status: lint.Pass}
}
