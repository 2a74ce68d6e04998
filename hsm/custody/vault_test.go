package custody_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"smki.example/hsm"
	"smki.example/hsm/custody"
	"smki.example/softhsm"
)

// room is a token whose PIN is with three custodians, two of whom open it, and
// a body that decides.
type room struct {
	vault  custody.Vault
	shares []custody.Share
	body   note.Signer
	now    time.Time
	public *ecdsa.PublicKey
}

func newRoom(t *testing.T) *room {
	t.Helper()
	soft := softhsm.ForTest(t, "EXERCISE recovery")
	config := hsm.FromSoftHSM(soft)
	token, err := hsm.Open(t.Context(), config)
	require.NoError(t, err)
	key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "recovery-1", Use: hsm.Sign})
	require.NoError(t, err)
	_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "contingency-1", Use: hsm.Sign})
	require.NoError(t, err)
	require.NoError(t, token.Close())

	r := &room{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), public: key.Public()}
	r.shares, err = custody.Seal(soft.PINFile, 2, 3, nil)
	require.NoError(t, err)
	require.NoFileExists(t, soft.PINFile, "the PIN is with the custodians alone")

	secret, public, err := note.GenerateKey(rand.Reader, "pma-decision")
	require.NoError(t, err)
	r.body, err = note.NewSigner(secret)
	require.NoError(t, err)
	verifier, err := note.NewVerifier(public)
	require.NoError(t, err)
	config.PINFile = ""
	r.vault = custody.Vault{Token: config, DecisionKey: verifier, Ledger: filepath.Join(t.TempDir(), "ledger"), Clock: func() time.Time { return r.now }}
	return r
}

func (r *room) authorisation() custody.Authorisation {
	return custody.Authorisation{
		ID: "D-7", Key: "recovery-1", Use: "cs02b-mode-8", Count: 2,
		NotBefore: r.now.Add(-time.Minute), Expires: r.now.Add(time.Hour), Decision: strings.Repeat("ab", 32),
	}
}

func (r *room) signed(t *testing.T, change func(*custody.Authorisation)) []byte {
	t.Helper()
	a := r.authorisation()
	if change != nil {
		change(&a)
	}
	signed, err := a.Sign(r.body)
	require.NoError(t, err)
	return signed
}

func (r *room) open(t *testing.T, change func(*custody.Authorisation)) *custody.Session {
	t.Helper()
	s, err := r.vault.Open(t.Context(), r.signed(t, change), pick(r.shares, 3, 1))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func sign(s crypto.Signer, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	return s.Sign(rand.Reader, digest[:], crypto.SHA256)
}

func TestADecisionAndTwoCustodiansOpenTheKey(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	s := r.open(t, nil)
	require.True(t, r.public.Equal(s.Public()))
	signer, err := s.Signer(t.Context(), "recovery-1")
	require.NoError(t, err)
	require.True(t, r.public.Equal(signer.Public()))

	signature, err := sign(signer, "command 1")
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("command 1"))
	require.True(t, ecdsa.VerifyASN1(r.public, digest[:], signature))
	require.Equal(t, 1, s.Left())
	signature, err = signer.(crypto.MessageSigner).SignMessage(rand.Reader, []byte("command 2"), crypto.SHA256)
	require.NoError(t, err)
	digest2 := sha256.Sum256([]byte("command 2"))
	require.True(t, ecdsa.VerifyASN1(r.public, digest2[:], signature))

	_, err = sign(signer, "command 3")
	require.ErrorIs(t, err, custody.ErrRefused)
	require.ErrorContains(t, err, `allows 2 uses of "recovery-1" and all were made`)

	uses := s.Uses()
	require.Len(t, uses, 2)
	require.Equal(t, custody.Use{Number: 1, Authorisation: "D-7", Key: "recovery-1", For: "cs02b-mode-8", Digest: hex.EncodeToString(digest[:]), At: r.now}, uses[0])
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "closing twice does nothing")

	spent, err := custody.ReadLedger(r.vault.Ledger)
	require.NoError(t, err)
	require.Len(t, spent, 1)
	require.Equal(t, uses, spent[0].Uses)
	require.Equal(t, []int{3, 1}, spent[0].Shares)
	require.False(t, spent[0].Torn)
	read, err := custody.ParseAuthorisation(spent[0].Signed, r.vault.DecisionKey)
	require.NoError(t, err)
	require.Equal(t, r.authorisation(), read)
	require.Equal(t, read, spent[0].Authorisation)
}

func TestVaultRefuses(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	_, strangerSigner := stranger(t)
	foreign, err := r.authorisation().Sign(strangerSigner)
	require.NoError(t, err)
	otherSplit, err := custody.Split([]byte("1234567890"), 2, 3, nil)
	require.NoError(t, err)
	for _, row := range []struct {
		name   string
		signed []byte
		shares []custody.Share
		is     error
		want   string
	}{
		{"one custodian", r.signed(t, nil), pick(r.shares, 1), custody.ErrTooFewShares, "1 of 3 shares are here, 2 are needed"},
		{"one custodian twice", r.signed(t, nil), pick(r.shares, 1, 1), nil, "share 1 is given twice"},
		{"no custodian", r.signed(t, nil), nil, custody.ErrTooFewShares, "no share"},
		{"shares of an older split", r.signed(t, nil), []custody.Share{r.shares[0], otherSplit[1]}, nil, "different splits"},
		{"shares of another token", r.signed(t, nil), otherSplit[:2], hsm.ErrUnavailable, "CKR_PIN_INCORRECT"},
		{"signed by nobody known", foreign, pick(r.shares, 1, 2), custody.ErrRefused, "no good signature"},
		{"not signed", []byte("smki custody authorisation\n"), pick(r.shares, 1, 2), custody.ErrRefused, "no good signature"},
		{"changed after signing", []byte(strings.Replace(string(r.signed(t, nil)), "count 2", "count 9", 1)), pick(r.shares, 1, 2), custody.ErrRefused, "no good signature"},
		{"too early", r.signed(t, func(a *custody.Authorisation) { a.NotBefore = r.now.Add(time.Second) }), pick(r.shares, 1, 2), custody.ErrRefused, "begins at"},
		{"expired", r.signed(t, func(a *custody.Authorisation) { a.NotBefore, a.Expires = r.now.Add(-time.Hour), r.now }), pick(r.shares, 1, 2), custody.ErrRefused, "expired at"},
		{"a key that is not there", r.signed(t, func(a *custody.Authorisation) { a.Key = "recovery-2" }), pick(r.shares, 1, 2), hsm.ErrNotFound, "recovery-2"},
	} {
		_, err := r.vault.Open(t.Context(), row.signed, row.shares)
		require.ErrorContains(t, err, row.want, row.name)
		if row.is != nil {
			require.ErrorIs(t, err, row.is, row.name)
		}
	}
	spent, err := custody.ReadLedger(r.vault.Ledger)
	require.NoError(t, err)
	require.Empty(t, spent, "none of these cost the decision")
	r.open(t, nil)
}

func stranger(t *testing.T) (note.Verifier, note.Signer) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, "pma-decision")
	require.NoError(t, err)
	signer, err := note.NewSigner(secret)
	require.NoError(t, err)
	verifier, err := note.NewVerifier(public)
	require.NoError(t, err)
	return verifier, signer
}

func TestAnAuthorisationIsGoodOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	s := r.open(t, nil)
	require.NoError(t, s.Close())
	require.Zero(t, s.Left(), "what was left of the count is gone")
	for _, again := range [][]byte{r.signed(t, nil), r.signed(t, func(a *custody.Authorisation) { a.Count = 5 })} {
		_, err := r.vault.Open(t.Context(), again, pick(r.shares, 1, 2))
		require.ErrorIs(t, err, custody.ErrRefused)
		require.ErrorContains(t, err, "was used before")
	}
	r.open(t, func(a *custody.Authorisation) { a.ID = "D-8" })
}

func TestTwoVaultsWithOneLedgerOpenOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	signed := r.signed(t, nil)
	var opened atomic.Int32
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			vault := r.vault
			s, err := vault.Open(t.Context(), signed, pick(r.shares, 1, 2))
			if err == nil {
				opened.Add(1)
				err = s.Close()
			} else if errors.Is(err, custody.ErrRefused) {
				err = nil
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, opened.Load())
}

func TestSessionRefuses(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	s := r.open(t, func(a *custody.Authorisation) { a.Count = 100 })
	_, err := s.Signer(t.Context(), "contingency-1")
	require.ErrorIs(t, err, custody.ErrRefused)
	require.ErrorContains(t, err, `is for key "recovery-1", not "contingency-1"`)

	signer, err := s.Signer(t.Context(), "recovery-1")
	require.NoError(t, err)
	_, err = signer.Sign(rand.Reader, make([]byte, 48), crypto.SHA384)
	require.ErrorContains(t, err, "SHA-256")
	_, err = signer.Sign(rand.Reader, make([]byte, 31), crypto.SHA256)
	require.ErrorContains(t, err, "SHA-256")
	require.Empty(t, s.Uses(), "what cannot be signed is no use")

	start := r.now
	r.now = start.Add(2 * time.Hour)
	_, err = sign(signer, "late")
	require.ErrorIs(t, err, custody.ErrRefused)
	require.ErrorContains(t, err, "expired at")
	r.now = start

	_, err = sign(signer, "in time")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = sign(signer, "after closing")
	require.ErrorIs(t, err, custody.ErrRefused)
	require.ErrorContains(t, err, "is closed")
	require.Len(t, s.Uses(), 1)
}

func TestCountHoldsUnderConcurrency(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	s := r.open(t, func(a *custody.Authorisation) { a.Count = 20 })
	signer, err := s.Signer(t.Context(), "recovery-1")
	require.NoError(t, err)
	var signed atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 5 {
				if _, err := sign(signer, string(rune('a'+i))+string(rune('a'+j))); err == nil {
					signed.Add(1)
				} else if !errors.Is(err, custody.ErrRefused) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 20, signed.Load())
	require.Len(t, s.Uses(), 20)
}

func TestAUseIsCountedBeforeTheTokenIsAsked(t *testing.T) {
	t.Parallel()
	soft := softhsm.ForTest(t, "EXERCISE recovery")
	config := hsm.FromSoftHSM(soft)
	config.Timeout = 2 * time.Second
	token, err := hsm.Open(t.Context(), config)
	require.NoError(t, err)
	_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "recovery-1", Use: hsm.Sign})
	require.NoError(t, err)
	require.NoError(t, token.Close())
	shares, err := custody.Seal(soft.PINFile, 2, 2, nil)
	require.NoError(t, err)
	verifier, signer := stranger(t)
	config.PINFile = ""
	vault := custody.Vault{Token: config, DecisionKey: verifier, Ledger: t.TempDir()}
	signed, err := custody.Authorisation{
		ID: "D-1", Key: "recovery-1", Use: "test", Count: 1, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour), Decision: strings.Repeat("0", 64),
	}.Sign(signer)
	require.NoError(t, err)
	s, err := vault.Open(t.Context(), signed, shares)
	require.NoError(t, err)
	defer s.Close()
	keyed, err := s.Signer(t.Context(), "recovery-1")
	require.NoError(t, err)
	require.NoError(t, soft.Break())
	_, err = sign(keyed, "into the void")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.Len(t, s.Uses(), 1, "the token may have signed")
	require.NoError(t, soft.Restore())
	_, err = sign(keyed, "again")
	require.ErrorIs(t, err, custody.ErrRefused, "a turn that failed is used up")
}

func TestNoSecretInLedgerErrorsOrPrintedShares(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	pin, err := custody.Combine(r.shares)
	require.NoError(t, err)
	s := r.open(t, nil)
	require.NoError(t, s.Close())
	_, err = r.vault.Open(context.Background(), r.signed(t, nil), r.shares)
	require.NotContains(t, err.Error(), string(pin))
	files, err := filepath.Glob(filepath.Join(r.vault.Ledger, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NotContains(t, string(content), string(pin))
	for _, share := range r.shares {
		require.NotContains(t, string(content), strings.Fields(share.Text())[1])
	}
}

func TestSealKeepsTheFileWhenItCannotSplit(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, os.WriteFile(file, []byte("1234\n"), 0o600))
	_, err := custody.Seal(file, 4, 3, nil)
	require.Error(t, err)
	require.FileExists(t, file)
	shares, err := custody.Seal(file, 2, 3, nil)
	require.NoError(t, err)
	require.NoFileExists(t, file)
	pin, err := custody.Combine(shares[1:])
	require.NoError(t, err)
	require.Equal(t, "1234", string(pin), "the line end is not part of a PIN")
	_, err = custody.Seal(file, 2, 3, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLedgerThatWasCutOff(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	s := r.open(t, nil)
	signer, err := s.Signer(t.Context(), "recovery-1")
	require.NoError(t, err)
	for _, text := range []string{"1", "2"} {
		_, err = sign(signer, text)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	file := filepath.Join(r.vault.Ledger, "D-7.jsonl")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	lineEnds := 0
	for n := range len(whole) + 1 {
		if n > 0 && whole[n-1] == '\n' {
			lineEnds++
		}
		require.NoError(t, os.WriteFile(file, whole[:n], 0o600))
		spent, err := custody.ReadLedger(r.vault.Ledger)
		require.NoError(t, err, "%d octets", n)
		require.Len(t, spent, 1)
		require.Equal(t, "D-7", spent[0].Authorisation.ID)
		require.Len(t, spent[0].Uses, max(0, lineEnds-1))
		require.Equal(t, n == 0 || whole[n-1] != '\n', spent[0].Torn)
		_, err = r.vault.Open(t.Context(), r.signed(t, nil), r.shares)
		require.ErrorIs(t, err, custody.ErrRefused, "a torn ledger is spent all the same")
	}
	require.NoError(t, os.WriteFile(file, append(whole, "{}x\n"...), 0o600))
	_, err = custody.ReadLedger(r.vault.Ledger)
	require.ErrorContains(t, err, "line 4")
}
