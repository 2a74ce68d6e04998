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

	"smki.example/ca/iki"
	"smki.example/ca/repository"
	"smki.example/cmd/clikit"
)

// Bounds of the HTTP servers. Headers are short; whoever sends more, or slowly, is cut
// off before others wait for it. What bodies and answers may take differs by service:
// see lane.
const (
	maxHeader  = 16 << 10
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = time.Minute
	graceTime  = 10 * time.Second // for answers in progress when the server stops; less than iki.CutOff
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve the Repository, the web services and the registration authority's console",
		Description: `With --listen alone: the public read side over plain HTTP, for a network you trust or a proxy that speaks TLS.

  /certificates/SERIAL[.pem|.cer]   a certificate, DER or PEM by extension or Accept
  /crls/NAME.crl, /crls/NAME.pem    the newest list: issuing-oca, root-oca, issuing-dca, iki
  /authorities/NAME.pem             an authority's own certificate
  /services/certificatesearch, /services/retrievecertificate, /files/NAME   with an API key: smki apikey
  /assets/crypto/org-certs.zip      certificates of organisations in use
  /healthz                          the process is alive
  /readyz                           the token signs (with the health key), the database takes a write, how the lists stand
  /metrics                          counters and the lists' alarms

With --public as well, that is on --public, and --listen speaks mutual TLS with IKI certificates (smki issue --type iki --interface):

  /1.0/AdHocDeviceCSR/…             ad hoc web service; interface ad-hoc
  /1.0/PortalCSRBatch/…             batched web service; interface batched
  /portal/                          the portal: one request pasted, a zip archive, own batches; interface portal-device
  /portal/1.0/batches               the same for programs
  /ra/                              the registration authority's console; interfaces console and portal-organisation
  /api/v1/cfssl/                    cfssl's interface, if services.json has it; interface ad-hoc
  /1.0/schema/                      the services' schemas; any interface

A client whose certificate is revoked is cut off within 60 seconds, on open connections too. What is offered, to whom and how much is
in services.json in the home; docs/operations.md has every field. An exercise makes its own server certificate, whose SHA-256 is printed.

Every CRL and ARL is published when the environment says it is due, and when a revocation waits for one; daily files of the Repository
once a day. While a list is late, but before the last one lapses, an alarm stands in the log at level error, in /readyz and in /metrics.
It ends on SIGTERM or an interrupt, once answers in progress are sent. Any number of other commands and servers may work on the home
meanwhile. On PostgreSQL it ends by itself, with exit code 4, when it was stopped for so long that others took over: start it again.

--json prints {"listening": ADDRESS, "public": ADDRESS, "fingerprint": HEX}, the last two with --public, and logs in JSON.

Examples:
  smki serve --home ca --listen 127.0.0.1:8080
  smki serve --home ca --listen 0.0.0.0:8443 --public 0.0.0.0:8080`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "listen", Usage: "address to listen on (`HOST:PORT`); port 0 takes a free one", Required: true},
			&cli.StringFlag{Name: "public", Usage: "address of the public read side (`HOST:PORT`); --listen then speaks mutual TLS"},
			clikit.JSONFlag(),
		},
		Action: runServe,
	}
}

func runServe(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	for _, flag := range []string{"listen", "public"} {
		if _, _, err := net.SplitHostPort(c.String(flag)); err != nil && c.IsSet(flag) {
			return clikit.Usagef("smki serve: --%s %q: want HOST:PORT: %v", flag, c.String(flag), err)
		}
	}
	logger := serveLogger(c.App.ErrWriter, clikit.WantsJSON(c))
	h, err := openHome(c.String("home"))
	if err != nil {
		return err
	}
	settings, err := h.services()
	if err != nil {
		return err
	}
	h.leaseTerm = time.Duration(settings.Server.LeaseTerm)
	d, err := openAt(c.Context, h, true, logger)
	if err != nil {
		return err
	}
	err = d.serve(c, settings, logger)
	return errors.Join(err, d.Close(context.WithoutCancel(c.Context)))
}

func serveLogger(w io.Writer, asJSON bool) *slog.Logger {
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// serve listens until the command's context ends, and returns when everything that
// it started has returned: first the servers, whose answers in progress may still need
// what runs behind them, then the loops, then what they had claimed.
func (d *desk) serve(c *cli.Context, settings *services, logger *slog.Logger) (err error) {
	config, err := d.repositoryConfig(settings, logger)
	if err != nil {
		return err
	}
	repo, err := d.newRepository(config)
	if err != nil {
		return err
	}
	publisher := newPublisher(d, logger)
	files := &filer{repository: repo, settings: settings.Repository.Files, location: settings.location, now: d.issuer.Now, logger: logger}
	jobs, err := d.openJobs(c.Context, settings, c.IsSet("public"), publisher, files, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, jobs.Close()) }()
	listen, public := c.String("listen"), c.String("listen")
	var secure *secureSide
	if c.IsSet("public") {
		public = c.String("public")
		if secure, err = d.openSecure(c.Context, settings, listen, jobs.wakeBatch, logger); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, secure.Close()) }()
		jobs.batches = secure.batches
	}

	// 1. Listen, and say where.
	var doors []door
	defer func() {
		for _, o := range doors {
			_ = o.listener.Close() // served or not, it is closed once more
		}
	}()
	plain, err := openDoor(public, d.routes(publisher, repo, logger), logger)
	if err != nil {
		return err
	}
	doors = append(doors, plain)
	said := listening{Listening: plain.listener.Addr().String()}
	if secure != nil {
		private, err := openDoor(listen, secure.handler, logger)
		if err != nil {
			return err
		}
		private.gate = secure.gate
		doors = append(doors, private)
		said = listening{Listening: private.listener.Addr().String(), Public: said.Listening, Fingerprint: secure.fingerprint}
	}
	if err := said.print(c); err != nil {
		return err
	}

	// 2. Serve, with the loops behind.
	serving, halt := context.WithCancelCause(c.Context)
	defer halt(nil)
	loops, end := context.WithCancel(context.WithoutCancel(c.Context))
	var running sync.WaitGroup
	defer func() {
		end()
		running.Wait()
	}()
	running.Go(func() { publisher.run(loops) })
	running.Go(func() { files.run(loops) })
	running.Go(func() { halt(jobs.run(loops)) })
	running.Go(func() { halt(d.watchLease(loops)) })
	running.Go(func() { d.settle(loops, logger) })
	if secure != nil {
		running.Go(func() { secure.releaser.run(loops) })
	}
	err = serveDoors(serving, doors, logger)
	if cause := context.Cause(serving); c.Context.Err() == nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return err
}

// A door is an address at which a handler is served: in plain HTTP, or through a gate.
type door struct {
	listener net.Listener
	server   *http.Server
	gate     *iki.Gate
}

func openDoor(address string, handler http.Handler, logger *slog.Logger) (door, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return door{}, fmt.Errorf("listening: %w; give another address with --listen and --public", err)
	}
	return door{listener: listener, server: &http.Server{
		// The times are for what no lane takes, as a refusal; a lane sets its own.
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}, nil
}

func (o door) serve() error {
	if o.gate != nil {
		return o.gate.Serve(o.server, o.listener)
	}
	return o.server.Serve(o.listener)
}

// serveDoors serves until ctx ends or a server fails, and returns when all have ended.
func serveDoors(ctx context.Context, doors []door, logger *slog.Logger) error {
	ended := make(chan error, len(doors))
	for _, o := range doors {
		go func() { ended <- o.serve() }()
	}
	var errs []error
	left := len(doors)
	select {
	case err := <-ended:
		errs, left = append(errs, err), left-1
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	var stopping sync.WaitGroup
	for _, o := range doors {
		stopping.Go(func() {
			if err := o.server.Shutdown(grace); err != nil {
				logger.Warn("answers in progress were cut off", "error", err)
				_ = o.server.Close()
			}
		})
	}
	stopping.Wait()
	for range left {
		errs = append(errs, <-ended)
	}
	for n, err := range errs {
		if errors.Is(err, http.ErrServerClosed) {
			errs[n] = nil
		}
	}
	return errors.Join(errs...)
}

// listening is what serve prints first.
type listening struct {
	Listening   string `json:"listening"`
	Public      string `json:"public,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

func (l listening) print(c *cli.Context) error {
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, l)
	}
	if l.Public == "" {
		_, err := fmt.Fprintf(c.App.Writer, "listening on http://%s\n", l.Listening)
		return err
	}
	_, err := fmt.Fprintf(c.App.Writer, "listening on https://%s, with IKI certificates\npublic side on http://%s\nserver certificate, SHA-256: %s\n", l.Listening, l.Public, l.Fingerprint)
	return err
}

// routes are the public read side.
func (d *desk) routes(p *publisher, repo *repository.Repository, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	public := publicLane.bound(repo.Handler())
	for _, path := range []string{"/certificates/", "/crls/", "/authorities/", "/services/"} {
		mux.Handle(path, public)
	}
	files := filesLane.bound(repo.Handler())
	mux.Handle("/files/", files)
	mux.Handle("/assets/crypto/", files)
	names := []string{iki.Name}
	for _, a := range d.ikis {
		names = append(names, a.ID())
	}
	for _, name := range names {
		mux.Handle("GET /crls/"+name+".crl", publicLane.bound(http.HandlerFunc(d.ikiList)))
		mux.Handle("GET /crls/"+name+".pem", publicLane.bound(http.HandlerFunc(d.ikiList)))
	}
	mux.Handle("GET /authorities/"+iki.Name+".pem", publicLane.bound(http.HandlerFunc(d.ikiAuthority)))
	mux.Handle("GET /healthz", publicLane.bound(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, "ok\n")
	})))
	ready := &readiness{desk: d, publisher: p}
	mux.Handle("GET /readyz", publicLane.bound(http.HandlerFunc(ready.answer)))
	mux.Handle("GET /metrics", publicLane.bound(http.HandlerFunc(p.metrics)))
	mux.Handle("/", publicLane.bound(http.NotFoundHandler()))
	return mux
}
