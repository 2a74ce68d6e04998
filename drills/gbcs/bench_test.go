package gbcs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
)

// A recovery command has eight certificates: the largest message of a drill, and
// the one that every device of a fleet reads.
func benchmarkMessage(b *testing.B, mode gbcs.ReplacementMode) (*world, sample) {
	b.Helper()
	w := newWorld(b)
	for _, s := range w.samples(b) {
		if s.name == mode.String()+" command" {
			return w, s
		}
	}
	require.Fail(b, "no such sample")
	return nil, sample{}
}

func BenchmarkDecode(b *testing.B) {
	_, s := benchmarkMessage(b, gbcs.AnyExceptAbnormalRootByRecovery)
	b.ReportAllocs()
	b.SetBytes(int64(len(s.octets)))
	for b.Loop() {
		_, err := gbcs.Decode(s.octets)
		require.NoError(b, err)
	}
}

func BenchmarkEncode(b *testing.B) {
	_, s := benchmarkMessage(b, gbcs.AnyExceptAbnormalRootByRecovery)
	b.ReportAllocs()
	b.SetBytes(int64(len(s.octets)))
	for b.Loop() {
		_, err := s.message.Encode()
		require.NoError(b, err)
	}
}

func BenchmarkVerifySignature(b *testing.B) {
	_, s := benchmarkMessage(b, gbcs.SupplierBySupplier)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, s.message.VerifySignature(s.signer))
	}
}

func BenchmarkVerifyMAC(b *testing.B) {
	w, s := benchmarkMessage(b, gbcs.SupplierBySupplier)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, s.message.VerifyMAC(w.z))
	}
}
