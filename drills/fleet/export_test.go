package fleet

import (
	"crypto/ecdsa"

	"smki.example/policy"
)

// InjectSecret makes the device know the shared secret with a public key. The
// public test messages come with the secret of a device whose private key is
// not public.
func (d *Device) InjectSecret(pub *ecdsa.PublicKey, z []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moreLocked().secret = secretMemo{with: pub, z: z}
}

// InjectPublicKey makes the device believe that it made a key pair for pub, of
// which it knows the public half. What it signs afterwards does not verify.
func (d *Device) InjectPublicKey(usage policy.KeyUsage, pub *ecdsa.PublicKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	pair, ok := pairOf(usage)
	if !ok {
		panic("fleet: internal error: a device has no such key")
	}
	d.pairs[pair].made++
	d.moreLocked().injected[pair] = pub
}
