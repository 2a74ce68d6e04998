package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
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
	flag.Parse()
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
	return nil
}
