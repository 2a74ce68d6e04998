package clikit

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Reorder returns args (the program's name first) with every flag moved in
// front of the arguments of its command, because cli/v2 stops reading flags at
// the first argument and would take the rest for arguments. A flag of an
// enclosing command may stand anywhere too. "-" is an argument, and nothing
// after "--" is a flag.
//
// An unknown flag, a flag without its value and a required flag that is missing
// are a [UsageError]; asking for help lifts the last.
func Reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	levels := []*level{{path: app.Name, flags: app.Flags, commands: app.Commands}}
	if !app.HideVersion && app.Version != "" {
		levels[0].flags = append(slices.Clone(levels[0].flags), cli.VersionFlag)
	}
	var arguments []string
	help, group := false, true
	rest := args[1:]
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		switch {
		case word == "--":
			arguments = append(arguments, rest...)
			rest = nil
		case len(word) > 1 && word[0] == '-':
			name, _, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
			if name == "help" || name == "h" {
				help = true
				continue
			}
			l, f := find(levels, name)
			if f == nil {
				return nil, unknownFlag(levels, word, name)
			}
			l.set = append(l.set, word)
			l.seen = append(l.seen, name)
			if !hasValue && takesValue(f) {
				if len(rest) == 0 {
					return nil, Usagef("%s: --%s needs a value", levels[len(levels)-1].path, name)
				}
				l.set = append(l.set, rest[0])
				rest = rest[1:]
			}
		default:
			last := levels[len(levels)-1]
			if c := command(last.commands, word); c != nil && group && len(arguments) == 0 {
				levels = append(levels, &level{path: last.path + " " + c.Name, word: word, flags: c.Flags, commands: c.Subcommands})
				continue
			}
			group = false
			arguments = append(arguments, word)
		}
	}
	if !help {
		for _, l := range levels {
			if err := l.required(); err != nil {
				return nil, err
			}
		}
	}
	out := []string{args[0]}
	for _, l := range levels {
		if l.word != "" {
			out = append(out, l.word)
		}
		out = append(out, l.set...)
	}
	if help {
		return append(out, "--help"), nil
	}
	if len(arguments) > 0 {
		// The separator keeps an argument that begins with a dash an argument.
		if strings.HasPrefix(arguments[0], "-") && arguments[0] != "-" {
			out = append(out, "--")
		}
		out = append(out, arguments...)
	}
	return out, nil
}

// level is one command on the way from the program to the command that runs.
type level struct {
	path, word string
	flags      []cli.Flag
	commands   []*cli.Command
	set, seen  []string
}

func (l *level) required() error {
	for _, f := range l.flags {
		r, ok := f.(cli.RequiredFlag)
		if !ok || !r.IsRequired() {
			continue
		}
		if !slices.ContainsFunc(f.Names(), func(n string) bool { return slices.Contains(l.seen, n) }) {
			return Usagef("%s: --%s is required; see %s --help", l.path, f.Names()[0], l.path)
		}
	}
	return nil
}

func find(levels []*level, name string) (*level, cli.Flag) {
	for i := len(levels) - 1; i >= 0; i-- {
		for _, f := range levels[i].flags {
			if slices.Contains(f.Names(), name) {
				return levels[i], f
			}
		}
	}
	return nil, nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func command(commands []*cli.Command, word string) *cli.Command {
	for _, c := range commands {
		if c.HasName(word) {
			return c
		}
	}
	return nil
}

func unknownFlag(levels []*level, word, name string) error {
	last := levels[len(levels)-1]
	var names []string
	for _, l := range levels {
		for _, f := range l.flags {
			names = append(names, f.Names()...)
		}
	}
	dashed, _, _ := strings.Cut(word, "=")
	if near := nearest(name, names); near != "" {
		return Usagef("%s: unknown flag %s; did you mean --%s?", last.path, dashed, near)
	}
	return Usagef("%s: unknown flag %s; see %s --help", last.path, dashed, last.path)
}

// Arguments returns the positional arguments of a command, which must be as
// many as names, a name in brackets being optional and one that ends in "…"
// standing for any number.
func Arguments(c *cli.Context, names ...string) ([]string, error) {
	least, most := 0, len(names)
	for _, n := range names {
		if !strings.HasPrefix(n, "[") {
			least++
		}
		if strings.HasSuffix(strings.TrimSuffix(n, "]"), "…") {
			most = 1 << 30
		}
	}
	got := c.Args().Slice()
	path := c.App.Name
	for _, l := range slices.Backward(c.Lineage()) {
		if l.Command != nil && l.Command.Name != "" && l.Command.Name != path {
			path += " " + l.Command.Name
		}
	}
	if len(got) < least {
		return nil, Usagef("%s: %s is missing; usage: %s %s", path, names[len(got)], path, strings.Join(names, " "))
	}
	if len(got) > most {
		return nil, Usagef("%s: unexpected argument %q; usage: %s", path, got[most], strings.TrimSpace(path+" "+strings.Join(names, " ")))
	}
	return got, nil
}

// nearest is the name that a slip of a key or two away may have meant, or "".
func nearest(word string, names []string) string {
	best, bestDistance := "", 3
	for _, n := range names {
		if d := distance(word, n); d < bestDistance && d < len(n) {
			best, bestDistance = n, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
