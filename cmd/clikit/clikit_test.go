package clikit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
)

var errPolicy = errors.New("policy said no")

type tokenGone struct{}

func (tokenGone) Error() string { return "token is gone" }

// run plays one command line against a small program and returns what a shell
// would see.
func run(t *testing.T, args ...string) (code clikit.Code, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	app := &cli.App{
		Name: "tool", Writer: &out, ErrWriter: &errOut,
		Flags: []cli.Flag{&cli.StringFlag{Name: "home"}},
		Commands: []*cli.Command{
			{
				Name:  "copy",
				Flags: []cli.Flag{&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Required: true}, &cli.StringSliceFlag{Name: "choose"}, &cli.BoolFlag{Name: "fast"}, clikit.JSONFlag()},
				Action: func(c *cli.Context) error {
					a, err := clikit.Arguments(c, "FILE", "[MORE…]")
					if err != nil {
						return err
					}
					switch a[0] {
					case "refuse":
						return fmt.Errorf("copying: %w", errPolicy)
					case "token":
						return fmt.Errorf("copying: %w", tokenGone{})
					case "negative":
						fmt.Fprintln(c.App.Writer, "no")
						return clikit.Silent(clikit.Failed)
					case "broken":
						return errors.New("broken")
					}
					fmt.Fprintf(c.App.Writer, "%v out=%s home=%s fast=%v choose=%q", a, c.String("out"), c.String("home"), c.Bool("fast"), c.StringSlice("choose"))
					return nil
				},
			},
			{Name: "audit", Subcommands: []*cli.Command{{Name: "verify", Action: func(c *cli.Context) error {
				_, err := clikit.Arguments(c)
				return err
			}}}},
		},
	}
	code = clikit.Run(context.Background(), app, append([]string{"tool"}, args...),
		clikit.When(clikit.Refused, errPolicy), clikit.WhenType[tokenGone](clikit.Unavailable))
	return code, out.String(), errOut.String()
}

func TestFlagsStandAnywhere(t *testing.T) {
	t.Parallel()
	want := `[a b] out=x home=h fast=true choose=["d=one, two" "e=f"]`
	for _, args := range [][]string{
		{"--home", "h", "copy", "--out", "x", "--fast", "--choose", "d=one, two", "--choose", "e=f", "a", "b"},
		{"copy", "a", "b", "--out", "x", "--fast", "--choose", "d=one, two", "--choose=e=f", "--home=h"},
		{"copy", "a", "--fast", "--choose", "d=one, two", "--out=x", "b", "--choose", "e=f", "--home", "h"},
		{"copy", "a", "-o", "x", "--choose", "d=one, two", "--choose", "e=f", "--home", "h", "--fast", "--", "b"},
	} {
		code, out, errOut := run(t, args...)
		require.Equal(t, clikit.Done, code, errOut)
		require.Equal(t, want, out, "%q", args)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args   string
		code   clikit.Code
		stderr string
	}{
		{"copy refuse --out x", clikit.Refused, "tool: copying: policy said no\n"},
		{"copy token --out x", clikit.Unavailable, "tool: copying: token is gone\n"},
		{"copy broken --out x", clikit.Failed, "tool: broken\n"},
		{"copy negative --out x", clikit.Failed, ""},
		{"copy a", clikit.Usage, "tool copy: --out is required; see tool copy --help\n"},
		{"copy --out x", clikit.Usage, "tool copy: FILE is missing; usage: tool copy FILE [MORE…]\n"},
		{"copy a --out", clikit.Usage, "tool copy: --out needs a value\n"},
		{"copy a --outt x", clikit.Usage, "tool copy: unknown flag --outt; did you mean --out?\n"},
		{"copy a --out x --fast=perhaps", clikit.Usage, "invalid boolean value"},
		{"cpy a", clikit.Usage, `did you mean "copy"?`},
		{"zzzzzz", clikit.Usage, "one of: copy, audit"},
		{"audit", clikit.Usage, "one of: verify"},
		{"audit verfy", clikit.Usage, `did you mean "verify"?`},
		{"audit verify extra", clikit.Usage, `unexpected argument "extra"; usage: tool audit verify`},
		{"", clikit.Usage, "a command is needed"},
	} {
		code, out, errOut := run(t, strings.Fields(row.args)...)
		require.Equal(t, row.code, code, "%s: %s", row.args, errOut)
		require.Contains(t, errOut, row.stderr, row.args)
		if row.args != "copy negative --out x" {
			require.Empty(t, out, "%s: nothing but a result belongs on the output", row.args)
		} else {
			require.Empty(t, errOut)
		}
	}
}

func TestErrorAsJSON(t *testing.T) {
	t.Parallel()
	code, out, errOut := run(t, "copy", "refuse", "--out", "x", "--json")
	require.Equal(t, clikit.Refused, code)
	require.JSONEq(t, `{"error":"copying: policy said no","code":3,"kind":"refused"}`, out)
	require.Equal(t, "tool: copying: policy said no\n", errOut)

	_, out, _ = run(t, "copy", "--json")
	require.Contains(t, out, `"kind": "usage"`)
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"copy", "--help"}, {"copy", "a", "-h"}, {"audit", "verify", "--help"}} {
		code, out, errOut := run(t, args...)
		require.Equal(t, clikit.Done, code, "%q: %s", args, errOut)
		require.Contains(t, out, "USAGE")
	}
}

func TestProgressOnlyOnATerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	p := clikit.NewProgress(&b)
	p.Step("signing", 1, 2)
	p.Print("text")
	p.Clear()
	require.Empty(t, b.String())
}

// The offline ceremony binary is built on this package.
func TestLinksNoNetworkAndNoDatabase(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "smki.example/cmd/clikit").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/urfave/cli/v2")
	for _, bad := range []string{"net/http", "database/sql", "smki.example/ca", "smki.example/hsm"} {
		require.NotContains(t, deps, bad)
	}
}
