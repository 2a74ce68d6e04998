package ceremony

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"smki.example/hsm"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

// A Config says how a script is carried out. Script, Out and Token are needed.
type Config struct {
	Script *Script
	// Environment decides policies, validity and limits. It is the script's when
	// nil; another is accepted only if both are for exercises.
	Environment *policy.Environment
	// Out is the directory of the ceremony. It must be absent or vacant: empty but
	// for a rehearsal's minutes and directories called token….
	Out string
	// Token opens the real token that stands for the script's token of that name.
	// It is called once for each name and may return one token for several. The
	// ceremony closes no token.
	Token func(ctx context.Context, name string) (*hsm.Token, error)
	// Existing has the certificates, in DER, of those certificates of the script whose
	// keys are existing, by name. A rehearsal makes its own.
	Existing map[string][]byte
	// Contingency is the public half of the contingency key, where the script says
	// that it is given. A rehearsal makes its own.
	Contingency *ecdsa.PublicKey
	// Rehearsed, if not empty, is the hash that the rehearsal printed. Another
	// script is refused; so is one that differs from a rehearsal kept in Out.
	Rehearsed string
	// Custodian takes the share of one custodian role. When nil, shares are
	// written to Out/custodians, one file of mode 0600 each, for their custodians
	// to take away; they are no part of the evidence.
	Custodian func(role string, share custody.Share) error
	// Attend, if not nil, is called after each step with what was done. The people
	// in the room confirm it, with a remark for the transcript or none; an error
	// stops the ceremony.
	Attend func(ctx context.Context, step Step, done string) (remark string, err error)
	// Progress, if not nil, hears of each step as it begins.
	Progress func(step, of int, text string)
	Clock    func() time.Time // time.Now when nil
	Rand     io.Reader        // for serials, shares and the symmetric key; crypto/rand when nil

	rehearsal bool
	fault     func(point string) error
}

// transcriptName is the name under which transcripts are signed.
const transcriptName = "smki-ceremony"

// Run carries out the script and returns what it made.
//
// The directory Out has, when Run returns without error: certificates/NAME.pem,
// public-keys/LABEL.pem, evidence.json (attributes read back from the token),
// intents.jsonl and intents.hex (every signature of a CA key), script.yaml,
// transcript.txt (signed by a key made for this ceremony and forgotten with it)
// and SHA256SUMS.
//
// The order of things is the purpose of this function. A step is in the
// transcript before it begins, the bytes to be signed are in intents.jsonl
// before the token is asked, and a signature is verified and recorded before its
// certificate is written. A ceremony that dies therefore leaves a directory
// without SHA256SUMS that says which keys may exist and which signatures may
// have been made. It is never continued: Run on that directory is
// [ErrUnfinished] and says what stands and what to do.
//
// An error wrapping [ErrRefused] means that nothing was begun or that policy
// said no; hsm's errors are wrapped.
func Run(ctx context.Context, c Config) (*Result, error) {
	m, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if err := vacant(c.Out); err != nil {
		return nil, err
	}
	if err := m.begin(); err != nil {
		return nil, m.stopped(0, err)
	}
	for _, step := range m.Script.Steps {
		if err := m.step(ctx, step); err != nil {
			return nil, m.stopped(step.Number, err)
		}
	}
	if err := m.finish(); err != nil {
		return nil, m.stopped(len(m.Script.Steps), err)
	}
	return Load(c.Out)
}

// meeting is a ceremony while it goes on.
type meeting struct {
	Config
	env    *policy.Environment
	record record
	signer note.Signer
	vkey   string

	transcript   strings.Builder // what runningFile holds
	tokens       map[string]*hsm.Token
	keys         map[hsm.KeyLabel]*hsm.Key
	certificates map[string]*policy.Certificate
	wrapped      map[hsm.KeyLabel][]byte // DER of ApexContingencyKey
	evidence     evidence
	intents      []Intent
}

// prepare checks all that can be checked before the directory is touched.
func prepare(c Config) (*meeting, error) {
	switch {
	case c.Script == nil:
		return nil, errors.New("running a ceremony: Script is not set")
	case c.Out == "":
		return nil, errors.New("running a ceremony: Out is not set")
	case c.Token == nil:
		return nil, errors.New("running a ceremony: Token is not set")
	}
	if err := c.Script.Check(); err != nil {
		return nil, err
	}
	left, err := rehearsedIn(c.Out)
	if err != nil {
		return nil, fmt.Errorf("running a ceremony: %w", err)
	}
	for _, rehearsed := range []string{c.Rehearsed, left} {
		if rehearsed != "" && !strings.EqualFold(rehearsed, c.Script.Hash()) {
			return nil, fmt.Errorf("%w: the script's SHA-256 is %s and %s was rehearsed; rehearse this script or run that one", ErrRefused, c.Script.Hash(), rehearsed)
		}
	}
	own, err := policy.LoadEnvironment(c.Script.Environment)
	if err != nil {
		return nil, fmt.Errorf("running a ceremony: %w", err)
	}
	env := c.Environment
	if env == nil {
		env = own
	}
	if env.Name != own.Name && !(env.Exercise && own.Exercise) {
		return nil, fmt.Errorf("%w: the script is for environment %q and this is %q", ErrRefused, own.Name, env.Name)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the transcript key: %w", err)
	}
	signer, vkey, err := transcriptSigner(public, private)
	if err != nil {
		return nil, err
	}
	for _, cert := range c.Script.Certificates {
		if c.Script.existing(cert) && !c.rehearsal && len(c.Existing[cert.Name]) == 0 {
			return nil, fmt.Errorf("running a ceremony: the script uses key %q, which is there already; give its certificate %q", cert.Key, cert.Name)
		}
	}
	if k := c.Script.Contingency; k != nil && k.Given && !c.rehearsal && c.Contingency == nil {
		return nil, fmt.Errorf("running a ceremony: the script wraps the public half of key %q, which is on no token here; give it", k.Key)
	}
	return &meeting{
		Config: c, env: env, record: record{dir: c.Out, fault: c.fault}, signer: signer, vkey: vkey,
		tokens: map[string]*hsm.Token{}, keys: map[hsm.KeyLabel]*hsm.Key{},
		certificates: map[string]*policy.Certificate{}, wrapped: map[hsm.KeyLabel][]byte{},
	}, nil
}

// transcriptSigner signs notes with a key that is in no file and in no
// certificate.
func transcriptSigner(public ed25519.PublicKey, private ed25519.PrivateKey) (note.Signer, string, error) {
	vkey, err := note.NewEd25519VerifierKey(transcriptName, public)
	if err != nil {
		return nil, "", fmt.Errorf("making the transcript key: %w", err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, "", fmt.Errorf("making the transcript key: %w", err)
	}
	return &ed25519Signer{verifier.KeyHash(), private}, vkey, nil
}

type ed25519Signer struct {
	hash    uint32
	private ed25519.PrivateKey
}

func (s *ed25519Signer) Name() string                    { return transcriptName }
func (s *ed25519Signer) KeyHash() uint32                 { return s.hash }
func (s *ed25519Signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.private, msg), nil }

func (m *meeting) begin() error {
	if err := m.record.begin(m.Script.Raw); err != nil {
		return err
	}
	label := "not verified: " + m.Script.Source
	if m.Script.Verified {
		label = "verified against: " + m.Script.Source
	}
	kind := "run, not held against a rehearsal"
	if left, err := rehearsedIn(m.Out); err == nil && (left != "" || m.Rehearsed != "") {
		kind = "run of the script that was rehearsed"
	}
	if m.rehearsal {
		kind = "rehearsal on a throw-away token"
	}
	head := []string{
		"smki ceremony transcript",
		"script " + m.Script.Hash(),
		"title " + m.Script.Title,
		"kind " + kind,
		fmt.Sprintf("environment %s, version %d", m.env.Name, m.env.Version),
		"status of the script: " + label,
		"transcript key " + m.vkey,
		"begun " + m.now(),
	}
	return m.say(head...)
}

func (m *meeting) now() string { return m.Clock().UTC().Format(time.RFC3339) }

// say adds lines to the transcript, on disk when it returns.
func (m *meeting) say(lines ...string) error {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(oneLine(line) + "\n")
	}
	if err := m.record.add(runningFile, text.String()); err != nil {
		return err
	}
	m.transcript.WriteString(text.String())
	return nil
}

// oneLine keeps a remark or a device's label from ending the line it is in,
// which in a note would let it pass for the ceremony's own words.
func oneLine(s string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\ufffd' {
			return ' '
		}
		return r
	}, s), " ")
}

// Marks of the transcript that standing reads back after a crash.
const (
	beganMark = "step "
	doneMark  = "  done "
)

func (m *meeting) step(ctx context.Context, st Step) error {
	act := "by the people in the room"
	if st.Verb != "" {
		act = st.Verb + " " + st.Object
	}
	if m.Progress != nil {
		m.Progress(st.Number, len(m.Script.Steps), act)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.say("", fmt.Sprintf("%s%d  %s  [%s]", beganMark, st.Number, m.now(), act), "  "+st.Who+": "+st.Says); err != nil {
		return err
	}
	done, err := m.act(ctx, st)
	if err != nil {
		return err
	}
	if st.Checked != "" {
		done = append(done, "to check: "+st.Checked)
	}
	if m.Attend != nil {
		remark, err := m.Attend(ctx, st, strings.Join(done, "\n"))
		if err != nil {
			return fmt.Errorf("the people in the room stopped: %w", err)
		}
		done = append(done, "confirmed in the room")
		if remark != "" {
			done = append(done, "remark: "+remark)
		}
	} else if st.Verb == "" || st.Checked != "" {
		done = append(done, "not confirmed: nobody was asked")
	}
	lines := make([]string, 0, len(done)+1)
	for _, line := range done {
		lines = append(lines, "  "+oneLine(line))
	}
	return m.say(append(lines, doneMark+m.now())...)
}

// finish signs the transcript, which by then names every other file, and writes
// the sums last: they are what makes the directory a finished ceremony.
func (m *meeting) finish() error {
	lines := []string{"", "files"}
	for _, name := range append(m.record.files, intentsFile, intentsHexFile) {
		sum, err := sumOf(filepath.Join(m.Out, name))
		if err != nil {
			return err
		}
		lines = append(lines, sum+"  "+name)
	}
	if err := m.say(append(lines, "", "ended "+m.now())...); err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: m.transcript.String()}, m.signer)
	if err != nil {
		return fmt.Errorf("signing the transcript: %w", err)
	}
	if err := m.record.write(transcriptFile, signed); err != nil {
		return err
	}
	err = m.record.at("removing "+runningFile, func() error { return os.Remove(filepath.Join(m.Out, runningFile)) })
	if err != nil {
		return fmt.Errorf("removing the unsigned transcript: %w", err)
	}
	var sums strings.Builder
	for _, name := range append(m.record.files, intentsFile, intentsHexFile) {
		sum, err := sumOf(filepath.Join(m.Out, name))
		if err != nil {
			return err
		}
		sums.WriteString(sum + "  " + name + "\n")
	}
	return m.record.write(sumsFile, []byte(sums.String()))
}

func sumOf(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("summing: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// stopped is the error of a ceremony that ends on its way.
func (m *meeting) stopped(step int, err error) error {
	st, standErr := standing(m.Out)
	if standErr != nil {
		return errors.Join(fmt.Errorf("ceremony: step %d: %w", step, err), standErr)
	}
	return fmt.Errorf("ceremony: step %d: %w\n%s", step, err, st.advice())
}
