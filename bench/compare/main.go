package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"smki.example/bench/synthetic"
)

// A run is one comparison.
type run struct {
	dir     string // for everything, removed at the end
	smki    string // program
	n       int
	clients int
	der     [][]byte // requests
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context) error {
	r := &run{}
	flag.IntVar(&r.n, "n", 5000, "certificates of each product")
	flag.IntVar(&r.clients, "clients", 64, "clients where a product is asked one by one")
	flag.StringVar(&r.smki, "smki", "bin/smki", "this CA's program (make build)")
	only := flag.String("only", "", "measure products whose name has this in it")
	out := flag.String("out", "", "file for the table, besides the standard output")
	flag.Parse()
	var err error
	if r.smki, err = filepath.Abs(r.smki); err == nil {
		_, err = os.Stat(r.smki)
	}
	if err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	if r.dir, err = os.MkdirTemp("", "smki-compare-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	fmt.Fprintf(os.Stderr, "making %d requests\n", r.n)
	for n := range r.n {
		der, err := synthetic.Request(int64(n))
		if err != nil {
			return err
		}
		r.der = append(r.der, der)
	}
	var rows []row
	for _, p := range []struct {
		name    string
		measure func(context.Context) (row, error)
	}{
		{"smki batch", r.smkiBatch}, {"smki serve", r.smkiServe},
		{"cfssl", r.cfssl}, {"step-ca", r.stepCA}, {"OpenBao", r.openBao}, {"openssl ca", r.opensslCA},
	} {
		if !strings.Contains(p.name, *only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s\n", p.name)
		one, err := p.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, one)
	}
	var table bytes.Buffer
	writeTable(&table, rows, r.n, r.clients)
	if _, err := os.Stdout.Write(table.Bytes()); err != nil || *out == "" {
		return err
	}
	return os.WriteFile(*out, table.Bytes(), 0o644)
}

// folder makes a folder for one product.
func (r *run) folder(name string) (string, error) {
	dir := filepath.Join(r.dir, name)
	return dir, os.Mkdir(dir, 0o700)
}

// command runs a program to its end. Its error has what it complained of.
func command(ctx context.Context, dir, program string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = dir
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Run(); err != nil {
		text := strings.TrimSpace(complaint.String())
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args[:min(2, len(args))], " "), err, text[max(0, len(text)-800):])
	}
	return out.String(), nil
}

// A server is a program that runs until it is stopped.
type server struct {
	command *exec.Cmd
	log     *os.File
}

// start starts a program whose standard output comes through the returned reader and
// whose complaints go to a file.
func start(dir, program string, args ...string) (*server, io.Reader, error) {
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, nil, err
	}
	s := &server{command: exec.Command(program, args...), log: log}
	s.command.Dir, s.command.Stderr = dir, log
	out, err := s.command.StdoutPipe()
	if err == nil {
		err = s.command.Start()
	}
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return s, out, nil
}

func (s *server) stop() {
	_ = s.command.Process.Signal(os.Interrupt)
	_ = s.command.Wait() // it was interrupted, and says so
	_ = s.log.Close()
}

func asPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
