package gbcs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy/policytest"
)

// scripted is a signer that answers with what it was given.
type scripted struct {
	pub    crypto.PublicKey
	answer []byte
	err    error
}

func (s scripted) Public() crypto.PublicKey { return s.pub }
func (s scripted) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.answer, s.err
}

var errHeld = errors.New("the token is away")

// Sign refuses keys and answers that no GBCS signature can come from, and hands
// a signer's own error on.
func TestSignRefuses(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	_, other, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for name, signer := range map[string]crypto.Signer{
		"Ed25519":                  other,
		"P-384":                    p384,
		"an answer that is no DER": scripted{&key.PublicKey, []byte("r and s"), nil},
		"r of 33 octets":           scripted{&key.PublicKey, append([]byte{0x30, 0x26, 2, 0x21, 1}, append(make([]byte, 32), 2, 1, 1)...), nil},
		"s of zero":                scripted{&key.PublicKey, []byte{0x30, 6, 2, 1, 1, 2, 1, 0}, nil},
		"something after":          scripted{&key.PublicKey, []byte{0x30, 6, 2, 1, 1, 2, 1, 1, 0}, nil},
	} {
		_, err := gbcs.Sign(signer, []byte("message"))
		require.Error(t, err, name)
	}
	_, err = gbcs.Sign(scripted{&key.PublicKey, nil, errHeld}, nil)
	require.ErrorIs(t, err, errHeld)
}

// Short integers are filled up, and the zeros that a token may put in front are
// taken away.
func TestRawSignature(t *testing.T) {
	t.Parallel()
	sig, err := gbcs.RawSignature([]byte{0x30, 8, 2, 1, 5, 2, 3, 0, 0, 9})
	require.NoError(t, err)
	require.Len(t, sig, 64)
	require.Equal(t, byte(5), sig[31])
	require.Equal(t, byte(9), sig[63])
}

// A failed signing changes nothing.
func TestSignWithFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: 1, Originator: w.supplier, Recipient: w.device}, &gbcs.IssueCredentials{Usage: ds})
	before, err := m.Encode()
	require.NoError(t, err)
	require.ErrorIs(t, m.SignWith(scripted{w.signers[supplier].key.Public(), nil, errHeld}), errHeld)
	require.Error(t, m.AddMAC(w.z[:16]))
	after, err := m.Encode()
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// What cannot be written is an error that names it.
func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	header := gbcs.GroupingHeader{Counter: 1, Originator: w.supplier, Recipient: w.device}
	u := w.update(gbcs.SupplierBySupplier, 1)
	u.Path = [][]byte{{0x30, 0x81, 0x01, 0}}
	_, err := gbcs.NewCommand(header, u).Encode()
	require.ErrorContains(t, err, "path certificate")
	u = w.update(gbcs.SupplierBySupplier, 1)
	u.Path = [][]byte{append([]byte{0x30, 0x82, 0xFF, 0xF0}, make([]byte, 0xFFF0)...)}
	_, err = gbcs.NewCommand(header, u).Encode()
	require.ErrorContains(t, err, "more than 65535")
	u = w.update(gbcs.SupplierBySupplier, 1)
	at := gbcs.CancelTime().AddDate(1, 0, 0)
	u.ExecuteAt = &at
	_, err = gbcs.NewCommand(header, u).Encode()
	require.ErrorContains(t, err, "year 10000")
	_, err = gbcs.NewCommand(header, nil).Encode()
	require.ErrorContains(t, err, "there is none")
	_, err = gbcs.NewCommand(header, &gbcs.IssueCredentials{Usage: 1 << 12}).Encode()
	require.ErrorContains(t, err, "decipherOnly")

	m := gbcs.NewCommand(header, &gbcs.IssueCredentials{Usage: ds})
	m.MAC = true
	_, err = m.Encode()
	require.ErrorContains(t, err, "AddMAC")
	m.MAC, m.Signature = false, make([]byte, 63)
	_, err = m.Encode()
	require.ErrorContains(t, err, "63 octets")
	m.Signature, m.Header.DateTime = nil, make([]byte, 11)
	_, err = m.Encode()
	require.ErrorContains(t, err, "date-time of 11 octets")
	m.Header.DateTime, m.Header.CRA = nil, 0
	_, err = m.Encode()
	require.ErrorContains(t, err, "CRA flag 0")
}
