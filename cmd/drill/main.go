// Command drill rehearses the loss of a smart metering key with those who must
// decide what happens then.
//
// It plays a scenario on a real certification authority, real tokens and
// simulated meters, asks for the decisions, carries them out, and leaves an
// evidence pack that somebody with none of this software can check. This
// package is the terminal: what a drill is lies in drills/engine, what it acts
// on in drills/verbs, what it leaves in drills/journal, and who checks that in
// drills/verify.
//
// Start at playing.go.
package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

func main() { os.Exit(run()) }

func run() int {
	return clikit.Main(app(),
		clikit.When(clikit.Unavailable, verbs.ErrUnavailable),
		clikit.WhenType[scenario.Errors](clikit.Failed),
	)
}

func app() *cli.App {
	return &cli.App{
		Name:  "drill",
		Usage: "rehearse the loss of a smart metering key, decision by decision",
		Description: `This is an exercise system. Every key it uses is made for one drill and ends with it.

Exit codes: 0 done and the system held; 1 failed, or the verdict is negative; 2 wrong usage; 3 refused by policy;
4 token or database unavailable.

Examples:
  drill list                                         the drills that are shipped
  drill run S01 --out packs/monday                   play one; on a terminal it asks for each decision
  drill run S02 --out packs/a --auto                 play it with the script's answers
  drill run S02 --out packs/b --choose "recovery key=not required"
  drill compare packs/a packs/b                      what the other decision would have cost
  drill verify packs/a --head TALON-SUMMIT-…         is this the record that was read into the minutes?`,
		Commands: []*cli.Command{listCommand(), checkCommand(), runCommand(), verifyCommand(), redactCommand(), reportCommand(), compareCommand(), procedureCommand(), papersCommand(), coverageCommand(), replayCommand(), branchCommand(), forecastCommand(), gbcsCommand(), serveCommand(), newCommand()},
	}
}
