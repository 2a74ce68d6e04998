package ceremony

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tokenPrefix begins the names of directories in which a command may keep the
// throw-away token of an exercise beside the ceremony's files.
const tokenPrefix = "token"

// A Standing is what the directory of a ceremony says after a crash, or at any
// other time. It is read from the files alone.
type Standing struct {
	Dir      string
	Empty    bool // nothing was begun here
	Finished bool // SHA256SUMS was written; [Load] verifies the rest
	// LastDone and Begun are numbers of steps: the last one that ended, and the one
	// that was under way, 0 if none.
	LastDone, Begun int
	Act             string   // what the step under way does, such as "generate root-oca-1"
	Keys            []string // labels whose evidence is complete
	Certificates    []string // names whose file was written
	// Open are the intents without a recorded signature: the token may have signed
	// these octets.
	Open []Intent
	// Signed are the intents with a signature and no certificate file.
	Signed []Intent
}

// Inspect reads what stands in a ceremony's directory.
func Inspect(dir string) (Standing, error) { return standing(dir) }

// vacant refuses a directory in which a ceremony was begun or that holds
// anything else.
func vacant(dir string) error {
	st, err := standing(dir)
	switch {
	case err != nil:
		return err
	case st.Empty:
		return nil
	case st.Finished:
		return fmt.Errorf("%w: %q holds a finished ceremony, which stands as it is; give another directory", ErrRefused, dir)
	}
	return fmt.Errorf("%w\n%s", ErrUnfinished, st.advice())
}

func standing(dir string) (st Standing, err error) {
	st = Standing{Dir: dir}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		st.Empty = true
		return st, nil
	}
	if err != nil {
		return st, fmt.Errorf("looking at the ceremony's directory: %w", err)
	}
	own := 0
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir() && strings.HasPrefix(name, tokenPrefix), name == rehearsalFile:
		case ours(name):
			own++
			st.Finished = st.Finished || name == sumsFile
		default:
			return st, fmt.Errorf("%w: %q holds %q, which is of no ceremony; give an empty directory", ErrRefused, dir, name)
		}
	}
	if own == 0 {
		st.Empty = true
		return st, nil
	}
	if st.Finished {
		return st, nil
	}
	st.readSteps()
	for into, pattern := range map[*[]string]string{&st.Keys: filepath.Join(publicKeyDir, "*.pem"), &st.Certificates: filepath.Join(certificateDir, "*.pem")} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return st, err
		}
		for _, name := range names {
			*into = append(*into, strings.TrimSuffix(filepath.Base(name), ".pem"))
		}
	}
	intents, _, err := readIntents(dir)
	if err != nil {
		return st, err
	}
	for _, i := range intents {
		_, noFile := os.Lstat(filepath.Join(dir, certificateDir, i.Certificate+".pem"))
		switch {
		case i.Signature == nil:
			st.Open = append(st.Open, i)
		case noFile != nil:
			st.Signed = append(st.Signed, i)
		}
	}
	return st, nil
}

func ours(name string) bool {
	switch strings.TrimSuffix(name, ".part") {
	case scriptFile, runningFile, transcriptFile, intentsFile, intentsHexFile, evidenceFile, sumsFile, certificateDir, publicKeyDir, custodianDir, existingDir:
		return true
	}
	return false
}

// readSteps finds the last steps in whichever transcript there is.
func (st *Standing) readSteps() {
	text, err := os.ReadFile(filepath.Join(st.Dir, runningFile))
	if err != nil {
		// Signed already: the steps are done and the sums are all that is missing.
		text, _ = os.ReadFile(filepath.Join(st.Dir, transcriptFile))
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if rest, ok := strings.CutPrefix(line, beganMark); ok {
			if _, err := fmt.Sscanf(rest, "%d", &n); err == nil {
				st.Begun = n
				_, act, _ := strings.Cut(rest, "[")
				st.Act, _, _ = strings.Cut(act, "]")
			}
		} else if strings.HasPrefix(line, doneMark) {
			st.LastDone, st.Begun, st.Act = st.Begun, 0, ""
		}
	}
}

// advice says in whole sentences what stands and what to do. Its first duty is
// that no signature stays unaccounted for.
func (st Standing) advice() string {
	if st.Finished || st.Empty {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The ceremony in %q stopped and cannot be continued.\n", st.Dir)
	if st.Begun != 0 {
		fmt.Fprintf(&b, "Done: up to step %d. Under way: step %d, %s.\n", st.LastDone, st.Begun, st.Act)
	} else {
		fmt.Fprintf(&b, "Done: up to step %d. No step was under way.\n", st.LastDone)
	}
	if label, ok := strings.CutPrefix(st.Act, VerbGenerate+" "); ok {
		fmt.Fprintf(&b, "Key %s may be on the token.\n", label)
	}
	fmt.Fprintf(&b, "Keys recorded: %s. Certificates written: %s.\n", listOr(st.Keys, "none"), listOr(st.Certificates, "none"))
	for _, i := range st.Open {
		fmt.Fprintf(&b, "Certificate %s, serial %s: key %s was about to sign it and may have; the octets are in %s.\n", i.Certificate, i.Serial, i.KeyLabel, intentsFile)
	}
	for _, i := range st.Signed {
		fmt.Fprintf(&b, "Certificate %s, serial %s: signed by key %s and recorded, but its file was not written.\n", i.Certificate, i.Serial, i.KeyLabel)
	}
	if st.keysInUse() {
		b.WriteString("Do this: keep the directory as evidence, note it in the minutes, destroy the keys it made and no others (the token has keys that are in use: never initialise it), and begin again with another directory. Never use a certificate of this one; have its serial numbers revoked by their issuer.")
		return b.String()
	}
	b.WriteString("Do this: keep the directory as evidence, note it in the minutes, destroy the keys it made (initialise the tokens anew), and begin again with other tokens and another directory. Never use a certificate of this one.")
	return b.String()
}

// keysInUse tells whether the script uses keys that other ceremonies made.
func (st Standing) keysInUse() bool {
	raw, err := os.ReadFile(filepath.Join(st.Dir, scriptFile))
	if err != nil {
		return false
	}
	s, err := Parse(scriptFile, raw)
	return err == nil && s.usesExisting()
}

func listOr(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}
