package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smki.example/bench/synthetic"
)

// timed runs smki to its end and returns how long it took and the largest memory it
// had, in KiB. What it prints is thrown away. The memory is looked at while it runs:
// what the system tells at the end begins with that of this process.
func (h *home) timed(ctx context.Context, args ...string) (took time.Duration, resident int64, err error) {
	c := exec.CommandContext(ctx, h.smki, args...)
	var complaint strings.Builder
	c.Stdout, c.Stderr = io.Discard, &complaint
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, 0, fmt.Errorf("smki %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
			}
			return time.Since(began), resident, nil
		case <-look.C:
			resident = max(resident, residentOf(c.Process.Pid))
			if time.Since(began) > time.Second {
				look.Reset(100 * time.Millisecond)
			}
		}
	}
}

// finding measures the commands that look for few among all. Their time is that of a
// whole process.
func (h *home) finding(ctx context.Context, certificates int64) (figures []figure, err error) {
	some := synthetic.SerialOf(certificates / 2)
	for _, q := range []struct {
		what string
		args []string
	}{
		{"`smki show` of one serial, with its audit records", []string{"show", some.String()}},
		{"`smki search --entity` of a device", []string{"search", "--entity", synthetic.EntityOf(certificates / 2).String()}},
		{"`smki search --spki` of one key", []string{"search", "--spki", strings.Repeat("0", 64)}},
		{"`smki search --role supplier`", []string{"search", "--role", "supplier"}},
		{"`smki search --type organisation`", []string{"search", "--type", "organisation"}},
		{"`smki search --status E`", []string{"search", "--status", "E"}},
		{"`smki list --status R --limit 100`", []string{"list", "--status", "R", "--limit", "100"}},
		{"`smki search --since` after the last", []string{"search", "--since", "2200-01-01"}},
	} {
		took, resident, err := h.timed(ctx, append([]string{q.args[0], "--home", h.dir}, q.args[1:]...)...)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{what: q.what, value: took.Round(time.Millisecond).String(), aim: "1 s", missed: took > time.Second, resident: resident})
	}
	return figures, nil
}

// streamLimit is what a command that goes through all may have in memory, in MiB,
// whatever all is.
const streamLimit = 128

// streaming measures the commands that go through all.
func (h *home) streaming(ctx context.Context) (figures []figure, err error) {
	out := filepath.Join(h.dir, "export")
	defer os.RemoveAll(out)
	for _, q := range []struct {
		what string
		args []string
	}{
		{"`smki search`, all, CSV", []string{"search"}},
		{"`smki list --json`, all", []string{"list", "--json"}},
		{"`smki export`, all", []string{"export", "--out", out}},
		{"`smki scope --key` of the Issuing DCA, all", []string{"scope", "--key", h.issuingDCA, "--since", "2020-01-01", "--all"}},
	} {
		took, resident, err := h.timed(ctx, append([]string{q.args[0], "--home", h.dir}, q.args[1:]...)...)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{what: q.what, value: took.Round(100 * time.Millisecond).String(), aim: fmt.Sprintf("%d MiB", streamLimit), missed: resident > streamLimit*1024, resident: resident})
		_ = os.RemoveAll(out)
	}
	return figures, nil
}

// serving measures how soon a server is ready, and look-ups by serial through it.
func (h *home) serving(ctx context.Context, certificates int64) (figures []figure, err error) {
	began := time.Now()
	c := exec.CommandContext(ctx, h.smki, "serve", "--home", h.dir, "--listen", "127.0.0.1:0", "--json")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.Stderr = io.Discard
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	stopped := func() error {
		_ = c.Process.Signal(os.Interrupt) // it may have ended
		return c.Wait()
	}
	var said struct{ Listening string }
	decoder := json.NewDecoder(out)
	if err := decoder.Decode(&said); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the server: %w", err), stopped())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	address := "http://" + said.Listening
	client := &http.Client{Timeout: 10 * time.Second}
	get := func(path string) (int, error) {
		answer, err := client.Get(address + path)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, err
	}
	for {
		if status, err := get("/readyz"); err == nil && status == http.StatusOK {
			break
		} else if time.Since(began) > time.Minute {
			return nil, errors.Join(errors.New("the server is not ready after a minute"), stopped())
		}
		time.Sleep(5 * time.Millisecond)
	}
	ready := time.Since(began)
	figures = append(figures, figure{what: "`smki serve` ready after its start", value: ready.Round(time.Millisecond).String(), aim: "3 s", missed: ready > 3*time.Second})

	const looks = 2000
	took := make([]time.Duration, looks)
	draw := rand.New(rand.NewPCG(3, 4))
	for n := range took {
		serial := synthetic.SerialOf(draw.Int64N(certificates))
		one := time.Now()
		status, err := get("/certificates/" + serial.String() + ".cer")
		if err != nil || status != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("looking %s up: status %d: %w", serial, status, err), stopped())
		}
		took[n] = time.Since(one)
	}
	slices.Sort(took)
	median, p99 := took[looks/2], took[looks*99/100]
	figures = append(figures,
		figure{what: "look-up by serial over HTTP, one after the other, median", value: median.Round(time.Microsecond).String(), aim: "1 ms", missed: median > time.Millisecond},
		figure{what: "the same, 99 % within", value: p99.Round(time.Microsecond).String(), aim: ""})
	resident := residentOf(c.Process.Pid)
	if err := stopped(); err != nil {
		return nil, fmt.Errorf("stopping the server: %w", err)
	}
	figures = append(figures, figure{what: "the server until then", value: "", aim: "", resident: resident})
	return figures, nil
}

// residentOf is the largest memory that a running process has had, in KiB.
func residentOf(pid int) (kib int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if text, found := strings.CutPrefix(line, "VmHWM:"); found {
			_, _ = fmt.Sscan(text, &kib) // 0: not measured
		}
	}
	return kib
}
