package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"

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
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 1))
	if err != nil {
		panic("fleet: internal error: " + err.Error())
	}
	key.PublicKey = *pub
	d.pairLocked(usage).next = key
}
