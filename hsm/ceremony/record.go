package ceremony

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"smki.example/hsm"
	"smki.example/policy"
)

// What stands in the directory of a ceremony.
const (
	scriptFile     = "script.yaml"         // the script, octet for octet
	runningFile    = "transcript.unsigned" // the transcript while it is written; gone when signed
	transcriptFile = "transcript.txt"      // the same as a signed note
	intentsFile    = "intents.jsonl"       // every signature of a CA key: what was to be signed, then that it was
	intentsHexFile = "intents.hex"         // the to-be-signed octets alone, one a line
	evidenceFile   = "evidence.json"       // attributes read back from the token, for each key
	sumsFile       = "SHA256SUMS"          // written last: a directory that has it is finished
	rehearsalFile  = "rehearsal.json"      // what a rehearsal left for the run, if it was told to
	certificateDir = "certificates"
	publicKeyDir   = "public-keys"
	existingDir    = "existing"   // certificates that were there before, only if the script uses their keys
	custodianDir   = "custodians" // shares, only if nobody else took them; never part of the evidence
)

// record writes the directory of one ceremony. Each method returns when what it
// wrote is on disk, so that what the ceremony does next is never known to the
// token alone. Whoever can write to the directory while the ceremony runs can
// stop it or spoil its evidence, not gain a signature.
type record struct {
	dir   string
	fault func(point string) error // tests only; nil otherwise
	files []string                 // written whole, in order, for the sums
}

// at does one thing that outlives the process, with a point before and after at
// which a test may let the process die.
func (r *record) at(point string, do func() error) error {
	if err := r.die("before " + point); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return r.die("after " + point)
}

func (r *record) die(point string) error {
	if r.fault == nil {
		return nil
	}
	return r.fault(point)
}

// begin makes the directory, which Run has found absent or empty.
func (r *record) begin(script []byte) error {
	for _, dir := range []string{r.dir, filepath.Join(r.dir, certificateDir), filepath.Join(r.dir, publicKeyDir)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the ceremony's directory: %w", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(r.dir, rehearsalFile)); err == nil {
		r.files = append(r.files, rehearsalFile)
	}
	return r.write(scriptFile, script)
}

// write puts a whole file in place: under another name first, so that a crash
// leaves all of it or nothing.
func (r *record) write(name string, content []byte) error {
	return r.at("writing "+name, func() error {
		if err := writeFile(filepath.Join(r.dir, name), content, 0o644); err != nil {
			return fmt.Errorf("writing %q: %w", name, err)
		}
		r.files = append(r.files, name)
		return nil
	})
}

func writeFile(path string, content []byte, mode os.FileMode) error {
	temporary := path + ".part"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// add appends to a file that grows with the ceremony.
func (r *record) add(name, text string) error {
	return r.at("adding to "+name, func() error {
		path := filepath.Join(r.dir, name)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("adding to %q: %w", name, err)
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Sync(), f.Close(), syncDir(r.dir)); err != nil {
			return fmt.Errorf("adding to %q: %w", name, err)
		}
		return nil
	})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// An Intent is one signature of a CA key that the ceremony asked for.
type Intent struct {
	Certificate    string             // name in the script
	Profile        policy.ProfileName //
	ProfileVersion int
	KeyLabel       hsm.KeyLabel // the key that signs
	Serial         policy.Serial
	TBS            []byte // exactly what the token was asked to sign
	Signature      []byte // DER; nil if the ceremony died before it was recorded
}

// intentLine is one line of intents.jsonl: of kind "intent" before the token is
// asked and of kind "signed" after its signature was verified.
type intentLine struct {
	Seq            int                `json:"seq"`
	Kind           string             `json:"kind"`
	Certificate    string             `json:"certificate"`
	Profile        policy.ProfileName `json:"profile,omitempty"`
	ProfileVersion int                `json:"profileVersion,omitempty"`
	Key            hsm.KeyLabel       `json:"key,omitempty"`
	Serial         string             `json:"serial,omitempty"`
	TBS            string             `json:"tbs,omitempty"`
	Signature      string             `json:"signature,omitempty"`
}

func (r *record) intent(seq int, i Intent) error {
	line, err := json.Marshal(intentLine{Seq: seq, Kind: "intent", Certificate: i.Certificate, Profile: i.Profile, ProfileVersion: i.ProfileVersion,
		Key: i.KeyLabel, Serial: i.Serial.String(), TBS: hex.EncodeToString(i.TBS)})
	if err != nil {
		return fmt.Errorf("writing the intent of %q: %w", i.Certificate, err)
	}
	if err := r.add(intentsFile, string(line)+"\n"); err != nil {
		return err
	}
	return r.add(intentsHexFile, hex.EncodeToString(i.TBS)+"\n")
}

func (r *record) signed(seq int, i Intent) error {
	line, err := json.Marshal(intentLine{Seq: seq, Kind: "signed", Certificate: i.Certificate, Signature: hex.EncodeToString(i.Signature)})
	if err != nil {
		return fmt.Errorf("writing the signature of %q: %w", i.Certificate, err)
	}
	return r.add(intentsFile, string(line)+"\n")
}

func (r *record) pem(name, kind string, der []byte) error {
	return r.write(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// readIntents reads intents.jsonl; torn says that its last line is cut off.
func readIntents(dir string) (intents []Intent, torn bool, err error) {
	content, err := os.ReadFile(filepath.Join(dir, intentsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		if !strings.HasSuffix(line, "\n") {
			return intents, true, nil
		}
		if intents, err = addIntent(intents, line); err != nil {
			return intents, false, fmt.Errorf("%s, line %d: %w", intentsFile, number, err)
		}
	}
	return intents, false, nil
}

func addIntent(intents []Intent, line string) ([]Intent, error) {
	d := json.NewDecoder(strings.NewReader(line))
	d.DisallowUnknownFields()
	var l intentLine
	if err := d.Decode(&l); err != nil {
		return intents, err
	}
	switch l.Kind {
	case "intent":
		if l.Seq != len(intents)+1 {
			return intents, fmt.Errorf("intent %d comes where %d is due", l.Seq, len(intents)+1)
		}
		serial, err := policy.ParseSerial(l.Serial)
		if err != nil {
			return intents, err
		}
		tbs, err := hex.DecodeString(l.TBS)
		if err != nil {
			return intents, err
		}
		return append(intents, Intent{l.Certificate, l.Profile, l.ProfileVersion, l.Key, serial, tbs, nil}), nil
	case "signed":
		if l.Seq != len(intents) || l.Certificate != intents[l.Seq-1].Certificate || intents[l.Seq-1].Signature != nil {
			return intents, fmt.Errorf("signature %d answers no intent", l.Seq)
		}
		signature, err := hex.DecodeString(l.Signature)
		if err != nil {
			return intents, err
		}
		intents[l.Seq-1].Signature = signature
		return intents, nil
	}
	return intents, fmt.Errorf("kind %q is unknown", l.Kind)
}
