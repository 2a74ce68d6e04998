package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	certificates := flag.Int64("certificates", 200_000, "how many made-up certificates")
	revokeEvery := flag.Int64("revoke-every", 10, "one certificate in so many is revoked")
	address := flag.String("store", "", "postgres:// address of an empty database; SQLite otherwise")
	dir := flag.String("dir", "", "folder of the CA, which stays; a temporary one otherwise")
	smki := flag.String("smki", "bin/smki", "the program that is measured")
	skip := flag.String("skip", "", "parts that are not measured: lists,serving,finding,streaming")
	flag.Parse()
	if *certificates < 1000 || *revokeEvery < 2 {
		return errors.New("want 1000 certificates or more, and 2 or more for -revoke-every")
	}
	if *dir == "" {
		temporary, err := os.MkdirTemp("", "smki-scale-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		*dir = temporary
	}
	h, err := openHome(ctx, *smki, *dir, *address)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := h.fill(ctx, *certificates, *revokeEvery); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "filled in %s\n", time.Since(began).Truncate(time.Second))
	return measure(ctx, h, *certificates, *revokeEvery, *skip)
}

// measure takes the figures in an order in which none spoils the next.
func measure(ctx context.Context, h *home, certificates, revokeEvery int64, skip string) error {
	cert, err := h.certificate()
	if err != nil {
		return err
	}
	h.issuingDCA = cert.Serial.String()
	where := "SQLite"
	if strings.Contains(h.Store, "://") {
		where = "PostgreSQL"
	}
	var figures []figure
	for _, part := range []struct {
		name string
		take func() ([]figure, error)
	}{
		{"lists", func() ([]figure, error) { return h.lists(ctx, certificates, revokeEvery) }},
		{"serving", func() ([]figure, error) { return h.serving(ctx, certificates) }},
		{"finding", func() ([]figure, error) { return h.finding(ctx, certificates) }},
		{"streaming", func() ([]figure, error) { return h.streaming(ctx) }},
	} {
		if strings.Contains(skip, part.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, part.name)
		more, err := part.take()
		if err != nil {
			return fmt.Errorf("measuring %s: %w", part.name, err)
		}
		figures = append(figures, more...)
	}
	writeFigures(os.Stdout, certificates, certificates/revokeEvery, where, figures)
	for _, f := range figures {
		if f.missed {
			return fmt.Errorf("an aim is missed: %s", f.what)
		}
	}
	return nil
}
