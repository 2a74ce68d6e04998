package gbcs_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// No single octet of a protected message can change unnoticed: the message is
// no longer one, or its signature or its MAC is wrong. What is read all the same
// is still written back as it was received.
func TestTamper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range w.samples(t) {
		if s.signer == nil && !s.mac || len(s.octets) > 2500 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for i := range s.octets {
				changed := bytes.Clone(s.octets)
				changed[i] ^= byte(1 << (i % 8))
				m, err := gbcs.Decode(changed)
				if err != nil {
					continue
				}
				again, err := m.Encode()
				require.NoError(t, err, "octet %d", i)
				require.Equal(t, changed, again, "octet %d", i)
				// The checks are cheap for the MAC and dear for the signature.
				if s.mac && m.VerifyMAC(w.z) != nil {
					continue
				}
				require.NotNil(t, s.signer, "octet %d of a message with a MAC alone", i)
				require.Error(t, m.VerifySignature(s.signer), "octet %d", i)
			}
		})
	}
}

// The MAC of a signed message covers the signature too.
func TestTamperSignatureUnderMAC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: 1, Originator: w.supplier, Recipient: w.device}, &gbcs.IssueCredentials{Usage: policy.UsageKeyAgreement})
	require.NoError(t, m.SignWith(w.signers[supplier].key))
	require.NoError(t, m.AddMAC(w.z))
	octets, err := m.Encode()
	require.NoError(t, err)
	at := bytes.Index(octets, m.Signature)
	octets[at+5] ^= 0x10
	got, err := gbcs.Decode(octets)
	require.NoError(t, err)
	require.ErrorIs(t, got.VerifyMAC(w.z), gbcs.ErrMAC)
	require.ErrorIs(t, got.VerifySignature(&w.signers[supplier].key.PublicKey), gbcs.ErrSignature)
}

// Whatever is cut off a message, the rest is no message, or a pre-command.
func TestTruncated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range w.samples(t) {
		for n := range s.octets {
			m, err := gbcs.Decode(s.octets[:n])
			if err != nil {
				continue
			}
			require.True(t, m.Precommand, "%s: %d of %d octets are a message", s.name, n, len(s.octets))
		}
	}
}
