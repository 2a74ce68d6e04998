package main

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/gbcs"
)

// gbcsCommand looks at GBCS messages from the outside: those of an evidence
// pack, or any others.
func gbcsCommand() *cli.Command {
	return &cli.Command{
		Name:  "gbcs",
		Usage: "read GBCS messages that update security credentials (CS02a to CS02g)",
		Subcommands: []*cli.Command{
			{
				Name:      "decode",
				Usage:     "show what a message says and whether signature and MAC hold",
				ArgsUsage: "FILE.hex…",
				Description: `A FILE holds one message in hex, in either case, with white space and a leading 0x allowed; "-" is the standard input.

--certs DIR takes every *.pem in it: certificates, and bare public keys as anchors for paths (a key whose file name begins with
the 16 hex digits of a party's identifier is a key that this party signs with). Shared secrets for MACs are looked for in
mac-secrets.json and mac-intermediates.json in DIR, DIR/../keys and DIR/../rtds, or in the file that --secrets names:
{"ecdhSharedSecrets": [{"partyA": EUI, "partyB": EUI, "z": 64 hex digits}]}.

What cannot be checked for want of a key is "not checked" and no fault.

--json prints {file, octets, wrapper, useCase, title, kind, mode, header, payload, signature {verdict, by, keyIdentifier, reason},
mac {verdict, by, parties, reason}, findings [{level, code, where, text}]}, or {file, error} for what is no message; for several
files a list of these. A verdict is valid, wrong, notChecked or none; by is a file. mode is there in update commands and their
answers. payload has its type and the fields of the specification by name; a use case that is not CS02a to CS02g has type Opaque
and its octets.

Exit: 0 the message was read; 1 it could not be, or a signature or MAC that was checked is wrong; 2 wrong usage.

Examples:
  drill gbcs decode pack/messages/000001-*.hex --certs pack/certs
  drill gbcs decode - --json < message.hex`,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "certs", Usage: "folder with certificates and public keys (`DIR`)"},
					&cli.StringFlag{Name: "secrets", Usage: "`FILE` with shared secrets of key agreement, for MACs"},
					&cli.TimestampFlag{Name: "at", Layout: time.RFC3339, Usage: "`TIME` at which certificates must be valid (default: now)"},
					clikit.JSONFlag(),
				},
				Action: gbcsDecode,
			},
			{
				Name:      "roundtrip",
				Usage:     "decode a message, write it anew, and say whether the octets are the same",
				ArgsUsage: "FILE.hex…",
				Description: `A FILE holds one message in hex; "-" is the standard input.

A payload of another use case than CS02a to CS02g, or in a form that is neither DER nor that of device answers, is kept and written
back as it was received; the result says so.

--json prints {file, equal, octets, payloadKept, firstDifference, error}; for several files a list of these.

Exit: 0 equal; 1 different or unreadable; 2 wrong usage.

Example:
  drill gbcs roundtrip pack/messages/*.hex`,
				Flags:  []cli.Flag{clikit.JSONFlag()},
				Action: gbcsRoundtrip,
			},
		},
	}
}

func gbcsDecode(c *cli.Context) error {
	files, err := clikit.Arguments(c, "FILE.hex…")
	if err != nil {
		return err
	}
	keyring := &gbcs.Keyring{}
	if dir := c.String("certs"); dir != "" {
		if err := keyring.ReadDirectory(dir); err != nil {
			return clikit.Usagef("drill gbcs decode: --certs: %v", err)
		}
	}
	if file := c.String("secrets"); file != "" {
		if err := keyring.ReadSecrets(file); err != nil {
			return clikit.Usagef("drill gbcs decode: --secrets: %v", err)
		}
	}
	at := time.Now()
	if given := c.Timestamp("at"); given != nil {
		at = *given
	}

	good := true
	var views []messageView
	for _, file := range files {
		v := viewMessage(file, c.App.Reader, keyring, at)
		good = good && v.good()
		views = append(views, v)
	}
	for _, note := range keyring.Notes {
		fmt.Fprintln(c.App.ErrWriter, "drill gbcs decode:", note)
	}
	if clikit.WantsJSON(c) {
		err = oneOrList(c.App.Writer, views)
	} else {
		err = printMessages(c.App.Writer, views)
	}
	if err != nil {
		return err
	}
	if !good {
		return clikit.Silent(clikit.Failed)
	}
	return nil
}

// roundtripResult is what drill gbcs roundtrip found for one file.
type roundtripResult struct {
	File   string `json:"file"`
	Equal  bool   `json:"equal"`
	Octets int    `json:"octets,omitempty"`
	// PayloadKept is true if the payload was not written anew but kept as it was
	// received: its use case is not ours, or it is in a form of its own.
	PayloadKept bool `json:"payloadKept"`
	// FirstDifference is an offset from 0, nil if there is none.
	FirstDifference *int   `json:"firstDifference,omitempty"`
	Error           string `json:"error,omitempty"`
}

func gbcsRoundtrip(c *cli.Context) error {
	files, err := clikit.Arguments(c, "FILE.hex…")
	if err != nil {
		return err
	}
	good := true
	var results []roundtripResult
	for _, file := range files {
		r := roundtrip(file, c.App.Reader)
		good = good && r.Equal
		results = append(results, r)
	}
	if clikit.WantsJSON(c) {
		if err := oneOrList(c.App.Writer, results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			fmt.Fprintf(c.App.Writer, "%s: %s\n", r.File, r)
		}
	}
	if !good {
		return clikit.Silent(clikit.Failed)
	}
	return nil
}

func (r roundtripResult) String() string {
	switch {
	case r.Equal && r.PayloadKept:
		return fmt.Sprintf("equal, %d octets, payload kept as received", r.Octets)
	case r.Equal:
		return fmt.Sprintf("equal, %d octets", r.Octets)
	case r.Error != "":
		return r.Error
	}
	return fmt.Sprintf("different from octet %d on", *r.FirstDifference)
}

func roundtrip(file string, stdin io.Reader) roundtripResult {
	r := roundtripResult{File: file}
	octets, err := readHexFile(file, stdin)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Octets = len(octets)
	m, err := gbcs.Decode(octets)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	_, opaque := m.Payload.(gbcs.Opaque)
	r.PayloadKept = opaque || m.Form == gbcs.LengthsAsReceived
	again, err := m.Encode()
	if err != nil {
		r.Error = err.Error()
		return r
	}
	if r.Equal = bytes.Equal(octets, again); !r.Equal {
		at := 0
		for at < len(octets) && at < len(again) && octets[at] == again[at] {
			at++
		}
		r.FirstDifference = &at
	}
	return r
}

// oneOrList prints one result as a document, several as a list.
func oneOrList[T any](w io.Writer, results []T) error {
	if len(results) == 1 {
		return clikit.JSON(w, results[0])
	}
	return clikit.JSON(w, results)
}
