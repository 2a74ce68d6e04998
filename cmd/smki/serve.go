package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca/repository"
	"smki.example/cmd/clikit"
)

// Bounds of the HTTP server. Requests here have no bodies and short headers; whoever
// sends more, or slowly, is cut off before others wait for it.
const (
	maxHeader     = 16 << 10
	maxBody       = 4 << 10
	maxConcurrent = 256
	headerTime    = 5 * time.Second
	readTime      = 10 * time.Second
	writeTime     = 30 * time.Second
	idleTime      = time.Minute
	graceTime     = 10 * time.Second // for answers in progress when the server stops
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve certificates and lists over HTTP, and publish lists on schedule",
		Description: `Plain HTTP, for a network you trust or a proxy that speaks TLS. It ends on SIGTERM or an interrupt, once answers in progress
are sent. Any number of other commands may work on the home meanwhile.

  /certificates/SERIAL[.pem|.cer]   a certificate, DER or PEM by extension or Accept
  /crls/NAME.crl, /crls/NAME.pem    the newest list of an authority: issuing-oca, root-oca, issuing-dca
  /authorities/NAME.pem             an authority's own certificate
  /healthz                          the process is alive
  /readyz                           the token signs (with the health key), the database takes a write, how the lists stand
  /metrics                          counters and the lists' alarms

Every CRL and ARL is published when the environment says it is due, and when a revocation waits for one. While one is late, but before the
last one lapses, an alarm stands in the log at level error, in /readyz and in /metrics.

--json prints {"listening": ADDRESS} and logs in JSON.

Example:
  smki serve --home ca --listen 127.0.0.1:8080`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "listen", Usage: "address to listen on (`HOST:PORT`); port 0 takes a free one", Required: true},
			clikit.JSONFlag(),
		},
		Action: runServe,
	}
}

func runServe(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.String("listen")); err != nil {
		return clikit.Usagef("smki serve: --listen %q: want HOST:PORT: %v", c.String("listen"), err)
	}
	logger := serveLogger(c.App.ErrWriter, clikit.WantsJSON(c))
	d, err := openCA(c.Context, c.String("home"), logger)
	if err != nil {
		return err
	}
	err = d.serve(c, logger)
	return errors.Join(err, d.Close(context.WithoutCancel(c.Context)))
}

func serveLogger(w io.Writer, asJSON bool) *slog.Logger {
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// serve listens until the command's context ends, and returns when everything that
// it started has returned.
func (d *desk) serve(c *cli.Context, logger *slog.Logger) error {
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	listener, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return fmt.Errorf("listening: %w; give another address with --listen", err)
	}
	publisher := newPublisher(d, logger)
	server := &http.Server{
		Handler:           bounded(d.routes(publisher, logger)),
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	var wait sync.WaitGroup
	wait.Go(func() { publisher.run(ctx) })
	if clikit.WantsJSON(c) {
		err = clikit.JSON(c.App.Writer, map[string]string{"listening": listener.Addr().String()})
	} else {
		_, err = fmt.Fprintf(c.App.Writer, "listening on http://%s\n", listener.Addr())
	}
	served := make(chan error, 1)
	wait.Go(func() { served <- server.Serve(listener) })
	if err == nil {
		select {
		case err = <-served:
			served <- err
		case <-ctx.Done():
		}
	}
	stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	if stopped := server.Shutdown(grace); stopped != nil {
		logger.Warn("answers in progress were cut off", "error", stopped)
		_ = server.Close()
	}
	wait.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

func (d *desk) routes(p *publisher, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	public := repository.Handler(repository.Config{Issuer: d.issuer, Register: d.register, Logger: logger})
	for _, path := range []string{"/certificates/", "/crls/", "/authorities/"} {
		mux.Handle(path, public)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, "ok\n")
	})
	ready := &readiness{desk: d, publisher: p}
	mux.HandleFunc("GET /readyz", ready.answer)
	mux.HandleFunc("GET /metrics", p.metrics)
	return mux
}

// bounded refuses bodies, and more requests at once than the store has use for.
func bounded(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxConcurrent)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
