package clikit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Completion writes the script that lets a shell complete the commands and flags
// of app: "bash", which zsh reads through bashcompinit, or "fish". File names are
// completed where nothing else fits.
func Completion(app *cli.App, shell string, w io.Writer) error {
	prepare(app)
	switch shell {
	case "bash":
		return bashCompletion(app, w)
	case "zsh":
		if _, err := fmt.Fprintf(w, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", app.Name); err != nil {
			return err
		}
		return bashCompletion(app, w)
	case "fish":
		script, err := app.ToFishCompletion()
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, script)
		return err
	}
	return Usagef("completion for %q: there is bash, zsh and fish", shell)
}

// words are what may follow each command of a program: its commands, or its flags.
func words(app *cli.App) map[string][]string {
	out := map[string][]string{}
	var walk func(path string, commands []*cli.Command)
	walk = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			if c.Hidden {
				continue
			}
			out[path] = append(out[path], c.Name)
			for _, f := range c.Flags {
				out[path+" "+c.Name] = append(out[path+" "+c.Name], "--"+f.Names()[0])
			}
			walk(path+" "+c.Name, c.Subcommands)
		}
	}
	walk(app.Name, app.Commands)
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// bashCompletion looks the words up by the commands that stand before the cursor;
// a table in the script is faster than asking the program at each key.
func bashCompletion(app *cli.App, w io.Writer) error {
	table := words(app)
	var b strings.Builder
	fmt.Fprintf(&b, "_%s_complete() {\n  local at=%q word\n  local -A next=(\n", app.Name, app.Name)
	for _, path := range slices.Sorted(maps.Keys(table)) {
		fmt.Fprintf(&b, "    [%q]=%q\n", path, strings.Join(table[path], " "))
	}
	fmt.Fprintf(&b, `  )
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != -* && -n ${next["$at $word"]} ]] && at="$at $word"
  done
  mapfile -t COMPREPLY < <(compgen -W "${next[$at]} --help" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _%[1]s_complete %[1]s
`, app.Name)
	_, err := io.WriteString(w, b.String())
	return err
}

const documentsName = "documents"

// documents is the hidden command by which packaging asks a program for its manual
// page and its completion scripts.
func documents(app *cli.App) *cli.Command {
	return &cli.Command{
		Name: documentsName, Hidden: true,
		Usage:     "print the manual page, or a completion script",
		ArgsUsage: "man|bash|zsh|fish",
		Action: func(c *cli.Context) error {
			args, err := Arguments(c, "man|bash|zsh|fish")
			if err != nil {
				return err
			}
			if args[0] == "man" {
				return Manual(app, app.Writer)
			}
			return Completion(app, args[0], app.Writer)
		},
	}
}
