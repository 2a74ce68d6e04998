package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"smki.example/policy"
)

const secretsFile = "keys/mac-secrets.json"

// A secret is what two key agreement keys give. The same two parties have one for
// each generation of their keys.
type secret struct {
	a, b policy.EntityID
	z    []byte
}

// messages checks each message of the pack: its name and hash as the journal
// has them, its signature by a certificate of the pack, and its MAC where the
// pack holds the shared secret (exercise keys only). The pack holds a certificate
// for everyone who signs in it, the intruder of a drill included, so a signature
// that nothing verifies is a fault.
func (a *audit) messages() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	certificates, err := a.loadCertificates()
	if err != nil {
		return "", err
	}
	signers := map[policy.EntityID][]*policy.Certificate{}
	for _, c := range certificates {
		if id, is := c.EntityID(); is && c.Usage == policy.UsageDigitalSignature {
			signers[id] = append(signers[id], c)
		} else if !c.DeviceID.IsZero() && c.Usage == policy.UsageDigitalSignature {
			signers[c.DeviceID] = append(signers[c.DeviceID], c)
		}
	}
	secrets, err := a.secrets()
	if err != nil {
		return "", err
	}
	told, err := a.toldMessages()
	if err != nil {
		return "", err
	}
	var signed, macs int
	names := a.named("messages/", ".hex")
	for _, name := range names {
		m, err := a.loadMessage(name)
		if err != nil {
			return "", fmt.Errorf("%s: %v", name, err)
		}
		if told[name] != a.files[name] {
			return "", fmt.Errorf("%s: the journal does not have this message", name)
		}
		delete(told, name)
		if len(m.signature) > 0 {
			if m.cra == craCommand && m.code == codeContingency {
				if err := a.contingencySigned(m); err != nil {
					return "", fmt.Errorf("%s: %v", name, err)
				}
			} else if !signedByAny(m, signers[m.originator]) {
				return "", fmt.Errorf("%s: no certificate of %s in the pack verifies its signature", name, m.originator)
			}
			signed++
		}
		if m.mac != nil {
			held, known := a.macHolds(m, secrets)
			if known && !held {
				return "", fmt.Errorf("%s: its MAC does not hold with the shared secret in the pack", name)
			}
			if known {
				macs++
			}
		}
	}
	for name := range told {
		return "", fmt.Errorf("the journal has %s, the pack has not", name)
	}
	return fmt.Sprintf("%d messages, %d signatures and %d MACs hold", len(names), signed, macs), nil
}

func signedByAny(m *message, certificates []*policy.Certificate) bool {
	for _, c := range certificates {
		if m.signedBy(c.PublicKey) {
			return true
		}
	}
	return false
}

// macHolds looks for the secrets of the device that the message goes to or
// comes from: a command's MAC is the Access Control Broker's, whoever the
// originator is.
func (a *audit) macHolds(m *message, secrets []secret) (held, known bool) {
	device := m.recipient
	if m.cra != craCommand {
		device = m.originator
	}
	for _, s := range secrets {
		if s.a != device && s.b != device {
			continue
		}
		known = true
		if m.macHolds(s.z) {
			return true, true
		}
	}
	return false, known
}

func (a *audit) loadMessage(name string) (*message, error) {
	text, err := a.read(name)
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, errors.New("it is not one message in hex")
	}
	return readMessage(raw)
}

// toldMessages returns the message entries of the journal, file to SHA-256.
func (a *audit) toldMessages() (map[string]string, error) {
	told := map[string]string{}
	for _, e := range a.entries {
		if e.Kind != "message" {
			continue
		}
		var body struct {
			File   string `json:"file"`
			SHA256 string `json:"sha256"`
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return nil, fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		if _, twice := told[body.File]; twice {
			return nil, fmt.Errorf("entry %d: %s was told before", e.Seq, body.File)
		}
		told[body.File] = body.SHA256
	}
	return told, nil
}

func (a *audit) secrets() ([]secret, error) {
	if _, there := a.files[secretsFile]; !there {
		return nil, nil
	}
	raw, err := a.read(secretsFile)
	if err != nil {
		return nil, err
	}
	if err := plainJSON(raw); err != nil {
		return nil, fmt.Errorf("%s: %v", secretsFile, err)
	}
	var file struct {
		Secrets []struct {
			PartyA policy.EntityID `json:"partyA"`
			PartyB policy.EntityID `json:"partyB"`
			Z      string          `json:"z"`
		} `json:"ecdhSharedSecrets"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s: %v", secretsFile, err)
	}
	var out []secret
	for _, s := range file.Secrets {
		z, err := hex.DecodeString(strings.TrimSpace(s.Z))
		if err != nil || len(z) != 32 {
			return nil, fmt.Errorf("%s: the secret of %s and %s is not 32 octets in hex", secretsFile, s.PartyA, s.PartyB)
		}
		out = append(out, secret{s.PartyA, s.PartyB, z})
	}
	return out, nil
}
