package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca/backup"
	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// Bounds of what is read from outside. The longest list, of a million entries, has
// 40 MB.
const (
	maxList         = 256 << 20
	repositoryTime  = time.Minute
	maxCheckpoint   = 64 << 10
	repositoryTries = 16 // generations of one authority that are asked for
)

// gatherEvidence reads what the flags name, before anything is done.
func gatherEvidence(c *cli.Context) (backup.Evidence, error) {
	var e backup.Evidence
	for _, path := range c.StringSlice("crl") {
		der, err := readList(path)
		if err != nil {
			return e, clikit.Usagef("smki restore: --crl: %v", err)
		}
		e.Lists = append(e.Lists, backup.Published{From: path, DER: der})
	}
	for _, path := range c.StringSlice("checkpoint") {
		b, err := readBounded(path, maxCheckpoint)
		if err != nil {
			return e, clikit.Usagef("smki restore: --checkpoint: %v", err)
		}
		e.Checkpoints = append(e.Checkpoints, b)
	}
	var err error
	var found []backup.Published
	switch where := c.String("repository"); {
	case where == "":
	case strings.HasPrefix(where, "http://"), strings.HasPrefix(where, "https://"):
		found, err = fetchLists(c.Context, where)
	default:
		found, err = listsIn(where)
	}
	if err != nil {
		return e, fmt.Errorf("looking at the Repository %q: %w", c.String("repository"), err)
	}
	e.Lists = append(e.Lists, found...)
	return e, nil
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%q is longer than %d octets", path, most)
	}
	return b, err
}

// readList reads a list in DER or PEM.
func readList(path string) ([]byte, error) {
	b, err := readBounded(path, maxList)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil && block.Type == "X509 CRL" {
		b = block.Bytes
	}
	if _, err := x509.ParseRevocationList(b); err != nil {
		return nil, fmt.Errorf("%q: want one list, in DER or PEM: %w", path, err)
	}
	return b, nil
}

// listsIn reads every list in a folder. Other files are passed over.
func listsIn(dir string) ([]backup.Published, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []backup.Published
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".crl", ".pem", ".der":
		default:
			continue
		}
		path := filepath.Join(dir, e.Name())
		if der, err := readList(path); err == nil {
			found = append(found, backup.Published{From: path, DER: der})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("there is no list in it (NAME.crl, NAME.der or NAME.pem)")
	}
	return found, nil
}

// fetchLists asks a Repository for the list of every generation of every authority,
// until it has none.
func fetchLists(ctx context.Context, base string) ([]backup.Published, error) {
	ctx, cancel := context.WithTimeout(ctx, repositoryTime)
	defer cancel()
	var found []backup.Published
	for _, name := range policy.ProfileNames() {
		if !name.Authority() {
			continue
		}
		for generation := 1; generation <= repositoryTries; generation++ {
			address := fmt.Sprintf("%s/crls/%s-%d.crl", strings.TrimRight(base, "/"), name, generation)
			der, err := fetchList(ctx, address)
			if err != nil {
				return nil, err
			}
			if der == nil {
				break
			}
			found = append(found, backup.Published{From: address, DER: der})
		}
	}
	// A Repository from before it had several generations has the newest list alone,
	// under the bare name.
	ikis := []string{iki.Name}
	for generation := 1; generation <= repositoryTries; generation++ {
		ikis = append(ikis, fmt.Sprintf("%s-%d", iki.Name, generation))
	}
	for n, name := range ikis {
		address := strings.TrimRight(base, "/") + "/crls/" + name + ".crl"
		der, err := fetchList(ctx, address)
		if err != nil {
			return nil, err
		}
		if der == nil && n > 0 {
			break
		}
		if der != nil {
			found = append(found, backup.Published{From: address, DER: der})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it has no list under /crls/NAME-GENERATION.crl")
	}
	return found, nil
}

// fetchList returns nil for what is not there.
func fetchList(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, nil
	default:
		return nil, fmt.Errorf("%s answers %s", address, answer.Status)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxList+1))
	if err == nil && len(b) > maxList {
		err = fmt.Errorf("%s is longer than %d octets", address, maxList)
	}
	return b, err
}
