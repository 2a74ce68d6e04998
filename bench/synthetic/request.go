package synthetic

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"fmt"

	"smki.example/policy"
)

// hardwareType stands in requests: the documentation arc, so that nobody's.
var hardwareType = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2, 1}

// Request makes a key, throws its private half away, and returns the request of a
// device that is numbered by n, in DER.
func Request(n int64) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3_D5FE_0000_0000+uint64(n/2))
	usage := policy.UsageDigitalSignature
	if n%2 == 1 {
		usage = policy.UsageKeyAgreement
	}
	tbs, err := policy.TBSRequest(policy.RequestTemplate{PublicKey: &key.PublicKey, Usage: usage, EntityID: id, HardwareType: hardwareType})
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	return policy.Assemble(tbs, signature)
}
