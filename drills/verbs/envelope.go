package verbs

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"smki.example/drills/words"
	"smki.example/hsm/custody"
)

// codeWords is how many words a custodian's code has: few enough to be typed on a
// telephone in front of others. Their 32 bits keep a colleague out for the length of
// a drill, and nobody with a computer: they are for exercise keys alone.
const codeWords = 4

// sealWork is the work factor of scrypt, as its binary logarithm. A code is tried by
// hand, and a committee of five must not wait.
const sealWork = 10

// sealShare puts a share into an envelope that its code opens and nothing else.
func sealShare(share custody.Share) (code string, sealed []byte, err error) {
	octets := make([]byte, words.Count)
	rand.Read(octets)
	code = strings.ToLower(strings.Join(strings.Split(words.Of(octets), "-")[:codeWords], " "))
	to, err := age.NewScryptRecipient(code)
	if err != nil {
		return "", nil, fmt.Errorf("sealing a share: %w", err)
	}
	to.SetWorkFactor(sealWork)
	var b bytes.Buffer
	in, err := age.Encrypt(&b, to)
	if err != nil {
		return "", nil, fmt.Errorf("sealing a share: %w", err)
	}
	if _, err := io.WriteString(in, share.Text()); err != nil {
		return "", nil, fmt.Errorf("sealing a share: %w", err)
	}
	if err := in.Close(); err != nil {
		return "", nil, fmt.Errorf("sealing a share: %w", err)
	}
	return code, b.Bytes(), nil
}

// openEnvelope takes the share out again. Capitals, hyphens and blanks do not matter
// in a code.
func openEnvelope(sealed []byte, code string) (custody.Share, error) {
	code = strings.Join(strings.FieldsFunc(strings.ToLower(code), func(r rune) bool { return r == ' ' || r == '-' || r == ',' || r == '\t' || r == '\n' }), " ")
	if code == "" {
		return custody.Share{}, fmt.Errorf("opening an envelope: there is no code")
	}
	by, err := age.NewScryptIdentity(code)
	if err != nil {
		return custody.Share{}, fmt.Errorf("opening an envelope: %w", err)
	}
	by.SetMaxWorkFactor(sealWork)
	out, err := age.Decrypt(bytes.NewReader(sealed), by)
	if err != nil {
		return custody.Share{}, fmt.Errorf("opening an envelope: %w", err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		return custody.Share{}, fmt.Errorf("opening an envelope: %w", err)
	}
	return custody.ParseShare(string(text))
}
