// Command ceremony makes the root keys and first certificates of an SMKI, offline.
//
// It is a small binary for a machine that speaks to nobody: no network code and
// no database is linked into it (a test sees to that). It checks, rehearses and
// runs one reviewed script, and reads back what a run left. PINs come from
// files, never from the command line. What a script is, and in which order
// things are done so that no signature is lost, is in package hsm/ceremony;
// start there, and in commands.go for what the user sees.
package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/hsm/custody"
	"smki.example/softhsm"
)

func main() { os.Exit(run()) }

func run() int {
	return clikit.Main(app(),
		clikit.When(clikit.Refused, ceremony.ErrRefused, hsm.ErrRefused, custody.ErrRefused),
		clikit.When(clikit.Unavailable, hsm.ErrUnavailable, hsm.ErrNotFound, softhsm.ErrNotInstalled),
	)
}

func app() *cli.App {
	return &cli.App{
		Name:  "ceremony",
		Usage: "make root keys and first certificates from one reviewed script",
		Description: `SCRIPT is a file, or "default" for the exercise script that is built in.

Exit codes: 0 done, 1 failed or the script is wrong, 2 usage, 3 refused by
policy, 4 token unavailable.

Examples:
  ceremony script > script.yaml               start from the built-in script
  ceremony check script.yaml
  ceremony rehearse script.yaml               prints the SHA-256 to run it with
  ceremony run script.yaml --out DIR --rehearsed SHA256
  ceremony verify DIR`,
		Commands: []*cli.Command{scriptCommand(), checkCommand(), rehearseCommand(), runCommand(), verifyCommand()},
	}
}
