package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/drills/verify"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A contingency is the smallest record in which the Contingency key is used: a
// decision, two openings, the symmetric key given out, two commands. Each field
// bends one thing; the zero value is an honest record.
type contingency struct {
	opens         string // what the decision opens; empty: contingency
	untold        bool   // the second command stands in no keyuse entry
	byRecovery    bool   // it is told as a use of the Recovery key
	notGiven      bool   // the symmetric key was never given out
	campaigns     bool   // the commands are of two campaigns
	otherKey      bool   // signed by a key that the symmetric key does not unwrap
	otherRoot     bool   // no root certificate in the pack carries the wrapped key
	otherUse      bool   // opened for another use
	twice         bool   // the symmetric key was to be given out twice
	oneParty      bool   // all custodians are of one Party
	secondOpening bool   // one decision opened the key twice
}

func (c contingency) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"certs", "messages", "keys"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	j, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "run-1", Clock: func() time.Time { return began }})
	require.NoError(t, err)
	add := func(kind journal.Kind, body any) (int64, string) {
		seq, hash, err := j.Append(kind, fillingAt, body)
		require.NoError(t, err)
		return seq, hash
	}
	add(journal.KindStart, journal.Start{Run: "run-1", Scenario: "S12", Epoch: began, RecordKey: key.Fingerprint(), Verifier: key.Verifier()})
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keys", "record.pub.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))

	opens := c.opens
	if opens == "" {
		opens = "contingency"
	}
	options := []journal.Option{{Name: "required", Opens: opens}, {Name: "not required"}}
	asked, _ := add(journal.KindQuestion, journal.Question{Decision: "contingency", Body: "pma", Options: options})
	decided, hash := add(journal.KindDecision, journal.Decision{
		Decision: "contingency", Body: "pma", Question: asked, Options: options, Chosen: "required", Opens: opens, Answered: "script",
	})

	symmetric := bytes.Repeat([]byte{7}, 32)
	pair := policytest.NewKey(t)
	c.root(t, dir, symmetric, pair)
	open := func(id, label, use string, count int) {
		note, err := key.Note(fmt.Sprintf("smki custody authorisation\nid %s\nkey %s\nuse %s\ncount %d\nnot-before %s\nexpires %s\ndecision %s\n",
			id, label, use, count, began.Format(time.RFC3339), began.Add(time.Hour).Format(time.RFC3339), hash))
		require.NoError(t, err)
		shares := []map[string]any{}
		for i := range 3 {
			party := fmt.Sprintf("Party %d", i)
			if c.oneParty {
				party = "Party 0"
			}
			shares = append(shares, map[string]any{"custodian": fmt.Sprintf("custodian %d", i+1), "party": party, "given": true})
		}
		add(journal.KindCustody, map[string]any{"key": label, "authorisation": id, "use": use, "count": count, "not_before": began, "expires": began.Add(time.Hour),
			"decision": decided, "decision_hash": hash, "note": string(note), "needed": 3, "parties": 2, "shares": shares, "opened": true})
	}
	use := func(id, label, what, digest string, number int) {
		add(journal.KindKeyUse, map[string]any{"key": label, "number": number, "digest": digest, "authorisation": id, "decision": decided, "decision_hash": hash, "use": what})
	}
	uses, count := "cs02b-mode-9", 1
	if c.otherUse {
		uses = "cs02b-mode-8"
	}
	if c.twice {
		count = 2
	}
	open("a1", "contingency-1", uses, 5)
	open("a2", "contingency-symmetric-1", "cs02b-mode-9-symmetric-key", count)
	if c.secondOpening {
		open("a3", "contingency-1", uses, 5)
		add(journal.KindCustody, map[string]any{"key": "contingency-1", "authorisation": "a3", "closed": true, "uses": 0})
	}
	given := 0
	if !c.notGiven {
		given = 1
		sum := sha256.Sum256(symmetric)
		use("a2", "contingency-symmetric-1", "cs02b-mode-9-symmetric-key", hex.EncodeToString(sum[:]), 1)
	}
	told := 0
	for i := range 2 {
		message, digest := c.command(t, dir, i, symmetric, pair)
		switch {
		case c.untold && i == 1:
		case c.byRecovery && i == 1:
			use("a1", "recovery-1", uses, digest, i+1)
		default:
			told++
			use("a1", "contingency-1", uses, digest, i+1)
		}
		campaign := "1 root by contingency key"
		if c.campaigns && i == 1 {
			campaign = "2 root by contingency key"
		}
		add(journal.KindMessage, map[string]any{"file": fmt.Sprintf("messages/%06d.hex", i+1), "sha256": hexSum(message), "campaign": campaign})
	}
	add(journal.KindCustody, map[string]any{"key": "contingency-1", "authorisation": "a1", "closed": true, "uses": told})
	add(journal.KindCustody, map[string]any{"key": "contingency-symmetric-1", "authorisation": "a2", "closed": true, "uses": given})
	add(journal.KindClosing, journal.Closing{Check: "chains whole", Held: true})
	add(journal.KindOutcome, journal.Outcome{Outcome: "finished", Finding: "held"})
	summary, err := json.Marshal(map[string]string{"run": "run-1", "scenario": "S12", "outcome": "finished", "finding": "held", "record_key": key.Fingerprint()})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "summary.json"), summary, 0o644))
	require.NoError(t, j.Seal(fillingAt))
	return dir
}

// root writes a root certificate that carries the pair's public half, wrapped.
func (c contingency) root(t *testing.T, dir string, symmetric []byte, pair *ecdsa.PrivateKey) {
	t.Helper()
	env, err := policy.LoadEnvironment("exercise")
	require.NoError(t, err)
	profile, err := env.Profile(policy.ProfileRootOCA)
	require.NoError(t, err)
	if c.otherRoot {
		symmetric = bytes.Repeat([]byte{8}, 32)
	}
	wrapped, err := gbcs.WrapContingency(&pair.PublicKey, symmetric)
	require.NoError(t, err)
	key := policytest.NewKey(t)
	tbs, err := profile.TBS(policy.CertificateTemplate{
		Serial: policytest.NewSerial(t), PublicKey: &key.PublicKey, CN: "XA", NotBefore: policytest.Began, WrappedContingency: wrapped,
	})
	require.NoError(t, err)
	certificate, err := policy.ParseCertificate(policytest.Sign(t, key, tbs))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "certs", "root-oca.pem"), certificate.PEM(), 0o644))
}

// command writes one contingency command and returns the file and the digest of
// what was signed.
func (c contingency) command(t *testing.T, dir string, n int, symmetric []byte, pair *ecdsa.PrivateKey) ([]byte, string) {
	t.Helper()
	cell, _ := gbcs.AnyByContingency.AuthorisingCell()
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: gbcs.OriginatorCounter(n + 1), Originator: recovery, Recipient: device}, &gbcs.UpdateSecurityCredentials{
		Mode: gbcs.AnyByContingency, SymmetricKey: symmetric, AuthorisingCell: &cell, SeqNumber: gbcs.OriginatorCounter(n + 1),
	})
	if c.otherKey {
		pair = policytest.NewKey(t)
	}
	require.NoError(t, m.SignWith(pair))
	octets, err := m.Encode()
	require.NoError(t, err)
	file := []byte(hex.EncodeToString(octets) + "\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "messages", fmt.Sprintf("%06d.hex", n+1)), file, 0o644))
	sum := sha256.Sum256(m.Signed)
	return file, hex.EncodeToString(sum[:])
}

func TestContingencyIsAccountedFor(t *testing.T) {
	t.Parallel()
	r := check(t, contingency{}.write(t), verify.Options{})
	require.True(t, r.Intact, r.Verdict())
	for _, row := range []struct {
		why  string
		bent contingency
		want string
	}{
		{"a decision that opens another key", contingency{opens: "recovery"}, `opens "recovery" and not "contingency-1"`},
		{"a command that no entry tells of", contingency{untold: true}, "is signed by the Contingency key, and no decision accounts for it"},
		{"a command told as another key's", contingency{byRecovery: true}, "is not what authorisation a1 allows"},
		{"a symmetric key that nobody gave out", contingency{notGiven: true}, "carries a symmetric key that no decision gave out"},
		{"a symmetric key used for a second campaign", contingency{campaigns: true}, "is good for one campaign"},
		{"a command by a key that it does not unwrap", contingency{otherKey: true}, "did not sign it"},
		{"a root that does not carry the key", contingency{otherRoot: true}, "from no root certificate of the pack"},
		{"a key opened for another use", contingency{otherUse: true}, `a decision opens it for "cs02b-mode-9" alone`},
		{"a symmetric key to be given out twice", contingency{twice: true}, "it is good once"},
		{"custodians of one Party", contingency{oneParty: true}, "custodians of 1 Parties"},
		{"a decision used twice", contingency{secondOpening: true}, `opened "contingency-1" under a1 already`},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			r := check(t, row.bent.write(t), verify.Options{})
			require.False(t, r.Intact)
			require.Contains(t, r.Verdict(), row.want)
		})
	}
}
