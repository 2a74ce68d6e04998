package verbs

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

// KindCeremony is the kind of a key ceremony's entry; its body is [CeremonyHeld].
const KindCeremony journal.Kind = "ceremony"

// CeremonyHeld tells of a key ceremony in the course of a drill. Script and
// transcript lie in the pack.
type CeremonyHeld struct {
	Title        string   `json:"title"`
	Script       string   `json:"script"` // its SHA-256
	Fingerprint  string   `json:"fingerprint"`
	Folder       string   `json:"folder"`
	Keys         []string `json:"keys"` // made or used
	Certificates []string `json:"certificates"`
	Custodians   []string `json:"custodians"` // who got new shares
	Witness      string   `json:"witness"`
	Note         string   `json:"note,omitempty"`
}

const witnessWords = "the internal witness, and every step stands in the transcript"

// CeremonyAfter is how long it takes to hold a ceremony for which no custodian has
// to travel; sample data.
const CeremonyAfter = 2 * time.Hour

// A scriptText is a ceremony's script while it is put together. What is made is
// the same each time, and what differs is generations and names.
type scriptText struct {
	title        string
	tokens       []string // lines of YAML
	keys         []string
	certificates []string
	contingency  string       // the section, or nothing
	custodians   []*custodian // who take part in what the script does
	given        []*custodian // who got new shares, of what it makes or with it; nil: the same
	steps        []string
	// what is to be given to the run
	existing map[string][]byte
	public   *ecdsa.PublicKey
}

func newScript(title string) *scriptText {
	return &scriptText{title: title, existing: map[string][]byte{}}
}

func (s *scriptText) step(who, says, act, checked string) {
	line := fmt.Sprintf("  - {step: %d, who: %s, says: %s", len(s.steps)+1, who, says)
	if act != "" {
		line += ", " + act
	}
	if checked != "" {
		line += ", checked: " + checked
	}
	s.steps = append(s.steps, line+"}")
}

// open has a token put in place.
func (s *scriptText) open(token, holds string) {
	s.tokens = append(s.tokens, fmt.Sprintf("  %s: %s", token, holds))
	s.step("administrator", "puts the "+token+" token in place", "open: "+token, "the token's label says EXERCISE and none of the keys to be made is on it")
}

// make has a key made.
func (s *scriptText) make(label hsm.KeyLabel, token, purpose string) {
	s.keys = append(s.keys, fmt.Sprintf("  %s: {token: %s, use: sign, for: %s}", label, token, purpose))
	s.step("administrator", "makes the key "+string(label), "generate: "+string(label), "read back as made on the token; never extractable and always sensitive")
}

// use has an authority's key found again, with its certificate.
func (s *scriptText) use(name string, label hsm.KeyLabel, certificate *policy.Certificate) {
	s.keys = append(s.keys, fmt.Sprintf("  %s: {token: ca, use: sign, for: signing in this ceremony, existing: true}", label))
	s.certificates = append(s.certificates, fmt.Sprintf("  %s: {profile: %s, key: %s}", name, name, label))
	s.existing[name] = certificate.Raw
	s.step("administrator", "finds the key "+string(label)+" and its certificate", "use: "+string(label), "the certificate's SHA-256 is that of the minutes")
}

// certify has a certificate issued.
func (s *scriptText) certify(name, says, fields string) {
	s.certificates = append(s.certificates, fmt.Sprintf("  %s: {%s}", name, fields))
	s.step("administrator", says, "certify: "+name, "it passes the lints and verifies with its issuer's key")
}

// wrap has the Contingency key's public half wrapped under a new symmetric key,
// whose shares the custodians get.
func (s *scriptText) wrap(label hsm.KeyLabel, given bool, who []*custodian, needed int) {
	names := make([]string, len(who))
	for i := range who {
		names[i] = fmt.Sprintf("custodian %d", i+1)
	}
	s.custodians = who
	words := ""
	if given {
		words = ", given: true"
	}
	s.contingency = fmt.Sprintf("contingency: {key: %s%s, wrap: id-aes256-wrap-pad, custodians: [%s], open: %d, basis: our reading of RFC 5934 and GBCS; no public text gives these octets}\n",
		label, words, strings.Join(names, ", "), needed)
	s.step("administrator", "wraps the public half of "+string(label)+" under a new symmetric key and hands each custodian one share of that key", "wrap: "+string(label),
		"each custodian has read the share back; the symmetric key exists nowhere else")
}

func (s *scriptText) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "ceremony: 1\ntitle: %s\nenvironment: exercise\nsource: sample, made for this drill; the real ceremony's script is not public\nverified: false\n\n", s.title)
	b.WriteString("roles:\n  administrator: runs the script and reads each step aloud\n  internal witness: sees that each step is done as written and notes every exception\n")
	for i, c := range s.custodians {
		fmt.Fprintf(&b, "  custodian %d: %q\n", i+1, fmt.Sprintf("%s, of %s, keeps one share", c.name, c.party))
	}
	for _, section := range []struct {
		name  string
		lines []string
	}{{"tokens", s.tokens}, {"keys", s.keys}} {
		fmt.Fprintf(&b, "\n%s:\n%s\n", section.name, strings.Join(section.lines, "\n"))
	}
	fmt.Fprintf(&b, "\n%s\ncertificates:\n%s\n\nsteps:\n%s\n", s.contingency, strings.Join(s.certificates, "\n"), strings.Join(s.steps, "\n"))
	return []byte(b.String())
}

// hold carries a script out on the drill's tokens, has the CA take over what it
// signed, and puts script, transcript and evidence into the pack. Shares of a
// symmetric key are returned in the order of the custodians.
func (w *World) hold(ctx context.Context, at time.Duration, s *scriptText) (*ceremony.Result, []custody.Share, error) {
	s.step("internal witness", "reads the exceptions noted and the fingerprint of the transcript key into the minutes", "", "the minutes have both")
	script, err := ceremony.Parse("script.yaml", s.text())
	if err != nil {
		return nil, nil, fmt.Errorf("verbs: internal error: a ceremony's script: %w", err)
	}
	w.dcc.ceremony++
	folder := fmt.Sprintf("ceremonies/%02d", w.dcc.ceremony)
	var shares []custody.Share
	made, err := ceremony.Run(ctx, ceremony.Config{
		Script: script, Environment: w.env, Out: filepath.Join(w.cfg.Scratch, filepath.FromSlash(folder)), Clock: w.clock.Now,
		Token:     func(ctx context.Context, name string) (*hsm.Token, error) { return w.tokens.login(ctx, name) },
		Custodian: func(_ string, share custody.Share) error { shares = append(shares, share); return nil },
		Existing:  s.existing, Contingency: s.public,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := w.copyCeremony(made.Dir, folder); err != nil {
		return nil, nil, err
	}
	entry := CeremonyHeld{Title: script.Title, Script: script.Hash(), Fingerprint: made.Fingerprint, Folder: folder, Witness: witnessWords, Keys: []string{}, Certificates: []string{}, Custodians: []string{}}
	for _, k := range made.Keys {
		entry.Keys = append(entry.Keys, string(k.Label))
	}
	for _, c := range made.Issued {
		entry.Certificates = append(entry.Certificates, c.Name)
	}
	if s.given == nil {
		s.given = s.custodians
	}
	for _, c := range s.given {
		entry.Custodians = append(entry.Custodians, c.name)
	}
	if s.contingency != "" {
		entry.Note = "the wrapped contingency key is " + ceremony.OurReading
	}
	if _, err := w.record(KindCeremony, at, entry); err != nil {
		return nil, nil, err
	}
	return made, shares, nil
}

// copyCeremony copies what a ceremony left into the pack: its own sums cover it
// there as well.
func (w *World) copyCeremony(from, folder string) error {
	if err := os.CopyFS(filepath.Join(w.cfg.Pack, filepath.FromSlash(folder)), os.DirFS(from)); err != nil {
		return fmt.Errorf("writing the evidence pack: %w", err)
	}
	return nil
}

// certificateOf reads one that a ceremony made, and puts it into the pack.
func (w *World) certificateOf(made *ceremony.Result, name, file string) (*policy.Certificate, error) {
	c, err := policy.ParseCertificate(made.Certificates[name])
	if err != nil {
		return nil, fmt.Errorf("reading the ceremony's certificate %q: %w", name, err)
	}
	return c, w.pack.write("certs/"+file+".pem", c.PEM())
}
