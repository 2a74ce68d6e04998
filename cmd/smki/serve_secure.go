package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"smki.example/ca/cfsslapi"
	"smki.example/ca/iki"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/cmd/smki/console"
	"smki.example/policy"
)

// serverFile is the certificate, with its key, that an exercise makes for itself.
const serverFile = "server.pem"

// A secure side is what speaks mutual TLS with IKI certificates: the Appendix M web
// services, the registration authority's console and cfssl's interface.
type secureSide struct {
	gate        *iki.Gate
	handler     http.Handler
	batches     *smkiws.Service
	releaser    *releaser
	fingerprint string
}

// openSecure opens it; wake has its batches worked. The caller closes it.
func (d *desk) openSecure(ctx context.Context, s *services, listen string, wake func(context.Context, store.Tx, string) error, logger *slog.Logger) (side *secureSide, err error) {
	if d.iki == nil {
		return nil, errors.New("this CA has no IKI authority: its key was not on the token when the home was made, so that nobody could be let in; serve the public side alone, with --listen")
	}
	certificate, err := d.serverCertificate(s, listen)
	if err != nil {
		return nil, err
	}
	var authorities [][]byte
	for _, a := range d.ikis {
		authorities = append(authorities, a.Certificate())
	}
	open := d.home.env.Registration == policy.RegistrationOpen
	side = &secureSide{fingerprint: iki.Fingerprint(certificate)}
	side.gate, err = iki.NewGate(iki.GateConfig{
		Store: d.store, Authorities: authorities, Server: certificate,
		Unassigned: open, TLS13: s.Server.TLS13, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	p := porter{registry: d.registry, looks: &looks[smkiws.Client]{}, strangers: open && *s.WebServices.AutoApprove}
	if side.batches, err = smkiws.New(ctx, d.webConfig(s, p, wake, logger)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, side.Close())
		}
	}()
	side.releaser = &releaser{registry: d.registry, batches: side.batches, store: d.store, logger: logger}
	side.handler, err = d.secureRoutes(s, side, p, logger)
	return side, err
}

// Close gives up what is claimed. The jobs must have ended.
func (side *secureSide) Close() error { return side.batches.Close() }

// serverCertificate is the configured one; an exercise without one makes its own.
func (d *desk) serverCertificate(s *services, listen string) (tls.Certificate, error) {
	if s.Server.Certificate != "" {
		return iki.LoadServer(d.home.path(s.Server.Certificate), d.home.path(s.Server.Key))
	}
	if !d.home.env.Exercise {
		return tls.Certificate{}, fmt.Errorf("%s: server.certificate is needed in environment %q, whose clients must know whom they speak to", servicesFile, d.home.env.Name)
	}
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, s.Server.Hosts...)
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return iki.MakeServer(filepath.Join(d.home.dir, serverFile), hosts, d.issuer.Now())
}

// webConfig is package smkiws's configuration as services.json has it.
func (d *desk) webConfig(s *services, p porter, wake func(context.Context, store.Tx, string) error, logger *slog.Logger) smkiws.Config {
	w := s.WebServices
	cfg := smkiws.Config{
		Store: d.store, Issuer: d.issuer, Environment: d.home.env, Build: build(), Identify: p.as(systemRole),
		AutoApprove: *w.AutoApprove, AdHocPath: w.AdHocPath, Wake: wake, DevicesSay: d.devicesSay(), BareCertificates: w.BareCertificates, Clock: d.issuer.Now, Logger: logger,
		Window: smkiws.Window{Opens: time.Duration(w.Window.Opens), Closes: time.Duration(w.Window.Closes), Location: s.location},
		Limits: smkiws.Limits{
			BatchItems: w.BatchItems, BatchOctets: w.BatchOctets, BatchTime: time.Duration(w.BatchTime), Retention: time.Duration(w.Retention),
			CoreInterval: time.Duration(w.CoreInterval), OtherInterval: time.Duration(w.OtherInterval), PortalDay: w.PortalDay, PortalSingles: w.PortalSingles, Enforce: w.Enforce, Location: s.location,
		},
	}
	if *w.Portal {
		cfg.IdentifyPortal = p.as(portalRole)
	}
	for _, n := range w.Notices {
		cfg.Notices = append(cfg.Notices, smkiws.Notice(n))
	}
	return cfg
}

// build names the software in the answers of the web services.
func build() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return "smki " + version
}

// secureRoutes divides the secure side by interface: an IKI certificate opens the one
// that it was issued for.
func (d *desk) secureRoutes(s *services, side *secureSide, p porter, logger *slog.Logger) (http.Handler, error) {
	mux, gate, w := http.NewServeMux(), side.gate, s.WebServices
	services := side.batches.Handler()
	octets, send := w.BatchOctets, time.Duration(w.BatchTime)
	if octets == 0 {
		octets = 64 << 20
	}
	if send == 0 {
		send = 5 * time.Minute
	}
	adHocPath := w.AdHocPath
	if adHocPath == "" {
		adHocPath = smkiws.DefaultAdHocPath
	}
	batch := batchLane(octets, send)
	mux.Handle(adHocPath, gate.For(adHocLane.bound(services), iki.AdHoc))
	mux.Handle(smkiws.SubmitPath, gate.For(batch.bound(services), iki.Batched))
	mux.Handle(smkiws.ResultPath, gate.For(batch.bound(services), iki.Batched))
	for _, path := range []string{smkiws.AdHocSchemaPath, smkiws.BatchSchemaPath} {
		mux.Handle(path, gate.For(adHocLane.bound(services)))
	}
	if *w.Portal {
		portal := gate.For(batchLane(octets, send).bound(services), iki.PortalDevice)
		mux.Handle(smkiws.PortalPath, portal)
		mux.Handle(smkiws.PortalPath+"/", portal)
		mux.Handle("POST "+smkiws.PagesPath+"upload", portal)
		mux.Handle(smkiws.PagesPath, gate.For(consoleLane.bound(services), iki.PortalDevice))
	}
	desk, err := console.New(console.Config{
		Registry: d.registry, Environment: d.home.env, Officer: console.ByCertificate(d.registry), Certificates: d.issuer, Batches: side.releaser,
		PageKey: d.pageKey(), Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/ra/", gate.For(consoleLane.bound(desk.Handler()), iki.Console, iki.PortalOrganisation))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		to := "/ra/"
		if c, _ := iki.ClientOf(r); c.Interface == iki.PortalDevice && *s.WebServices.Portal {
			to = smkiws.PagesPath
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
	if s.CFSSL != nil {
		face, err := d.cfsslHandler(s, p, cfsslapi.Config{Logger: logger})
		if err != nil {
			return nil, err
		}
		mux.Handle(cfsslPath, gate.For(cfsslLane.bound(face), iki.AdHoc))
	}
	return mux, nil
}

// pageKey binds the forms of the console. It is made from the key of the audit log, by
// a function from which nothing leads back, so that all servers on one home have the
// same and none is kept.
func (d *desk) pageKey() []byte {
	h := hmac.New(sha256.New, d.logSeed)
	h.Write([]byte("smki console page key v1"))
	return h.Sum(nil)
}
