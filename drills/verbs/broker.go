package verbs

import (
	"fmt"
	"sync"

	"smki.example/policy"
)

// A broker is the simulated Access Control Broker. Every command but those of the
// Recovery and the Contingency key passes it and gets its MAC from it, and so it
// is the one place where a revocation stops a message: devices see no CRL.
//
// That it checks the signer's certificate against the newest Organisation CRL is
// a setting of ours (I).
type broker struct {
	party     *party
	unchecked bool // the setting is off: no CRL is looked at

	mu      sync.Mutex
	secrets map[secretOf][]byte // shared secrets of devices' agreement keys with ours; at most secretsKept
}

// secretsKept bounds the shared secrets that are remembered. A campaign needs each
// once or twice; a broker that kept those of a million devices would hold more of
// them than of anything else.
const secretsKept = 4096

// secretOf is whose secret it is: a device's, with one of our keys.
type secretOf struct {
	key    *credential
	device int
}

// refuses says why the broker adds no MAC to a command of this party, signed
// under this certificate, or "" if it does.
func (b *broker) refuses(a *authority, p *party, signer *policy.Certificate) string {
	if p.frozen {
		return "the broker holds all traffic of " + p.name
	}
	if signer != nil && !b.unchecked && a.revoked(signer.Serial) {
		return "the signer's certificate is on the CRL"
	}
	return ""
}

// keyFor is our agreement key that a device is believed to hold: that of the last
// answer which proved one.
func (b *broker) keyFor(w *World, device int) *credential {
	return b.party.generations[w.proven(b.party.role, device).generation][purposeAgreement]
}

// secret is the shared secret of the broker and a device, worked out once. It may
// be asked for by several goroutines.
func (b *broker) secret(w *World, device int) ([]byte, error) {
	return b.secretWith(w, b.keyFor(w, device), device)
}

// secretWith is secret for one of our keys.
func (b *broker) secretWith(w *World, key *credential, device int) ([]byte, error) {
	of := secretOf{key, device}
	b.mu.Lock()
	z, known := b.secrets[of]
	b.mu.Unlock()
	if known {
		return z, nil
	}
	d := w.fleet.Device(device)
	peer, err := d.Public(policy.UsageKeyAgreement).ECDH()
	if err != nil {
		return nil, fmt.Errorf("agreeing on a secret with device %v: %w", d.ID, err)
	}
	if z, err = key.agreement.ECDH(peer); err != nil {
		return nil, fmt.Errorf("agreeing on a secret with device %v: %w", d.ID, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.secrets) >= secretsKept {
		clear(b.secrets)
	}
	b.secrets[of] = z
	return z, nil
}
