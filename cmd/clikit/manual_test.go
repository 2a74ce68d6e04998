package clikit_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
)

func documented() *cli.App {
	return &cli.App{
		Name: "prog", Usage: "keep it", Description: "A sentence.\n\nExamples:\n  prog get 'x' \\ y\n.no request",
		Commands: []*cli.Command{
			{Name: "get", Usage: "fetch one", ArgsUsage: "NAME", Flags: []cli.Flag{&cli.StringFlag{Name: "out", Usage: "where it goes (`FILE`)", Required: true}, clikit.JSONFlag()}},
			{Name: "log", Usage: "what happened", Subcommands: []*cli.Command{{Name: "verify", Usage: "look through it"}}},
			{Name: "secret", Hidden: true},
		},
	}
}

// The manual page says everything that --help says, and the typesetter takes it
// without a word.
func TestManual(t *testing.T) {
	t.Parallel()
	var page bytes.Buffer
	require.NoError(t, clikit.Manual(documented(), &page))
	for _, part := range []string{".TH PROG 1", ".SS prog get NAME", ".B \\-\\-out FILE", "(needed)", ".SS prog log verify", `\&.no request`, `\[aq]x\[aq] \e y`} {
		require.Contains(t, page.String(), part)
	}
	require.NotContains(t, page.String(), "secret")
	require.NotContains(t, page.String(), "documents")

	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not there, so the page was not set: apt-get install groff")
		return
	}
	set := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z")
	set.Stdin = &page
	said, err := set.CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(said))
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	var script bytes.Buffer
	require.NoError(t, clikit.Completion(documented(), "bash", &script))
	complete := func(words string, at string) []string {
		// COMP_WORDS and COMP_CWORD are what the shell itself would set.
		bash := exec.Command("bash", "-c", script.String()+`COMP_WORDS=(`+words+`); COMP_CWORD=`+at+`; _prog_complete; printf '%s\n' "${COMPREPLY[@]}"`)
		out, err := bash.Output()
		require.NoError(t, err)
		return strings.Fields(string(out))
	}
	require.Equal(t, []string{"get"}, complete("prog g", "1"))
	require.Equal(t, []string{"--json", "--out", "--help"}, complete("prog get --", "2"))
	require.Equal(t, []string{"verify", "--help"}, complete("prog --json log ''", "3"))
	for _, shell := range []string{"zsh", "fish"} {
		var other bytes.Buffer
		require.NoError(t, clikit.Completion(documented(), shell, &other))
		require.Contains(t, other.String(), "verify")
	}
	require.ErrorContains(t, clikit.Completion(documented(), "tcsh", &bytes.Buffer{}), "there is bash, zsh and fish")
}

func TestDocumentsAreNotInHelp(t *testing.T) {
	t.Parallel()
	code, out, _ := run(t, "--help")
	require.Equal(t, clikit.Done, code)
	require.NotContains(t, out, "documents")
}
