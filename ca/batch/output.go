package batch

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"smki.example/policy"
)

// An Output is the folder that a batch's results are written to: results.csv and
// certs/ID.pem. It can be written again at any time from the database, so that
// nothing in it needs to survive a crash; each file is there whole or not at all.
type Output struct {
	dir   string
	certs *os.File        // the folder certs; closed when nothing refers to the output any more
	there map[string]bool // files that were in certs when the output was opened; not changed
	temps atomic.Int64    // names of files that are being written

	mu      sync.Mutex
	written map[string]bool // guarded by mu: ids whose certificate this run has written
}

// NewOutput makes the folder if it is not there.
func NewOutput(dir string) (*Output, error) {
	o := &Output{dir: dir, there: make(map[string]bool), written: make(map[string]bool)}
	certs := filepath.Join(dir, "certs")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		return nil, fmt.Errorf("making the output of a batch: %w", err)
	}
	var err error
	if o.certs, err = os.Open(certs); err != nil {
		return nil, fmt.Errorf("opening the output of a batch: %w", err)
	}
	names, err := o.certs.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("opening the output of a batch: %w", err)
	}
	for _, name := range names {
		o.there[name] = true
	}
	return o, nil
}

// Certificate writes the certificate of one item, unless its file has it already.
// It may be called by several goroutines at once.
func (o *Output) Certificate(id string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	name := id + ".pem"
	path := filepath.Join(o.dir, "certs", name)
	done := false
	if o.there[name] {
		there, err := os.ReadFile(path)
		done = err == nil && bytes.Equal(there, text)
	} else {
		done = create(o.certs, name, text) == nil
	}
	if !done {
		if err := o.replace(path, text); err != nil {
			return fmt.Errorf("writing the certificate of item %q: %w", id, err)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written[id] = true
	return nil
}

// Finish writes the certificates that other runs or processes have made, and
// results.csv with a line for every item: id, status, serial, error_code, detail. An
// item without a result yet is "waiting" there. It returns the results.
func (o *Output) Finish(ctx context.Context, b *Batch) ([]Result, error) {
	results, err := b.Results(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.rest(ctx, b, results); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	err = w.Write([]string{"id", "status", "serial", "error_code", "detail"})
	for _, r := range results {
		serial := ""
		if r.Serial != nil {
			serial = r.Serial.String()
		}
		err = errors.Join(err, w.Write([]string{r.ID, string(r.State), serial, r.ErrorCode, r.Detail}))
	}
	w.Flush()
	if err = errors.Join(err, w.Error()); err == nil {
		err = o.replace(filepath.Join(o.dir, "results.csv"), text.Bytes())
	}
	if err != nil {
		return nil, fmt.Errorf("writing results.csv: %w", err)
	}
	return results, nil
}

// rest writes the certificates that this run has not made.
func (o *Output) rest(ctx context.Context, b *Batch, results []Result) error {
	var serials []policy.Serial
	ids := make(map[policy.Serial]string)
	for _, r := range results {
		if r.Serial != nil && !o.written[r.ID] {
			serials = append(serials, *r.Serial)
			ids[*r.Serial] = r.ID
		}
	}
	for c, err := range b.cfg.Issuer.BySerials(ctx, serials) {
		if err == nil {
			err = o.Certificate(ids[c.Serial], c.DER)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file beside its place and moves it there. It is not synced: the
// database can make it again.
func (o *Output) replace(path string, b []byte) error {
	var f *os.File
	var err error
	for {
		name := ".new-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(o.temps.Add(1), 10)
		f, err = os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if !errors.Is(err, fs.ErrExist) {
			break // else a process of this number was killed with the file in its hands
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
