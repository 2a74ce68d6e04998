package batch

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// An Output is the folder that a batch's results are written to: results.csv and
// certs/ID.pem. It can be written again at any time from the database, so that
// nothing in it needs to survive a crash; each file is there whole or not at all.
type Output struct {
	dir     string
	written map[string]bool // ids whose certificate this run has written
}

// NewOutput makes the folder if it is not there.
func NewOutput(dir string) (*Output, error) {
	if err := os.MkdirAll(filepath.Join(dir, "certs"), 0o755); err != nil {
		return nil, fmt.Errorf("making the output of a batch: %w", err)
	}
	return &Output{dir: dir, written: make(map[string]bool)}, nil
}

// Certificate writes the certificate of one item.
func (o *Output) Certificate(id string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	path := filepath.Join(o.dir, "certs", id+".pem")
	if there, err := os.ReadFile(path); err != nil || !bytes.Equal(there, text) {
		if err := replace(path, text); err != nil {
			return fmt.Errorf("writing the certificate of item %q: %w", id, err)
		}
	}
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
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	rows := [][]string{{"id", "status", "serial", "error_code", "detail"}}
	for _, r := range results {
		serial := ""
		if r.Serial != nil {
			serial = r.Serial.String()
			if !o.written[r.ID] {
				c, err := b.cfg.Issuer.BySerial(ctx, *r.Serial)
				if err == nil {
					err = o.Certificate(r.ID, c.DER)
				}
				if err != nil {
					return nil, err
				}
			}
		}
		rows = append(rows, []string{r.ID, string(r.State), serial, r.ErrorCode, r.Detail})
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("writing results.csv: %w", err)
	}
	if err := replace(filepath.Join(o.dir, "results.csv"), text.Bytes()); err != nil {
		return nil, fmt.Errorf("writing results.csv: %w", err)
	}
	return results, nil
}

// replace writes a file beside its place and moves it there. It is not synced: the
// database can make it again.
func replace(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
