package verify_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/rand"
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

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A pack is written here with the real journal and the smallest drill that can
// open a key: one question, one decision, one opening, one command. Each field
// bends one thing; the zero value is an honest record.
type pack struct {
	silence        bool // silence chose the option that opens the key
	unassessed     bool // a factor that shall be weighed was not
	noQuestion     bool
	otherOption    bool // the choice was not among the options
	shares         int  // given; 0 means enough
	noCustody      bool
	count          int  // allowed; 0 means enough
	untold         bool // the command stands in no keyuse entry
	copied         bool // it is laid on an intruder's copy of the key
	intruder       bool // the drill has an intruder with the key
	otherDecision  bool // the authorisation names another hash
	strangersNote  bool // the authorisation is signed by somebody else
	uses           int  // said at closing; 0 means the truth
	wrongSignature bool // the command is signed by another key
	noOutcome      bool
	noSeal         bool
	neverClosed    bool
	otherMode      bool // the command is not of mode 8, though the same key signs it
	signedCount    int  // in the note, where it differs from the entry
	late           bool // used after the authorisation has ended
	backwards      bool // the last entry is told for an earlier time
	falseVerdict   bool // a closing check failed, the outcome says held
	otherAsked     bool // the question offered other options than the decision says
	twoVotes       bool // members decided with two votes, the quorum is three
	strangersKey   bool // keys/record.pub.pem is another key

	votes    []string // options that members vote for, in turn; nil is two for the one that opens the key and one against
	majority string   // of the rule that the question states; empty: more than half of the votes cast
	casting  string
	noRule   bool   // the question states no rule
	guest    string // votes in place of the chair

	bend func(*journal.Question, *journal.Decision) // changes what was asked and decided before it is written
	room []roombook.Body                            // the book of the exercise room, if it was played in one
}

var (
	began     = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	device    = policy.EntityID{0x00, 0xdb, 0x12, 0x34, 0, 0, 0, 1}
	recovery  = policy.EntityID{0x90, 0xb3, 0xd5, 0x1f, 0x30, 0, 0, 1}
	fillingAt = time.Minute
	members   = [5]string{"chair", "network", "small", "large", "large-2"}
)

// written is a pack on disk, with what would stand in the minutes.
type written struct {
	dir, key, closing, atDecision string
}

func (p pack) write(t *testing.T) written {
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
	w := written{dir: dir, key: key.Fingerprint()}
	add(journal.KindStart, journal.Start{Run: "run-1", Scenario: "S02", Epoch: began, RecordKey: key.Fingerprint(), Verifier: key.Verifier()})
	published := key.Public()
	if p.strangersKey {
		published = make([]byte, len(published))
	}
	der, err := x509.MarshalPKIXPublicKey(published)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keys", "record.pub.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))

	options := []journal.Option{{Name: "required", Opens: "recovery"}, {Name: "not required"}, {Name: "wait"}}
	factors := []journal.Factor{{ID: "evidence", Force: "shall"}, {ID: "others", Force: "may"}}
	decision := journal.Decision{Decision: "recovery key", Body: "pma", Options: options, Chosen: "required", Opens: "recovery",
		Answered: "members", Factors: factors, Assessed: []journal.Assessment{{Factor: "evidence", Finding: "confirmed"}}}
	decision.Votes = []journal.Vote{{Member: "chair", Option: "required"}, {Member: "network", Option: "required"}, {Member: "small", Option: "not required"}}
	question := int64(1)
	if !p.noQuestion {
		asked := journal.Question{Decision: "recovery key", Body: "pma", Options: options, Factors: factors, Quorum: "3 votes (sample)"}
		if !p.noRule {
			asked.Voting = &journal.Voting{Needed: 3, Voters: members[:], Majority: cmp.Or(p.majority, "more than half of the votes cast"), Casting: p.casting}
		}
		if p.otherAsked {
			asked.Options = append(asked.Options[:2:2], journal.Option{Name: "adjourn"})
		}
		if p.bend != nil {
			p.bend(&asked, &decision)
		}
		question, _ = add(journal.KindQuestion, asked)
	}
	decision.Question = question
	if p.silence {
		decision.Answered, decision.Votes = "silence", nil
	}
	if p.unassessed {
		decision.Assessed = nil
	}
	if p.otherOption {
		decision.Chosen = "required at once"
	}
	if p.votes != nil {
		decision.Votes = []journal.Vote{}
		for i, option := range p.votes {
			decision.Votes = append(decision.Votes, journal.Vote{Member: members[i], Option: option})
		}
	}
	if p.guest != "" {
		decision.Votes[0].Member = p.guest
	}
	if p.twoVotes {
		decision.Votes = decision.Votes[:2]
	}
	seq, hash := add(journal.KindDecision, decision)
	w.atDecision = j.Words()

	message, digest := p.command(t, dir)
	allowed := max(p.count, 1)
	if p.count < 0 {
		allowed = 0
	}
	named := hash
	if p.otherDecision {
		named = digest
	}
	signer := key
	if p.strangersNote {
		signer, err = journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
		require.NoError(t, err)
	}
	expires := began.Add(time.Hour)
	if p.late {
		expires = began.Add(fillingAt / 2)
	}
	signedCount := allowed + p.signedCount
	note, err := signer.Note(fmt.Sprintf("smki custody authorisation\nid a1\nkey recovery-1\nuse cs02b-mode-8\ncount %d\nnot-before %s\nexpires %s\ndecision %s\n",
		signedCount, began.Format(time.RFC3339), expires.Format(time.RFC3339), named))
	require.NoError(t, err)
	if !p.noCustody {
		given := p.shares
		if given == 0 {
			given = 3
		}
		shares := []map[string]any{}
		for i := range 5 {
			shares = append(shares, map[string]any{"custodian": fmt.Sprintf("custodian %d", i+1), "given": i < given})
		}
		add(journal.KindCustody, map[string]any{"key": "recovery-1", "authorisation": "a1", "use": "cs02b-mode-8", "count": allowed,
			"not_before": began, "expires": expires, "decision": seq, "decision_hash": named, "note": string(note), "needed": 3, "shares": shares, "opened": true})
	}
	uses := 0
	if !p.untold {
		uses = 1
		add(journal.KindKeyUse, map[string]any{"key": "recovery-1", "number": 1, "digest": digest, "authorisation": "a1", "decision": seq, "decision_hash": named, "use": "cs02b-mode-8"})
	}
	if p.intruder {
		add(journal.KindAct, map[string]any{"verb": "attack", "object": "recovery", "phase": "begin"})
	}
	if p.copied {
		add("copyuse", map[string]any{"key": "recovery-1", "digest": digest, "campaign": "1 intruder", "device": device.String()})
	}
	add(journal.KindMessage, map[string]any{"file": "messages/000001.hex", "sha256": hexSum(message)})
	if !p.noCustody && !p.neverClosed {
		add(journal.KindCustody, map[string]any{"key": "recovery-1", "authorisation": "a1", "closed": true, "uses": uses + p.uses})
	}
	add(journal.KindClosing, journal.Closing{Check: "chains whole", Held: !p.falseVerdict})
	if p.backwards {
		_, _, err := j.Append(journal.KindInject, 0, journal.Inject{As: "mail"})
		require.NoError(t, err)
	}
	if !p.noOutcome {
		add(journal.KindOutcome, journal.Outcome{Outcome: "finished", Finding: "held", Held: 1})
	}
	summary, err := json.Marshal(map[string]string{"run": "run-1", "scenario": "S02", "outcome": "finished", "finding": "held", "record_key": key.Fingerprint()})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "summary.json"), summary, 0o644))
	if p.room != nil {
		book, err := roombook.Open(dir)
		require.NoError(t, err)
		for _, body := range p.room {
			_, err := book.Append(began, 0, body)
			require.NoError(t, err)
		}
		require.NoError(t, book.Close())
	}
	if p.noSeal {
		require.NoError(t, j.WriteCheckpoint(filepath.Join(dir, journal.CheckpointName)))
		require.NoError(t, j.Close())
	} else {
		require.NoError(t, j.Seal(fillingAt))
	}
	w.closing = j.Words()
	return w
}

// command writes the certificates and one CS02b command of mode 8, whose payload
// nobody here reads, and returns the file's content and the digest signed.
func (p pack) command(t *testing.T, dir string) (file []byte, digest string) {
	t.Helper()
	h := policytest.NewHierarchy(t)
	certificate, key := h.Organisation(t, policy.RoleRecovery, recovery, policy.UsageDigitalSignature)
	for name, c := range map[string]*policy.Certificate{
		"root-oca": h.RootOCA.Certificate, "issuing-oca": h.IssuingOCA.Certificate, "recovery": certificate,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "certs", name+".pem"), c.PEM(), 0o644))
	}
	signed := append([]byte{0x09, 0x01, 0, 0, 0, 0, 0, 0, 0, 7, 0x08}, recovery[:]...)
	signed = append(append(signed, 0x08), device[:]...)
	code := byte(8)
	if p.otherMode {
		code = 2
	}
	signed = append(signed, 0x00, 0x02, 0x01, code, 0x02, 0x30, 0x00)
	sum := sha256.Sum256(signed)
	if p.wrongSignature {
		key = policytest.NewKey(t)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	require.NoError(t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	message := append(append([]byte{0xdf}, signed...), 0x40)
	file = []byte(hex.EncodeToString(append(message, signature...)) + "\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "messages", "000001.hex"), file, 0o644))
	return file, hex.EncodeToString(sum[:])
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
