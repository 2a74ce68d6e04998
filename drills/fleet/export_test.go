package fleet

import (
	"crypto/ecdsa"
	"math/big"

	"smki.example/policy"
)

// InjectSecret makes the device know the shared secret with a public key. The
// public test messages come with the secret of a device whose private key is
// not public.
func (d *Device) InjectSecret(pub *ecdsa.PublicKey, z []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secret = secretMemo{with: pub, z: z}
}

// InjectPublicKey makes the device believe that it made a key pair for pub, of
// which it knows the public half. What it signs afterwards does not verify.
func (d *Device) InjectPublicKey(usage policy.KeyUsage, pub *ecdsa.PublicKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pairLocked(usage).next = &ecdsa.PrivateKey{PublicKey: *pub, D: big.NewInt(1)}
}
