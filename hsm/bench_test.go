package hsm_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// BenchmarkSign signs with a token object and with a session's copy of the key, with
// four callers for each session: go test -bench Sign -benchtime 2s ./hsm
func BenchmarkSign(b *testing.B) {
	for _, sessions := range []int{1, 2, 4, 8} {
		for name, modifiable := range map[string]bool{"token-key": false, "session-copy": true} {
			b.Run(fmt.Sprintf("%s/sessions-%d", name, sessions), func(b *testing.B) {
				token, key := benchKey(b, hsm.KeySpec{Label: "bench-1", Use: hsm.Sign, Modifiable: modifiable}, sessions)
				defer token.Close()
				digest := make([]byte, 32)
				b.SetParallelism(4 * sessions)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := key.SignDigest(b.Context(), digest); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
			})
		}
	}
}

// BenchmarkECDH agrees with a token key.
func BenchmarkECDH(b *testing.B) {
	for _, sessions := range []int{1, 4} {
		b.Run(fmt.Sprintf("sessions-%d", sessions), func(b *testing.B) {
			token, key := benchKey(b, hsm.KeySpec{Label: "bench-1", Use: hsm.Derive}, sessions)
			defer token.Close()
			b.SetParallelism(4 * sessions)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := key.ECDH(b.Context(), key.Public()); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "agreements/s")
		})
	}
}

func benchKey(b *testing.B, spec hsm.KeySpec, sessions int) (*hsm.Token, *hsm.Key) {
	b.Helper()
	c := hsm.FromSoftHSM(softhsm.ForTest(b, "EXERCISE bench"))
	c.Sessions = sessions
	token, err := hsm.Open(b.Context(), c)
	require.NoError(b, err)
	key, err := token.Generate(b.Context(), spec)
	require.NoError(b, err)
	return token, key
}
