package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"smki.example/drills/engine"
)

// A keyboard is where the people of a drill type. One goroutine reads it, so that
// a line goes to exactly one asker: to the question that stands, or to "Stop the
// drill?" after a Ctrl-C, which must not end a committee's session by itself.
type keyboard struct {
	screen  screen
	control *engine.Control // holds the drill while it is asked whether to stop
	lines   chan string

	mu       sync.Mutex
	stopping bool   // "Stop the drill?" stands on the screen
	prompt   string // what stood there before, to be shown again
}

// typedAhead is how many lines wait for their question. Without room for them the
// reader would stand still, and could not take the answer to "Stop the drill?".
const typedAhead = 256

func newKeyboard(in io.Reader, s screen) *keyboard {
	k := &keyboard{screen: s, control: &engine.Control{}, lines: make(chan string, typedAhead)}
	go func() {
		defer close(k.lines)
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if !k.goOn() {
				k.lines <- lines.Text()
			}
		}
		k.goOn() // a terminal that is closed answers nothing, and holds nothing up
	}()
	return k
}

// errNobody is why a question went unanswered: the terminal was closed.
var errNobody = errors.New("nobody is at the terminal any more; give --auto to let the script answer")

// ask prints a prompt and returns the next line, without the space around it. The
// error is that of ctx, or errNobody.
func (k *keyboard) ask(ctx context.Context, prompt string) (string, error) {
	k.show(prompt)
	defer k.show("")
	select {
	case text, ok := <-k.lines:
		if !ok {
			return "", errNobody
		}
		return strings.TrimSpace(text), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (k *keyboard) show(prompt string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.prompt = prompt
	if prompt != "" && !k.stopping {
		fmt.Fprint(k.screen.out, prompt)
	}
}

// interrupt is one Ctrl-C. It reports whether the drill is to stop: the first one
// asks, and the second, with the question still there, says yes.
func (k *keyboard) interrupt() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopping {
		fmt.Fprintln(k.screen.out)
		return true
	}
	k.stopping = true
	k.control.Pause("Ctrl-C was pressed at the keyboard")
	fmt.Fprint(k.screen.out, "\nStop the drill? Press Ctrl-C again, or Enter to go on: ")
	return false
}

// goOn takes a line as "no" where it is asked whether to stop.
func (k *keyboard) goOn() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopping {
		return false
	}
	k.stopping = false
	fmt.Fprintf(k.screen.out, "The drill goes on.\n%s", k.prompt)
	k.control.Resume("the drill goes on")
	return true
}

// The reasons for which a drill is stopped, as its record gives them.
var (
	errKeyboard = errors.New("stopped at the keyboard")
	errSystem   = errors.New("stopped by the system")
)

// watch returns the context of a drill with people at the keyboard. Until stop is
// called Ctrl-C goes to them; after the drill was told to stop, one more ends the
// program at once.
func (k *keyboard) watch(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				switch {
				case s != os.Interrupt:
					cancel(errSystem)
					return
				case k.interrupt():
					cancel(errKeyboard)
					return
				}
			}
		}
	}()
	return ctx, sync.OnceFunc(func() { close(done); cancel(nil) })
}

// unattended returns the context of a drill with nobody at the keyboard: the first
// Ctrl-C stops it, and the record says what did.
func unattended(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	release := context.AfterFunc(parent, func() {
		why := errSystem
		if strings.HasPrefix(context.Cause(parent).Error(), os.Interrupt.String()) {
			why = errKeyboard
		}
		cancel(why)
	})
	return ctx, func() { release(); cancel(nil) }
}
