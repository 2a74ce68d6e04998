package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca/backup"
	"smki.example/ca/ra"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// A lossStatement is what two managers sign before a restored CA may go on although
// something is missing. The same comparison gives the same octets.
type lossStatement struct {
	Form    int        `json:"form"` // 1
	Act     ra.Act     `json:"act"`
	Log     string     `json:"log"` // the audit log's public key: which CA it is
	Backup  string     `json:"backup"`
	TakenAt time.Time  `json:"taken_at"`
	LogSize int64      `json:"log_size"`
	LogHead string     `json:"log_head"`
	Outside int64      `json:"outside_size,omitempty"` // records of the log that a checkpoint shows
	Lists   []lostList `json:"lists"`
	Reason  string     `json:"reason"`
}

type lostList struct {
	Issuer  string `json:"issuer"`
	Here    int64  `json:"here"`
	Outside int64  `json:"outside"`
}

func (d *desk) lossStatement(h *backup.Hold, c *backup.Comparison, reason string) ([]byte, error) {
	s := lossStatement{Form: 1, Act: ra.ActAcceptLoss, Log: d.issuer.Log().VerifierKey(), Backup: h.Backup, TakenAt: h.TakenAt, LogSize: h.LogSize, LogHead: h.LogHead,
		Outside: c.OutsideSize, Lists: []lostList{}, Reason: reason}
	for _, l := range c.Lists {
		s.Lists = append(s.Lists, lostList{l.Issuer, l.Ours, l.Outside})
	}
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// loss is who accepts it and why: two officers by their signatures, where the register
// demands it, two names elsewhere.
func (d *desk) loss(c *cli.Context, h *backup.Hold, found *backup.Comparison) (backup.Loss, error) {
	l := backup.Loss{Reason: c.String("accept-loss"), By: who(c), Witness: c.String("witness")}
	file := c.String("statement")
	if d.home.env.Registration == policy.RegistrationOpen {
		switch {
		case file != "":
			return l, clikit.Usagef("smki restore: --statement and --signature are for environments with a register; in %q give --by and --witness", d.home.env.Name)
		case !c.IsSet("witness") || !c.IsSet("by"):
			return l, clikit.Usagef("smki restore: --accept-loss needs --by, the name of who decides, and --witness, of who stands by: two persons stand for it")
		}
		return l, nil
	}
	if c.IsSet("by") || c.IsSet("witness") || file == "" {
		return l, clikit.Usagef("smki restore: in environment %q two managers of the registration authority sign for a loss: give --statement FILE, and then --signature CERTIFICATE.pem,SIGNATURE twice, instead of names", d.home.env.Name)
	}
	statement, err := d.lossStatement(h, found, l.Reason)
	if err != nil {
		return l, err
	}
	if !c.IsSet("signature") {
		if err := writeWhole(file, statement, 0o644); err != nil {
			return l, err
		}
		return l, refused("refused: two managers must sign for it, each with the key of the IKI certificate: openssl dgst -sha256 -sign manager.key -out manager.sig %s; then run the same command again with --signature manager.pem,manager.sig for each", file)
	}
	signed, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l, clikit.Usagef("smki restore: --statement: %v; without --signature it is written", err)
	case err != nil:
		return l, err
	case !bytes.Equal(signed, statement):
		return l, refused("refused: %s is not what would be accepted now: another reason, other lists, or another backup; write it anew, without --signature, and have it signed again", file)
	}
	var signatures []ra.Signature
	for _, pair := range c.StringSlice("signature") {
		s, err := readSignature(pair)
		if err != nil {
			return l, clikit.Usagef("smki restore: --signature: %v", err)
		}
		signatures = append(signatures, s)
		l.Signatures = append(l.Signatures, s.SwornText())
	}
	officers, err := d.registry.Sworn(c.Context, ra.ActAcceptLoss, statement, signatures)
	if err != nil {
		return l, oneLine(err)
	}
	name := func(o ra.Officer) string { return fmt.Sprintf("ra/%s (person %s)", o.ID, o.Person) }
	l.By, l.Witness, l.Statement = name(officers[0]), name(officers[1]), string(statement)
	return l, nil
}

// readSignature reads CERTIFICATE.pem,SIGNATURE.
func readSignature(pair string) (ra.Signature, error) {
	certificate, signature, ok := strings.Cut(pair, ",")
	if !ok {
		return ra.Signature{}, fmt.Errorf("%q: want CERTIFICATE.pem,SIGNATURE", pair)
	}
	text, err := readBounded(certificate, maxCheckpoint)
	if err != nil {
		return ra.Signature{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return ra.Signature{}, fmt.Errorf("%q holds no PEM certificate", certificate)
	}
	octets, err := readBounded(signature, maxCheckpoint)
	return ra.Signature{Certificate: block.Bytes, Signature: octets}, err
}
