package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/hsm/ceremony"
)

// show lets the people at a terminal follow the ceremony, and confirm each step
// unless --unattended. Elsewhere nobody is asked, which the transcript says.
func show(c *cli.Context, config *ceremony.Config) *clikit.Progress {
	progress := clikit.NewProgress(c.App.ErrWriter)
	config.Progress = func(step, of int, text string) {
		progress.Step(fmt.Sprintf("step %d: %s", step, text), step-1, of)
	}
	if !c.Bool("unattended") && clikit.IsTerminal(os.Stdin) && clikit.IsTerminal(c.App.ErrWriter) {
		config.Attend = newRoom(os.Stdin, c.App.ErrWriter, progress).attend
	}
	return progress
}

// room reads the answers of the people at the terminal.
type room struct {
	lines    chan string
	w        io.Writer
	progress *clikit.Progress
}

func newRoom(in io.Reader, w io.Writer, progress *clikit.Progress) *room {
	r := &room{lines: make(chan string), w: w, progress: progress}
	// A read from a terminal cannot be interrupted; the goroutine ends with the
	// process or with the input.
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	return r
}

var errStopped = errors.New("stopped at the terminal")

func (r *room) attend(ctx context.Context, st ceremony.Step, done string) (string, error) {
	r.progress.Clear()
	fmt.Fprintf(r.w, "\nStep %d. %s: %s.\n", st.Number, st.Who, st.Says)
	for line := range strings.Lines(done) {
		fmt.Fprintf(r.w, "   %s\n", strings.TrimRight(line, "\n"))
	}
	fmt.Fprint(r.w, "Enter when all agree; a remark for the transcript; or stop: ")
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line, ok := <-r.lines:
		line = strings.TrimSpace(line)
		if !ok || line == "stop" {
			return "", errStopped
		}
		return line, nil
	}
}
