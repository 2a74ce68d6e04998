package custody_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/hsm/custody"
)

// A secret that is in no token: two of three shares, of two Parties, and a
// decision give it out, once in its life.
func TestSecretIsGivenOutOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	secret := []byte(strings.Repeat("symmetric key 32", 2))
	shares, err := custody.Split(secret, 2, 3, nil)
	require.NoError(t, err)
	v := &custody.SecretVault{
		Label: "contingency-symmetric-1", DecisionKey: r.vault.DecisionKey, Ledger: filepath.Join(t.TempDir(), "ledger"), Clock: func() time.Time { return r.now },
		Holders: custody.Holders{Party: map[int]string{1: "A", 2: "A", 3: "B"}, Distinct: 2},
	}
	sign := func(id string) []byte {
		return r.signed(t, func(a *custody.Authorisation) {
			a.ID, a.Key, a.Use, a.Count = id, v.Label, "cs02b-mode-9-symmetric-key", 1
		})
	}

	_, err = v.Open(sign("D-1"), shares[:2])
	require.ErrorIs(t, err, custody.ErrTooFewShares, "both are of one Party")
	require.ErrorContains(t, err, "1 Parties (A)")
	_, err = v.Open(sign("D-1"), shares[:1])
	require.ErrorIs(t, err, custody.ErrTooFewShares)
	_, err = v.Open(r.signed(t, nil), shares[1:])
	require.ErrorIs(t, err, custody.ErrRefused, "an authorisation for another key")

	// A session that gave nothing out leaves the secret good.
	s, err := v.Open(sign("D-1"), shares[1:])
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Take()
	require.ErrorIs(t, err, custody.ErrRefused, "closed")

	s, err = v.Open(sign("D-2"), shares[1:])
	require.NoError(t, err)
	other, err := v.Open(sign("D-3"), shares[1:])
	require.NoError(t, err, "nothing was given out yet")
	digest, err := s.Digest()
	require.NoError(t, err)
	got, err := s.Take()
	require.NoError(t, err)
	require.Equal(t, secret, got)
	require.Equal(t, digest, s.Uses()[0].Digest)
	_, err = s.Take()
	require.ErrorIs(t, err, custody.ErrRefused, "twice in one session")
	_, err = other.Take()
	require.ErrorIs(t, err, custody.ErrRefused, "by another session that stood open")
	require.NoError(t, s.Close())
	require.NoError(t, other.Close())
	_, err = v.Open(sign("D-4"), shares[1:])
	require.ErrorIs(t, err, custody.ErrRefused)
	require.ErrorContains(t, err, "good once")

	files, err := os.ReadDir(v.Ledger)
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(v.Ledger, f.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(text), string(secret))
	}
}

// Shares of one Party alone do not open a token, however many they are.
func TestSharesOfOnePartyAlone(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.vault.Holders = custody.Holders{Party: map[int]string{1: "A", 2: "A", 3: "B"}, Distinct: 2}
	_, err := r.vault.Open(t.Context(), r.signed(t, nil), r.shares[:2])
	require.ErrorIs(t, err, custody.ErrTooFewShares)
	s, err := r.vault.Open(t.Context(), r.signed(t, nil), r.shares[1:])
	require.NoError(t, err, "the refusal spent nothing")
	require.NoError(t, s.Close())
}

// A damaged share is noticed, and others open the secret without it.
func TestDamagedShareDoesNotFit(t *testing.T) {
	t.Parallel()
	shares, err := custody.Split([]byte("a secret"), 2, 3, nil)
	require.NoError(t, err)
	damaged := shares[1].Damaged()
	_, err = custody.Combine([]custody.Share{shares[0], damaged})
	require.ErrorIs(t, err, custody.ErrUnfit)
	_, err = custody.Combine([]custody.Share{shares[0], shares[2], damaged})
	require.ErrorIs(t, err, custody.ErrUnfit, "more than enough, and one of them wrong")
	got, err := custody.Combine([]custody.Share{shares[0], shares[2]})
	require.NoError(t, err)
	require.Equal(t, "a secret", string(got))
	got, err = custody.Combine(shares[:2])
	require.NoError(t, err, "the share itself is whole")
	require.Equal(t, "a secret", string(got))
}
