package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look whether everything a CA needs is in order, and say what to do where it is not",
		Description: `Looks at the home and its secrets, the environment, services.json, the database (there, whole, of this program's level, held after a
restore, who may change evidence), the audit log's head, the token (there, the PIN, each key the one of its certificate, a signature of
the health key), the certificates' ends, the lists, the clock, the disk, and the processes at work. It changes nothing and may run
beside a CA at work. It does not read the log through: smki audit verify does.

Each finding is ok, "look" (it works, and somebody should see to it) or "wrong", with what to do next.

Exit: 0 nothing is wrong; 1 something is; 4 token or database are not available.

--json prints {findings [{what, state, says, next}], wrong, look}.

Example:
  smki doctor --home ca`,
		Flags:  []cli.Flag{homeFlag(), clikit.JSONFlag()},
		Action: runDoctor,
	}
}

// A state of a finding. Printed, and in JSON.
type state string

const (
	fine  state = "ok"
	heed  state = "look"
	wrong state = "wrong"
)

// A finding is one thing that was looked at.
type finding struct {
	What  string `json:"what"`
	State state  `json:"state"`
	Says  string `json:"says"`
	Next  string `json:"next,omitempty"` // what to do; empty if all is well
}

// A doctor looks at one home.
type doctor struct {
	home     *home
	now      time.Time
	findings []finding
	gone     bool // token or database are not available
}

func (d *doctor) ok(what, format string, a ...any) {
	d.findings = append(d.findings, finding{what, fine, fmt.Sprintf(format, a...), ""})
}

// finds notes what is not in order, with what to do about it.
func (d *doctor) finds(s state, what, next, format string, a ...any) {
	d.findings = append(d.findings, finding{what, s, fmt.Sprintf(format, a...), next})
}

func runDoctor(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	d := &doctor{home: h, now: time.Now()}
	d.lookAround(c.Context)
	var wrongs, looks int
	for _, f := range d.findings {
		switch f.State {
		case wrong:
			wrongs++
		case heed:
			looks++
		}
	}
	if clikit.WantsJSON(c) {
		err = clikit.JSON(c.App.Writer, map[string]any{"findings": d.findings, "wrong": wrongs, "look": looks})
	} else {
		err = d.print(c.App.Writer, wrongs, looks)
	}
	switch {
	case err != nil:
		return err
	case d.gone:
		return clikit.Silent(clikit.Unavailable)
	case wrongs > 0:
		return clikit.Silent(clikit.Failed)
	}
	return nil
}

func (d *doctor) lookAround(ctx context.Context) {
	d.environment()
	d.files()
	d.services()
	d.disk()
	d.certificates()
	d.token(ctx)
	d.database(ctx)
}

// print has one line a finding, and the advice under it.
func (d *doctor) print(w io.Writer, wrongs, looks int) error {
	var b strings.Builder
	for _, f := range d.findings {
		fmt.Fprintf(&b, "%-5s  %-14s %s\n", f.State, f.What, printable(f.Says))
		if f.Next != "" {
			fmt.Fprintf(&b, "       %-14s -> %s\n", "", f.Next)
		}
	}
	switch {
	case wrongs > 0:
		fmt.Fprintf(&b, "%d wrong, %d to look at\n", wrongs, looks)
	case looks > 0:
		fmt.Fprintf(&b, "nothing is wrong; %d to look at\n", looks)
	default:
		b.WriteString("everything is in order\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
