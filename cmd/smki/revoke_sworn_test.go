package main

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/ra"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// signed is a manager's signature over a file, as the flag wants it.
func (a *authority) signed(t *testing.T, n int, over string) string {
	t.Helper()
	text, err := os.ReadFile(over)
	require.NoError(t, err)
	digest := sha256.Sum256(text)
	signature, err := a.managers[n].certificate.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "sig")
	require.NoError(t, os.WriteFile(file, signature, 0o600))
	return a.managers[n].file + "," + file
}

// With a register nobody revokes by himself on the command line: two managers sign for
// the certificates, the reason and the decision, and for no others.
func TestRevokeByDecision(t *testing.T) {
	t.Parallel()
	home, a := newAuthority(t)
	a.supplier(t)
	entity := nextEntity()
	a.decide(t, "manager-1", ra.AssignIdentifiers{Party: "supplier-a", Range: ra.One(entity), Application: "papers-2"}, "manager-2")
	der, err := makeRequest("organisation", entity)
	require.NoError(t, err)
	q, err := a.registry.AskCertificate(t.Context(), "aro-a", "supplier-a", der)
	require.NoError(t, err)
	for _, check := range a.registry.Table().Checks {
		require.NoError(t, a.registry.RecordCheck(t.Context(), "manager-1", q.ID, check.Kind, true, "file 7"))
	}
	approval, err := a.registry.Propose(t.Context(), "manager-1", ra.IssueCertificate{Request: q.ID})
	require.NoError(t, err)
	a.agree(t, approval, "manager-2")
	// The keys are opened by another desk, as a server's are.
	d, err := openCA(t.Context(), home, nil)
	require.NoError(t, err)
	approval, err = d.registry.Execute(t.Context(), "manager-1", approval.ID)
	require.NoError(t, err)
	require.NoError(t, d.Close(t.Context()))
	serial, err := policy.ParseSerial(approval.Result)
	require.NoError(t, err)

	statement := filepath.Join(t.TempDir(), "revoke.json")
	revoke := func(reason string, more ...string) (clikit.Code, string) {
		code, _, errs := smki(t, append([]string{"revoke", "--home", home, "--issuer", "issuing-oca", "--reason", reason}, more...)...)
		return code, errs
	}
	code, errs := revoke("cACompromise")
	require.Equal(t, clikit.Refused, code, errs)
	code, errs = revoke("cACompromise", "--decision", "PMA 12")
	require.Equal(t, clikit.Usage, code, errs)
	code, errs = revoke("cACompromise", "--decision", "PMA 12", "--statement", statement)
	require.Equal(t, clikit.Refused, code, errs)
	text, err := os.ReadFile(statement)
	require.NoError(t, err)
	require.Contains(t, string(text), serial.String())
	both := []string{"--decision", "PMA 12", "--statement", statement, "--signature", a.signed(t, 0, statement), "--signature", a.signed(t, 1, statement)}
	code, errs = revoke("cACompromise", both[:6]...)
	require.Equal(t, clikit.Refused, code, "one alone: %s", errs)
	code, errs = revoke("superseded", both...)
	require.Equal(t, clikit.Refused, code, "another reason: %s", errs)
	code, errs = revoke("cACompromise", both...)
	require.Equal(t, clikit.Done, code, errs)
	r, err := a.register.Find(t.Context(), serial)
	require.NoError(t, err)
	require.Equal(t, "ra/manager-1 (person person-1) and ra/manager-2 (person person-2), decision PMA 12", r.By)
	done(t, "audit", "verify", "--home", home)
}
