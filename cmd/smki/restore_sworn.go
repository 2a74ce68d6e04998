package main

import (
	"encoding/json"
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
	officers, signatures, err := d.sworn(c, ra.ActAcceptLoss, statement)
	if err != nil {
		return l, err
	}
	for _, s := range signatures {
		l.Signatures = append(l.Signatures, s.SwornText())
	}
	l.By, l.Witness, l.Statement = swornName(officers[0]), swornName(officers[1]), string(statement)
	return l, nil
}
