package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"smki.example/hsm"
	"smki.example/policy"
)

// A Result is a finished ceremony.
type Result struct {
	Dir         string
	Script      *Script
	Environment string // under which it was run
	Rehearsal   bool
	// Fingerprint is the SHA-256, in hex, of the transcript's verifier key, which
	// TranscriptKey is. Read into the minutes, it binds the directory to them.
	Fingerprint, TranscriptKey string
	Transcript                 string            // path
	Certificates               map[string][]byte // DER, by name
	Issued                     []Issued          // the same in the order of issue
	Intents                    []Intent          // every signature of a CA key, in order
	Keys                       []KeyEvidence     // every key made or used, in order
	Existing                   map[string][]byte // DER of the certificates that were there before, by name
}

// Issued is a certificate with what the script says of it.
type Issued struct {
	Certificate
	DER []byte
}

// Key returns the evidence of a key.
func (r *Result) Key(label hsm.KeyLabel) (KeyEvidence, bool) {
	return find(r.Keys, func(k KeyEvidence) bool { return k.Label == label })
}

// Load reads a finished ceremony and verifies it: the sums, the transcript's
// signature and what it says of every file, that every certificate is exactly
// an intent with its signature, and that every intent has its certificate.
//
// Load takes the transcript's key from the directory, so it shows that nothing
// was changed by somebody who could not sign anew; to know whose ceremony it is,
// compare Fingerprint with the minutes. A directory that is not finished is
// [ErrUnfinished].
func Load(dir string) (*Result, error) {
	r, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("loading the ceremony in %q: %w", dir, err)
	}
	return r, nil
}

func load(dir string) (*Result, error) {
	st, err := standing(dir)
	if err != nil {
		return nil, err
	}
	if st.Empty {
		return nil, errors.New("there is no ceremony in it")
	}
	if !st.Finished {
		return nil, fmt.Errorf("%w\n%s", ErrUnfinished, st.advice())
	}
	if err := verifySums(dir); err != nil {
		return nil, err
	}
	r := &Result{Dir: dir, Transcript: filepath.Join(dir, transcriptFile), Certificates: map[string][]byte{}, Existing: map[string][]byte{}}
	if err := r.readTranscript(); err != nil {
		return nil, err
	}
	if err := r.readEvidence(); err != nil {
		return nil, err
	}
	if err := r.readCertificates(); err != nil {
		return nil, err
	}
	return r, nil
}

// verifySums checks every file against SHA256SUMS, and that no other file has
// slipped in beside them.
func verifySums(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	listed := map[string]bool{sumsFile: true}
	for line := range strings.Lines(string(content)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || !filepath.IsLocal(name) {
			return fmt.Errorf("%s: line %q is none", sumsFile, line)
		}
		got, err := sumOf(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("%q was changed: its SHA-256 is not that of %s", name, sumsFile)
		}
		listed[name] = true
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case name == custodianDir || d.IsDir() && strings.HasPrefix(name, tokenPrefix):
			return filepath.SkipDir
		case !d.IsDir() && !listed[name]:
			return fmt.Errorf("%q does not belong to the ceremony: %s has no line for it", name, sumsFile)
		}
		return nil
	})
}

func (r *Result) readTranscript() error {
	signed, err := os.ReadFile(r.Transcript)
	if err != nil {
		return err
	}
	vkey, ok := field(string(signed), "transcript key ")
	if !ok {
		return fmt.Errorf("%s names no transcript key", transcriptFile)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil || verifier.Name() != transcriptName {
		return fmt.Errorf("%s: transcript key %q is none", transcriptFile, vkey)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("%s: the signature does not verify: %v", transcriptFile, err)
	}
	sum := sha256.Sum256([]byte(vkey))
	r.TranscriptKey, r.Fingerprint = vkey, hex.EncodeToString(sum[:])
	raw, err := os.ReadFile(filepath.Join(r.Dir, scriptFile))
	if err != nil {
		return err
	}
	if r.Script, err = Parse(scriptFile, raw); err != nil {
		return err
	}
	if hash, _ := field(n.Text, "script "); hash != r.Script.Hash() {
		return fmt.Errorf("%s is of another script than %s", transcriptFile, scriptFile)
	}
	environment, _ := field(n.Text, "environment ")
	r.Environment, _, _ = strings.Cut(environment, ",")
	kind, _ := field(n.Text, "kind ")
	r.Rehearsal = strings.HasPrefix(kind, "rehearsal")
	_, files, ok := strings.Cut(n.Text, "\nfiles\n")
	files, _, ended := strings.Cut(files, "\n\n")
	if !ok || !ended {
		return fmt.Errorf("%s has no list of files", transcriptFile)
	}
	for line := range strings.SplitSeq(files, "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		got, err := sumOf(filepath.Join(r.Dir, name))
		if err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("%q was changed: its SHA-256 is not that of %s", name, transcriptFile)
		}
	}
	return nil
}

// field returns the rest of the first line that begins with prefix.
func field(text, prefix string) (string, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSuffix(rest, "\n"), true
		}
	}
	return "", false
}

func (r *Result) readEvidence() error {
	content, err := os.ReadFile(filepath.Join(r.Dir, evidenceFile))
	if err != nil {
		return err
	}
	var e evidence
	if err := json.Unmarshal(content, &e); err != nil {
		return fmt.Errorf("%s: %w", evidenceFile, err)
	}
	r.Keys = e.Keys
	return nil
}

// readCertificates proves that intents and certificates are the same set.
func (r *Result) readCertificates() error {
	intents, torn, err := readIntents(r.Dir)
	if err != nil {
		return err
	}
	if torn {
		return fmt.Errorf("%s is cut off", intentsFile)
	}
	r.Intents = intents
	for _, i := range intents {
		c, ok := r.Script.certificate(i.Certificate)
		if !ok {
			return fmt.Errorf("%s has an intent for certificate %q, which is not in the script", intentsFile, i.Certificate)
		}
		path := filepath.Join(r.Dir, certificateDir, i.Certificate+".pem")
		there, err := readPEM(path)
		if err != nil {
			return err
		}
		der, err := policy.Assemble(i.TBS, i.Signature)
		if err != nil {
			return fmt.Errorf("intent of certificate %q: %w", i.Certificate, err)
		}
		if !bytes.Equal(der, there) {
			return fmt.Errorf("certificate %q is not what its intent and signature make", i.Certificate)
		}
		r.Certificates[c.Name] = der
		r.Issued = append(r.Issued, Issued{c, der})
	}
	names, err := filepath.Glob(filepath.Join(r.Dir, certificateDir, "*.pem"))
	if err != nil {
		return err
	}
	for _, c := range r.Script.Certificates {
		if !r.Script.existing(c) {
			continue
		}
		if r.Existing[c.Name], err = readPEM(filepath.Join(r.Dir, existingDir, c.Name+".pem")); err != nil {
			return err
		}
	}
	if made := len(r.Script.Certificates) - len(r.Existing); len(names) != len(r.Issued) || len(r.Issued) != made {
		return fmt.Errorf("the script makes %d certificates, there are %d intents and %d certificates", made, len(r.Issued), len(names))
	}
	return nil
}

func readPEM(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%q is not one PEM certificate", path)
	}
	return block.Bytes, nil
}
