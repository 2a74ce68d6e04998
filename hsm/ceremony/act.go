package ceremony

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smki.example/hsm"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

// act does what the step's verb says and returns lines for the transcript.
func (m *meeting) act(ctx context.Context, st Step) ([]string, error) {
	switch st.Verb {
	case VerbOpen:
		return m.open(ctx, st.Object)
	case VerbGenerate:
		k, _ := m.Script.key(hsm.KeyLabel(st.Object))
		return m.generate(ctx, k)
	case VerbWrap:
		return m.wrap(*m.Script.Contingency)
	case VerbCertify:
		cert, _ := m.Script.certificate(st.Object)
		return m.certify(ctx, cert)
	case VerbUse:
		k, _ := m.Script.key(hsm.KeyLabel(st.Object))
		return m.use(ctx, k)
	}
	return nil, nil
}

// softwareToken says whether a token is made of software.
func softwareToken(info hsm.Info) bool {
	return strings.Contains(strings.ToLower(info.Manufacturer+" "+info.Model), "softhsm")
}

func (m *meeting) open(ctx context.Context, name string) ([]string, error) {
	token, err := m.Token(ctx, name)
	if err != nil {
		return nil, err
	}
	info := token.Info()
	if !m.rehearsal {
		switch {
		case !m.env.Exercise && softwareToken(info):
			return nil, fmt.Errorf("%w: environment %q takes no keys from a token made of software, and %q is one (%s)", ErrRefused, m.env.Name, info.Label, info.Manufacturer)
		case m.env.Exercise && !strings.HasPrefix(info.Label, "EXERCISE"):
			return nil, fmt.Errorf("%w: environment %q uses only tokens whose label begins EXERCISE, and this one is %q", ErrRefused, m.env.Name, info.Label)
		}
	}
	present, err := token.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the keys of token %q: %w", info.Label, err)
	}
	for _, p := range present {
		if k, ours := m.Script.key(p.Attributes.Label); ours && k.Token == name && !k.Existing {
			return nil, fmt.Errorf("%w: token %q already has a key %q, and a ceremony uses no key it did not make; take a fresh token", ErrRefused, info.Label, p.Attributes.Label)
		}
	}
	m.tokens[name] = token
	return []string{fmt.Sprintf("token %s is %q, serial %s, %s", name, info.Label, info.Serial, info.Manufacturer)}, nil
}

// KeyEvidence is what the token says of a key that was made on it.
type KeyEvidence struct {
	Label       hsm.KeyLabel   `json:"label"`
	Token       string         `json:"token"` // by owner, as in the script
	TokenLabel  string         `json:"tokenLabel"`
	TokenSerial string         `json:"tokenSerial"`
	For         string         `json:"for"`
	KeyID       policy.KeyID   `json:"keyIdentifier"`
	Attributes  hsm.Attributes `json:"attributes"`
	// Existing says that the key was there before the ceremony.
	Existing bool `json:"existing,omitempty"`
	// Modifiable is the script's reason for a key that is modifiable.
	Modifiable string `json:"modifiable,omitempty"`
}

type evidence struct {
	Script string        `json:"script"` // its SHA-256
	Keys   []KeyEvidence `json:"keys"`
}

func (m *meeting) generate(ctx context.Context, k Key) ([]string, error) {
	if k.Modifiable != "" && !m.env.Exercise {
		return nil, fmt.Errorf("%w: key %q would be modifiable, and the keys of environment %q stay as they were made; only an exercise trades that for speed: take modifiable out of the script",
			ErrRefused, k.Label, m.env.Name)
	}
	token := m.tokens[k.Token]
	use := hsm.Sign
	if k.Use == "derive" {
		use = hsm.Derive
	}
	var key *hsm.Key
	err := m.record.at("generating "+string(k.Label), func() (err error) {
		key, err = token.Generate(ctx, hsm.KeySpec{Label: k.Label, Use: use, Modifiable: k.Modifiable != ""})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("generating key %q: %w", k.Label, err)
	}
	return m.witness(k, token, key)
}

// witness keeps what the token says of a key.
func (m *meeting) witness(k Key, token *hsm.Token, key *hsm.Key) ([]string, error) {
	info := token.Info()
	e := KeyEvidence{k.Label, k.Token, info.Label, info.Serial, k.For, policy.KeyIDOf(key.Public()), key.Evidence(), k.Existing, k.Modifiable}
	m.keys[k.Label] = key
	m.evidence.Script = m.Script.Hash()
	m.evidence.Keys = append(m.evidence.Keys, e)
	content, err := json.MarshalIndent(m.evidence, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing evidence: %w", err)
	}
	if len(m.evidence.Keys) > 1 {
		// The file is replaced by a longer one; it is summed once.
		m.record.files = slices.DeleteFunc(m.record.files, func(name string) bool { return name == evidenceFile })
	}
	if err := m.record.write(evidenceFile, append(content, '\n')); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("writing public key %q: %w", k.Label, err)
	}
	if err := m.record.pem(filepath.Join(publicKeyDir, string(k.Label)+".pem"), "PUBLIC KEY", spki); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki)
	lines := []string{
		fmt.Sprintf("key %s on token %s, key identifier %s", k.Label, k.Token, e.KeyID),
		fmt.Sprintf("public key SHA-256 %x", sum),
	}
	if k.Modifiable != "" {
		a := e.Attributes
		lines = append(lines, fmt.Sprintf("made modifiable: %s (read back: modifiable %t, always sensitive %t, never extractable %t)",
			k.Modifiable, a.Modifiable, a.AlwaysSensitive, a.NeverExtractable))
	}
	return lines, nil
}

// certify issues one certificate in the order that the CA has too: to-be-signed
// bytes, lints, intent on disk, signature, verification, record, certificate.
func (m *meeting) certify(ctx context.Context, c Certificate) ([]string, error) {
	profile, err := m.env.Profile(c.Profile)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: %w", c.Name, err)
	}
	template, err := m.template(c)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: %w", c.Name, err)
	}
	if old := m.certificates[c.Renews]; old != nil && old.Subject.CN != c.CN {
		return nil, fmt.Errorf("%w: certificate %q would renew that of %q under the name %q; a renewal keeps the name", ErrRefused, c.Name, old.Subject.CN, c.CN)
	}
	signingKey := m.keys[c.Key]
	if c.Issuer != "" {
		issuer, _ := m.Script.certificate(c.Issuer)
		signingKey = m.keys[issuer.Key]
	}
	tbs, err := profile.TBS(template)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: building it: %w", c.Name, err)
	}
	if err := profile.LintTBS(tbs, template.Issuer); err != nil {
		return nil, fmt.Errorf("%w: certificate %q does not pass the lints: %w", ErrRefused, c.Name, err)
	}
	intent := Intent{Certificate: c.Name, Profile: c.Profile, ProfileVersion: profile.Version, KeyLabel: signingKey.Label(), Serial: template.Serial, TBS: tbs}
	m.intents = append(m.intents, intent)
	seq := len(m.intents)
	if err := m.record.intent(seq, intent); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	err = m.record.at("signing "+c.Name, func() (err error) {
		intent.Signature, err = signingKey.Signer(ctx).Sign(rand.Reader, digest[:], crypto.SHA256)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("certificate %q: signing with key %q: %w", c.Name, signingKey.Label(), err)
	}
	if err := policy.VerifyTBS(signingKey.Public(), tbs, intent.Signature); err != nil {
		return nil, fmt.Errorf("certificate %q: the token's signature is wrong; do not trust this token: %w", c.Name, err)
	}
	if err := m.record.signed(seq, intent); err != nil {
		return nil, err
	}
	m.intents[seq-1] = intent
	der, err := policy.Assemble(tbs, intent.Signature)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: %w", c.Name, err)
	}
	certificate, err := policy.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: reading back what was made: %w", c.Name, err)
	}
	if err := m.record.pem(filepath.Join(certificateDir, c.Name+".pem"), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	m.certificates[c.Name] = certificate
	sum := sha256.Sum256(der)
	lines := []string{
		fmt.Sprintf("certificate %s, profile %s version %d, serial %s", c.Name, c.Profile, profile.Version, template.Serial),
		fmt.Sprintf("signed by key %s, valid %s to %s", signingKey.Label(), certificate.NotBefore.Format("2006-01-02"), certificate.NotAfter.Format("2006-01-02")),
		fmt.Sprintf("certificate SHA-256 %x", sum),
	}
	if c.Renews != "" {
		lines = append(lines, "for the same key and under the same name as certificate "+c.Renews)
	}
	if c.Contingency != "" {
		lines = append(lines, "carries the wrapped contingency key "+string(c.Contingency)+" ("+OurReading+")")
	}
	return lines, nil
}

func (m *meeting) template(c Certificate) (t policy.CertificateTemplate, err error) {
	serial, err := policy.NewSerial(m.Rand)
	if err != nil {
		return t, err
	}
	t = policy.CertificateTemplate{
		Serial: serial, PublicKey: m.keys[c.Key].Public(), CN: c.CN, NotBefore: m.Clock(),
		Issuer: m.certificates[c.Issuer], WrappedContingency: m.wrapped[c.Contingency],
	}
	if c.Profile != policy.ProfileOrganisation {
		return t, nil
	}
	if t.Role, err = policy.ParseRole(c.Role); err != nil {
		return t, err
	}
	if t.EntityID, err = policy.ParseEntityID(c.EntityID); err != nil {
		return t, err
	}
	t.Usage, err = policy.ParseKeyUsage(c.Usage)
	return t, err
}

// wrap makes the symmetric key, gives its shares away and forgets it. The
// shares are with their custodians before the wrapped key is used for anything,
// since a root certificate whose contingency key nobody can unwrap is worthless.
func (m *meeting) wrap(c Contingency) ([]string, error) {
	symmetric, err := newSymmetricKey(m.Rand)
	if err != nil {
		return nil, err
	}
	defer clear(symmetric)
	public, stays, err := m.contingencyPublic(c)
	if err != nil {
		return nil, err
	}
	der, err := wrapContingency(symmetric, public)
	if err != nil {
		return nil, fmt.Errorf("wrapping key %q: %w", c.Key, err)
	}
	shares, err := custody.Split(symmetric, c.Open, len(c.Custodians), m.Rand)
	if err != nil {
		return nil, err
	}
	for i, who := range c.Custodians {
		err := m.record.at("handing a share to "+who, func() error { return m.hand(c, who, shares[i]) })
		if err != nil {
			return nil, fmt.Errorf("handing %v to %s: %w", shares[i], who, err)
		}
	}
	m.wrapped[c.Key] = der
	return append(stays,
		fmt.Sprintf("key %s wrapped by %s (%s)", c.Key, c.Wrap, OurReading),
		fmt.Sprintf("symmetric key of 32 octets split %d of %d, set %s: %s", c.Open, len(c.Custodians), shares[0].Set(), strings.Join(c.Custodians, ", ")),
	), nil
}

// contingencyPublic is the public half that is to be wrapped, of a key that was
// made in this ceremony or of one that was given.
func (m *meeting) contingencyPublic(c Contingency) (public *ecdsa.PublicKey, lines []string, err error) {
	if !c.Given {
		return m.keys[c.Key].Public(), nil, nil
	}
	public = m.Contingency
	if m.rehearsal && public == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, fmt.Errorf("making a stand-in for key %q: %w", c.Key, err)
		}
		public = &key.PublicKey
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, nil, fmt.Errorf("writing public key %q: %w", c.Key, err)
	}
	if err := m.record.pem(filepath.Join(publicKeyDir, string(c.Key)+".pem"), "PUBLIC KEY", spki); err != nil {
		return nil, nil, err
	}
	return public, []string{fmt.Sprintf("key %s stays as it is; its public half was given, SHA-256 %x", c.Key, sha256.Sum256(spki))}, nil
}

func (m *meeting) hand(c Contingency, who string, share custody.Share) error {
	if m.Custodian != nil {
		return m.Custodian(who, share)
	}
	dir := filepath.Join(m.Out, custodianDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeFile(ShareFile(m.Out, who), []byte(share.Card("the symmetric key of "+string(c.Key))), 0o600)
}

// ShareFile is where the share of a custodian role is written in the directory
// out when nobody took it. Whoever reads enough of these files has the
// symmetric key; a custodian takes the file away and erases it there.
func ShareFile(out, custodian string) string {
	return filepath.Join(out, custodianDir, strings.ReplaceAll(custodian, " ", "-")+".txt")
}
