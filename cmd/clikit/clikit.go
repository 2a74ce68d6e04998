// Package clikit is what the three commands have in common at the terminal.
//
// It promises the user the same manners everywhere: a flag may stand before or
// after an argument, a word that no command knows is named and not ignored, an
// exit code means one thing (0 done, 1 failed, 2 usage, 3 refused by policy, 4
// token or database unavailable), --json prints one JSON document and nothing
// else, and progress is drawn on a terminal only. It knows neither the CA nor
// the token: each command says which of its errors means what, through a
// [Mapping]. It links no network and no database code, because the offline
// ceremony binary is built on it.
//
// Start at [Run].
package clikit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Main runs app with the process's arguments and returns the exit code, which
// only the caller's main hands to os.Exit. An interrupt or a termination
// request cancels the context of the running command, so that it can end in a
// state it can name; a second one ends the process at once.
func Main(app *cli.App, mappings ...Mapping) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop()
	}()
	return int(Run(ctx, app, os.Args, mappings...))
}

// Run runs app with args (the program's name first) and returns the exit code.
//
// The app's Writer and ErrWriter are used, or stdout and stderr. An error is
// printed once, here: one line on ErrWriter, and with --json also a document
// {"error", "code", "kind"} on Writer, unless it was made by [Silent]. The
// command's usage rules (unknown flag, missing value, required flag not given)
// are checked before the command begins, so that a usage error leaves nothing
// half done and prints no page of help on the output.
func Run(ctx context.Context, app *cli.App, args []string, mappings ...Mapping) Code {
	prepare(app)
	wantJSON := false
	ordered, err := Reorder(app, args)
	if err == nil {
		wantJSON = hasJSON(ordered)
		err = app.RunContext(ctx, ordered)
	} else {
		wantJSON = hasJSON(args)
	}
	code := codeOf(err, mappings)
	report(app, err, code, wantJSON)
	return code
}

// prepare sets what cli would otherwise decide for itself: never to exit, never
// to print help for a wrong word.
func prepare(app *cli.App) {
	if app.Writer == nil {
		app.Writer = os.Stdout
	}
	if app.ErrWriter == nil {
		app.ErrWriter = os.Stderr
	}
	app.HideHelpCommand = true
	app.ExitErrHandler = func(*cli.Context, error) {}
	// A comma in a value belongs to the value; a list is the flag given again.
	app.DisableSliceFlagSeparator = true
	app.OnUsageError = usage
	if app.Action == nil {
		app.Action = unknownCommand(app.Name, app.Commands)
	}
	if command(app.Commands, documentsName) == nil {
		app.Commands = append(app.Commands, documents(app))
	}
	prepareCommands(app.Name, app.Commands)
}

func prepareCommands(path string, commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = usage
		c.HideHelpCommand = true
		name := path + " " + c.Name
		if len(c.Subcommands) > 0 {
			if c.Action == nil {
				c.Action = unknownCommand(name, c.Subcommands)
			}
			prepareCommands(name, c.Subcommands)
		}
	}
}

func usage(_ *cli.Context, err error, _ bool) error { return &UsageError{Text: err.Error()} }

// unknownCommand is the action of a group: it is reached only when no
// subcommand was named or the name is not one.
func unknownCommand(path string, commands []*cli.Command) cli.ActionFunc {
	return func(c *cli.Context) error {
		var names []string
		for _, sub := range commands {
			if !sub.Hidden {
				names = append(names, sub.Name)
			}
		}
		list := strings.Join(names, ", ")
		if !c.Args().Present() {
			return Usagef("%s: a command is needed, one of: %s; see %s --help", path, list, path)
		}
		word := c.Args().First()
		if near := nearest(word, names); near != "" {
			return Usagef("%s: unknown command %q; did you mean %q?", path, word, near)
		}
		return Usagef("%s: unknown command %q; one of: %s", path, word, list)
	}
}

func report(app *cli.App, err error, code Code, asJSON bool) {
	var silent *silentError
	if err == nil || errors.As(err, &silent) {
		return
	}
	if asJSON {
		// The output may be a closed pipe; the line on stderr follows all the same.
		_ = JSON(app.Writer, map[string]any{"error": err.Error(), "code": int(code), "kind": code.String()})
	}
	printError(app.ErrWriter, app.Name, err)
}

func printError(w io.Writer, name string, err error) {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n  ")
	if !strings.HasPrefix(text, name+" ") && !strings.HasPrefix(text, name+":") {
		text = name + ": " + text
	}
	fmt.Fprintln(w, text)
}
