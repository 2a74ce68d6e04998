// Command smki runs a certificate authority for GB smart metering: it makes the
// home of a CA, issues and revokes certificates, publishes CRLs, shows and
// exports what there is, and serves the public side over HTTP.
//
// Each command is in the file of its name. What a home holds and who may change
// it is in home.go; how a command gets at the ledger and the keys is in desk.go.
// Start at [application], which lists the commands.
package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/softhsm"
)

func main() { os.Exit(run()) }

func run() int { return clikit.Main(application(), meanings()...) }

// application is the whole command line.
func application() *cli.App {
	return &cli.App{
		Name:      "smki",
		Usage:     "run a certificate authority for smart metering",
		UsageText: "smki COMMAND --home DIR [flags]",
		Description: `A CA lives in one folder, its home. Make one, issue, revoke:

  smki init   --home ca
  smki issue  --home ca --csr meter.csr > meter.pem
  smki revoke --home ca --serial 0F… --reason keyCompromise
  smki serve  --home ca --listen 127.0.0.1:8080

Any number of commands may work on one home at the same time.

Exit: 0 done, 1 failed or the verdict is negative, 2 wrong usage, 3 refused by policy, 4 token or database unavailable.`,
		Commands: []*cli.Command{
			initCommand(), issueCommand(), batchCommand(), revokeCommand(), crlCommand(),
			listCommand(), showCommand(), exportCommand(), auditCommand(), reconcileCommand(), serveCommand(),
			backupCommand(), restoreCommand(), rolloverCommand(), scopeCommand(), partyCommand(), apikeyCommand(),
			searchCommand(), importCommand(), databaseCommand(), doctorCommand(),
		},
	}
}

// meanings says which error ends with which exit code, most telling first: a
// token that went away while a certificate was made is an outage, although the
// signature is also in doubt.
func meanings() []clikit.Mapping {
	return []clikit.Mapping{
		clikit.When(clikit.Unavailable, hsm.ErrUnavailable, softhsm.ErrNotInstalled),
		clikit.When(clikit.Refused, ca.ErrRefused, hsm.ErrRefused, ceremony.ErrRefused),
		clikit.When(clikit.Unavailable, ca.ErrUncertain, ca.ErrOutage, store.ErrUncertain, store.ErrClosed),
	}
}

func homeFlag() cli.Flag {
	return &cli.StringFlag{Name: "home", Usage: "the CA's folder (`DIR`)", Required: true}
}

func byFlag() cli.Flag {
	return &cli.StringFlag{Name: "by", Usage: "`NAME` of who asks, as ledger and audit log will say it (default: the user's name)"}
}
