package verbs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// sampleDevices is how many devices of each kind of outcome, in each campaign,
// have their messages in the pack in full. The Merkle root of a shard covers all
// of them. Commands signed with a key that only a decision opens are all there,
// because each of them must be held against its decision.
const sampleDevices = 12

// messageSample says the same in the record.
var messageSample = fmt.Sprintf("every command of the Recovery and the Contingency key; of the rest a sample: up to %d exchanges of each outcome in each campaign, and of each read-back", sampleDevices)

// A pack is the evidence pack while it is being filled. Whoever can write to the
// folder can change it until the seal binds every file; afterwards a change shows.
type pack struct {
	dir      string
	messages int               // written so far, for the numbers in file names
	sampled  map[string]int    // by campaign and outcome
	devices  map[string]bool   // whose certificates are in the pack
	secrets  map[string]secret // shared secrets of the MACs, by the parties and the generation of the broker's key
}

// A secret is a static Diffie-Hellman secret of the exercise, given away so that
// an outsider can check MACs.
type secret struct {
	PartyA string `json:"partyA"`
	PartyB string `json:"partyB"`
	Z      string `json:"z"`
}

func newPack(dir string) *pack {
	return &pack{dir: dir, sampled: map[string]int{}, devices: map[string]bool{}, secrets: map[string]secret{}}
}

// write writes a file of the pack. Its folder is made with the first file in it,
// since an empty folder belongs to no pack.
func (p *pack) write(name string, content []byte) error {
	path := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the evidence pack: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing the evidence pack: %w", err)
	}
	return nil
}

// create makes a file of the pack that is written piece by piece.
func (p *pack) create(name string) (*os.File, error) {
	path := filepath.Join(p.dir, filepath.FromSlash(name))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("writing the evidence pack: %w", err)
	}
	return f, nil
}

func (p *pack) publicKey(name string, key any) error {
	text, err := publicPEM(key)
	if err != nil {
		return err
	}
	return p.write("keys/"+name+".pub.pem", text)
}

// wants reports whether a message of this outcome belongs into the sample, and
// counts it if so.
func (p *pack) wants(campaign, outcome string) bool {
	key := campaign + "\x00" + outcome
	if p.sampled[key] >= sampleDevices {
		return false
	}
	p.sampled[key]++
	return true
}

// message writes one message and returns its entry.
func (p *pack) message(octets []byte, device policy.EntityID) (Message, error) {
	m, err := gbcs.Decode(octets)
	if err != nil {
		return Message{}, fmt.Errorf("writing a message of device %v: %w", device, err)
	}
	p.messages++
	direction := m.Header.CRA.String()
	useCase := m.Header.MessageCode.UseCase()
	entry := Message{
		File:   fmt.Sprintf("messages/%06d-%s-%s-%s.hex", p.messages, device.Hex(), useCase, direction),
		Device: device.String(), Direction: direction, UseCase: useCase, Code: m.Header.MessageCode.String(),
	}
	if mode, ok := m.Header.MessageCode.Mode(); ok {
		entry.Mode = mode.String()
	}
	text := []byte(hex.EncodeToString(octets) + "\n")
	sum := sha256.Sum256(text)
	entry.SHA256 = hex.EncodeToString(sum[:])
	return entry, p.write(entry.File, text)
}

// recordCertificate puts a party's new certificate into pack and journal.
func (w *World) recordCertificate(p *party, c *credential, generation int, requester, note string) error {
	c.file = fmt.Sprintf("certs/%s-%s-%s-%d.pem", p.entity.Hex(), p.role, c.purpose, generation)
	if requester != p.name {
		c.file = fmt.Sprintf("certs/%s-%s-%s-intruder.pem", p.entity.Hex(), p.role, c.purpose)
		if generation > 1 {
			c.file = fmt.Sprintf("certs/%s-%s-%s-intruder-%d.pem", p.entity.Hex(), p.role, c.purpose, generation)
		}
	}
	if err := w.pack.write(c.file, c.certificate.PEM()); err != nil {
		return err
	}
	if w.begun {
		w.issued++
	}
	_, err := w.record(journal.KindCertificate, max(0, w.clock.now()), CertificateIssued{
		File: c.file, Serial: c.certificate.Serial.String(), Issuer: "issuing-oca", Party: p.name, Entity: p.entity.String(),
		Role: p.role.String(), Usage: c.certificate.Usage.String(), Purpose: string(c.purpose), KeyID: c.keyID().String(),
		Requester: requester, Note: note,
	})
	return err
}

// sample puts the messages of one exchange into pack and journal, with the
// device's certificates and the secret of the MACs, if the sample has room for
// this outcome. A command of the Recovery key is put there in any case.
func (w *World) sample(at time.Duration, x *exchange) error {
	if x.octets == nil {
		return nil
	}
	messages := [][]byte{x.octets, x.answer}
	if x.alert {
		messages = messages[1:] // its command was told when it was sent
	}
	full := w.pack.wants(x.campaign.name, x.outcome)
	if !full {
		if x.campaign.guard == "" {
			return nil
		}
		messages = messages[:min(1, len(messages))]
		if x.alert {
			return nil
		}
	}
	d := w.fleet.Device(x.device)
	for _, octets := range messages {
		if octets == nil {
			continue
		}
		entry, err := w.pack.message(octets, d.ID)
		if err != nil {
			return err
		}
		entry.Campaign, entry.Outcome, entry.Reason = x.campaign.name, x.outcome, x.reason
		if _, err := w.record(journal.KindMessage, at, entry); err != nil {
			return err
		}
	}
	if !full {
		return nil
	}
	if err := w.keepDevice(x.device); err != nil || x.plan.seal == nil {
		return err
	}
	return w.keepSecret(x.device, x.plan.seal)
}

// keepDevice puts into the pack what an outsider needs for a device's messages.
func (w *World) keepDevice(index int) error {
	d := w.fleet.Device(index)
	id := d.ID.Hex()
	if err := w.keepSecret(index, w.broker.keyFor(w, index)); err != nil || w.pack.devices[id] {
		return err
	}
	w.pack.devices[id] = true
	if d.Certificate(policy.UsageDigitalSignature) == nil {
		w.uncertified = append(w.uncertified, index) // certifyKept does it for all of a window
		return nil
	}
	return w.keepCertificates(d)
}

// keepSecret puts the secret of a device and one of the broker's keys into the
// pack: with it an outsider checks the MACs.
func (w *World) keepSecret(index int, key *credential) error {
	z, err := w.broker.secretWith(w, key, index)
	if err != nil {
		return err
	}
	party, id := w.broker.party.entity.Hex(), w.fleet.Device(index).ID.Hex()
	w.pack.secrets[fmt.Sprintf("%s %s %d", party, id, key.generation)] = secret{PartyA: party, PartyB: id, Z: hex.EncodeToString(z)}
	return nil
}

// writeSecrets writes keys/mac-secrets.json. They are exercise secrets, of keys
// that end with the drill.
func (p *pack) writeSecrets() error {
	list := struct {
		About   string   `json:"about"`
		Secrets []secret `json:"ecdhSharedSecrets"`
	}{"exercise keys only: shared secrets of the broker and the devices whose messages are in this pack, for checking MACs", []secret{}}
	for _, key := range slices.Sorted(maps.Keys(p.secrets)) {
		list.Secrets = append(list.Secrets, p.secrets[key])
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return p.write("keys/mac-secrets.json", append(text, '\n'))
}

// fileName makes a word of a drill a part of a file name.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s)
}
