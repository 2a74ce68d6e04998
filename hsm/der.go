package hsm

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// coordinate is the length of r, of s, and of a coordinate of a P-256 point.
const coordinate = 32

// signatureDER turns r||s, which is what C_Sign returns, into the DER of
// ECDSA-Sig-Value (RFC 3279, 2.2.3). An INTEGER has no needless leading zero and is
// not negative: about one signature in 128 has a short r or s, and carrying the
// zeros over makes a certificate that strict readers refuse.
func signatureDER(rs []byte) ([]byte, error) {
	if len(rs) != 2*coordinate {
		return nil, fmt.Errorf("the token returned a signature of %d octets, want %d", len(rs), 2*coordinate)
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, n := range [][]byte{rs[:coordinate], rs[coordinate:]} {
			b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) {
				for len(n) > 1 && n[0] == 0 {
					n = n[1:]
				}
				if n[0]&0x80 != 0 {
					b.AddUint8(0)
				}
				b.AddBytes(n)
			})
		}
	})
	return b.Bytes()
}
