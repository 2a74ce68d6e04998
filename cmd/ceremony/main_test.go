package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"smki.example/softhsm"
)

// These tests are in the package because they run its main as a program.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ceremony": main})
}

// TestCommands plays the command lines in testdata as a shell would.
func TestCommands(t *testing.T) {
	t.Parallel()
	softhsm.ForTest(t, "EXERCISE probe") // skips where there is no SoftHSM
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exit CODE COMMAND… runs a command that must end with that code.
			"exit": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exit CODE COMMAND…")
				}
				err := ts.Exec(args[1], args[2:]...)
				got := "0"
				if err != nil {
					got = strings.TrimPrefix(err.Error(), "exit status ")
				}
				if got != args[0] {
					ts.Fatalf("%q ended with %s, want %s", args[1:], got, args[0])
				}
			},
			// softhsm DIR LABEL makes a token and sets MODULE, CONF and PIN.
			"softhsm": func(ts *testscript.TestScript, neg bool, args []string) {
				token, err := softhsm.New(ts.MkAbs(args[0]), args[1])
				ts.Check(err)
				ts.Setenv("MODULE", token.Library)
				ts.Setenv("CONF", token.Config())
				ts.Setenv("PIN", token.PINFile)
			},
		},
	})
}

// The machine with the root keys speaks to nobody, and its record is files that
// people can read.
func TestLinksNoNetworkAndNoDatabase(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "smki.example/hsm/ceremony")
	for _, bad := range []string{"net/http", "database/sql", "smki.example/ca", "github.com/cloudflare/cfssl"} {
		for _, dep := range deps {
			require.False(t, dep == bad || strings.HasPrefix(dep, bad+"/"), "%s is linked", dep)
		}
	}
}
