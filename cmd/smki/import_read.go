package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/policy"
)

// Bounds of what is read: a bundle has some thousands of certificates, an index
// any number of lines.
const (
	maxBundle    = 64 << 20
	maxIndexLine = 64 << 10
)

// importSources lists the files to read, certificates before the index, so that the
// index finds what they are.
func importSources(from string) ([]string, error) {
	info, err := os.Stat(from)
	if err != nil || !info.IsDir() {
		return []string{from}, err
	}
	var certificates, indexes []string
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		switch {
		case isIndex(path):
			indexes = append(indexes, path)
		case slices.Contains([]string{".pem", ".crt", ".cer", ".der"}, strings.ToLower(filepath.Ext(path))):
			certificates = append(certificates, path)
		}
		return nil
	})
	if err == nil && len(certificates)+len(indexes) == 0 {
		err = fmt.Errorf("%q has no index.txt and no certificate (*.pem, *.crt, *.cer, *.der)", from)
	}
	return append(certificates, indexes...), err
}

func isIndex(path string) bool { return strings.EqualFold(filepath.Ext(path), ".txt") }

func (i *importing) read(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if isIndex(path) {
		return i.index(ctx, path)
	}
	b, err := readBounded(path, maxBundle)
	if err != nil {
		return err
	}
	if len(b) > 0 && b[0] == 0x30 {
		return i.certificate(ctx, path, b)
	}
	n := 0
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue // keys and requests lie about in such folders, and are nobody's business
		}
		n++
		if err := i.certificate(ctx, path, block.Bytes); err != nil {
			return err
		}
	}
	if n == 0 && !bytes.Contains(b, []byte("-----BEGIN ")) {
		return i.differ(diffUnreadable, "", path, "there is no certificate in it")
	}
	return nil
}

// stranger is a certificate that is none of SMKI's shape: another CA's, or an IKI
// certificate of ours.
func (i *importing) stranger(ctx context.Context, where string, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return i.differ(diffUnreadable, "", where, "not a certificate")
	}
	serial := fmt.Sprintf("%X", cert.SerialNumber)
	if number, err := policy.ParseSerial(serial); err == nil {
		ours, err := iki.BySerial(ctx, i.d.store, number)
		if err == nil && bytes.Equal(ours.DER, der) {
			i.same++
			return nil
		}
		if err != nil && !errors.Is(err, ca.ErrNotFound) {
			return err
		}
		// Its line in an index says nothing more.
		i.seen[number] |= seenCertificate
	}
	return i.differ(diffForeign, serial, where, "issued by %s, and not of the shape of an SMKI certificate", cert.Issuer)
}

// index reads an index of OpenSSL's ca command: status, end, revocation with reason,
// serial, file and name, with tabs between.
func (i *importing) index(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxIndexLine)
	for n := 1; lines.Scan(); n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		i.lines++
		where := fmt.Sprintf("%s, line %d", path, n)
		entry, err := parseIndexLine(lines.Text())
		if err != nil {
			if err := i.differ(diffUnreadable, "", where, "%v", err); err != nil {
				return err
			}
			continue
		}
		if err := i.entry(ctx, where, entry); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// An indexEntry is one line of an index.
type indexEntry struct {
	status    byte // V, R or E
	serial    string
	revokedAt time.Time
	reason    string // as OpenSSL writes it; empty: none
	name      string
}

func parseIndexLine(line string) (indexEntry, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 6 {
		return indexEntry{}, fmt.Errorf("want 6 fields with tabs between, got %d", len(fields))
	}
	if fields[0] != "V" && fields[0] != "R" && fields[0] != "E" {
		return indexEntry{}, fmt.Errorf("status %.10q: want V, R or E", fields[0])
	}
	e := indexEntry{status: fields[0][0], serial: strings.ToUpper(fields[3]), name: fields[5]}
	if number, ok := new(big.Int).SetString(fields[3], 16); !ok || number.Sign() < 0 {
		return e, fmt.Errorf("serial number %.50q: want hex digits", fields[3])
	}
	if e.status != 'R' {
		return e, nil
	}
	at, reason, _ := strings.Cut(fields[2], ",")
	e.reason, _, _ = strings.Cut(reason, ",") // a hold instruction or a time may follow
	var err error
	for _, layout := range []string{"060102150405Z", "20060102150405Z"} {
		if e.revokedAt, err = time.Parse(layout, at); err == nil {
			return e, nil
		}
	}
	return e, fmt.Errorf("time of revocation %.30q: want YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ", at)
}

// entry compares one line with the ledger.
func (i *importing) entry(ctx context.Context, where string, e indexEntry) error {
	serial, err := policy.ParseSerial(e.serial)
	if err != nil {
		return i.differ(diffUnknown, e.serial, where, "%s: the serial number is not of SMKI's form", e.name)
	}
	if i.seen[serial]&seenIndex != 0 {
		return i.differ(diffDuplicate, serial.String(), where, "a line with this serial number came before")
	}
	i.seen[serial] |= seenIndex
	c, err := i.d.issuer.BySerial(ctx, serial)
	if errors.Is(err, ca.ErrNotFound) {
		if i.seen[serial]&seenCertificate != 0 {
			return nil // told with its certificate
		}
		return i.differ(diffUnknown, serial.String(), where, "%s: the ledger never gave out this serial number", e.name)
	}
	if err != nil {
		return err
	}
	i.seen[serial] |= seenLedger
	r, err := i.d.register.Find(ctx, serial)
	if err != nil && !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	here := err == nil
	switch {
	case e.status == 'R' && !here:
		return i.differ(diffStatus, serial.String(), where, "revoked there at %s%s, and in use here", e.revokedAt.Format(time.RFC3339), reasonOf(e))
	case e.status != 'R' && here:
		return i.differ(diffStatus, serial.String(), where, "not revoked there (%c), and revoked here at %s (%s)", e.status, r.At.Format(time.RFC3339), r.Reason)
	case here && (!r.At.Equal(e.revokedAt) || !sameReason(e.reason, r.Reason)):
		return i.differ(diffStatus, serial.String(), where, "revoked there at %s%s, and here at %s (%s)", e.revokedAt.Format(time.RFC3339), reasonOf(e), r.At.Format(time.RFC3339), r.Reason)
	case e.status == 'E' && c.StatusAt(i.d.issuer.Now()) != ca.StatusExpired:
		return i.differ(diffStatus, serial.String(), where, "expired there, and valid here until %s", c.NotAfter.Format(time.RFC3339))
	}
	i.same++
	return nil
}

func reasonOf(e indexEntry) string {
	if e.reason == "" {
		return ""
	}
	return " (" + e.reason + ")"
}

// sameReason compares reasons as OpenSSL spells them. None is unspecified; keyTime and
// CAkeyTime are compromises whose time, known from before, stands behind them.
func sameReason(text string, r policy.Reason) bool {
	switch strings.ToLower(text) {
	case "":
		return r == policy.ReasonUnspecified
	case "keytime":
		return r == policy.ReasonKeyCompromise
	case "cakeytime":
		return r == policy.ReasonCACompromise
	}
	return strings.EqualFold(text, r.String())
}
