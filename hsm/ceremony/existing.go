package ceremony

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"smki.example/hsm"
	"smki.example/policy"
)

// use finds a key that an earlier ceremony made, and the certificate that goes with
// it. The two must belong together, and what the token says of the key is read back
// as if it had been made now, so that the evidence of this ceremony stands alone.
func (m *meeting) use(ctx context.Context, k Key) ([]string, error) {
	token := m.tokens[k.Token]
	var key *hsm.Key
	var err error
	if m.rehearsal {
		// A throw-away token has no earlier keys; one stands in.
		key, err = token.Generate(ctx, hsm.KeySpec{Label: k.Label, Use: hsm.Sign})
	} else {
		key, err = token.Key(ctx, k.Label)
	}
	if errors.Is(err, hsm.ErrNotFound) {
		return nil, fmt.Errorf("%w: existing key %q is not on token %q: %w", ErrRefused, k.Label, token.Info().Label, err)
	}
	if err != nil {
		return nil, fmt.Errorf("using key %q: %w", k.Label, err)
	}
	evidence := key.Evidence()
	if err := evidence.Check(); err != nil {
		return nil, fmt.Errorf("%w: existing key %q: %w", ErrRefused, k.Label, err)
	}
	lines, err := m.witness(k, token, key)
	if err != nil {
		return nil, err
	}
	for _, c := range m.Script.Certificates {
		if c.Key != k.Label || c.Renews != "" {
			continue
		}
		line, err := m.recognise(ctx, c, key)
		if err != nil {
			return nil, fmt.Errorf("certificate %q of key %q: %w", c.Name, k.Label, err)
		}
		lines = append(lines, line)
	}
	return append(lines, "the key was there before this ceremony"), nil
}

// recognise takes the given certificate for the key's, if it is.
func (m *meeting) recognise(ctx context.Context, c Certificate, key *hsm.Key) (string, error) {
	der := m.Existing[c.Name]
	if m.rehearsal {
		var err error
		if der, err = m.standIn(ctx, c, key); err != nil {
			return "", err
		}
	}
	cert, err := policy.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	now := m.Clock()
	switch {
	case !cert.PublicKey.Equal(key.Public()):
		return "", fmt.Errorf("%w: the certificate that was given, serial %s, has another key than the one on the token", ErrRefused, cert.Serial)
	case cert.Kind() != c.Profile:
		return "", fmt.Errorf("%w: the certificate that was given, serial %s, is of profile %s, not %s", ErrRefused, cert.Serial, cert.Kind(), c.Profile)
	case now.Before(cert.NotBefore) || now.After(cert.NotAfter):
		return "", fmt.Errorf("%w: the certificate that was given, serial %s, is valid from %s to %s", ErrRefused, cert.Serial, cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339))
	}
	if err := os.MkdirAll(filepath.Join(m.Out, existingDir), 0o755); err != nil {
		return "", err
	}
	if err := m.record.pem(filepath.Join(existingDir, c.Name+".pem"), "CERTIFICATE", der); err != nil {
		return "", err
	}
	m.certificates[c.Name] = cert
	sum := sha256.Sum256(der)
	return fmt.Sprintf("its certificate %s, serial %s, SHA-256 %x", c.Name, cert.Serial, sum), nil
}

// standIn makes a root certificate for a rehearsal, where there is none. It is
// never an authority's: the key goes with the throw-away token.
func (m *meeting) standIn(ctx context.Context, c Certificate, key *hsm.Key) ([]byte, error) {
	if !c.Profile.Root() {
		return nil, fmt.Errorf("%w: only roots can stand in for themselves in a rehearsal, and this is of profile %s", ErrRefused, c.Profile)
	}
	profile, err := m.env.Profile(c.Profile)
	if err != nil {
		return nil, err
	}
	serial, err := policy.NewSerial(m.Rand)
	if err != nil {
		return nil, err
	}
	tbs, err := profile.TBS(policy.CertificateTemplate{Serial: serial, PublicKey: key.Public(), CN: m.standInName(c), NotBefore: m.Clock()})
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := key.Signer(ctx).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return policy.Assemble(tbs, signature)
}

// standInName is the name of a stand-in: that of the certificate which renews it,
// if one does, since a renewal keeps the name.
func (m *meeting) standInName(c Certificate) string {
	if renewal, is := find(m.Script.Certificates, func(r Certificate) bool { return r.Renews == c.Name }); is {
		return renewal.CN
	}
	return "RHRS"
}
