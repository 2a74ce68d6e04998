package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/backup"
	"smki.example/ca/iki"
	"smki.example/ca/ra"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/policy"
)

// A desk is an open home: what a command works at. It comes with the keys
// ([openCA]) or without ([openLedger]), so that reading needs no token.
type desk struct {
	home     *home
	store    *store.Store
	token    *hsm.Token // nil without the keys
	issuer   *ca.Issuer
	register *revocation.Register
	registry *ra.Registry     // parties and officers; asked who may have what where registration is not open
	iki      *iki.Authority   // the one that issues; nil without the keys, or where the CA has none
	ikis     []*iki.Authority // all generations whose keys are here, the newest last
	logSeed  []byte           // of the audit log's key
}

// openLedger opens a home to read and to revoke. It asks for no token.
func openLedger(ctx context.Context, dir string) (*desk, error) {
	return openDesk(ctx, dir, false, nil)
}

// openCA opens a home with its keys.
func openCA(ctx context.Context, dir string, logger *slog.Logger) (*desk, error) {
	return openDesk(ctx, dir, true, logger)
}

func openDesk(ctx context.Context, dir string, keys bool, logger *slog.Logger) (d *desk, err error) {
	h, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	return openAt(ctx, h, keys, logger)
}

// openAt opens what is in a home that was read.
func openAt(ctx context.Context, h *home, keys bool, logger *slog.Logger) (d *desk, err error) {
	d = &desk{home: h}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err = d.openStore(ctx, logger); err != nil {
		return d, err
	}
	if keys {
		if err = d.goesOn(ctx); err != nil {
			return d, err
		}
		if err = d.openToken(ctx, logger); err != nil {
			return d, err
		}
	}
	return d, d.openIssuer(ctx, logger)
}

// goesOn refuses a home that was restored and not compared yet with what others
// have of it.
func (d *desk) goesOn(ctx context.Context) error {
	if err := backup.Check(ctx, d.store); err != nil {
		return oneLine(fmt.Errorf("%w; see: smki restore --help, then smki restore --home %s --crl FILE … or --checkpoint FILE", err, d.home.dir))
	}
	return nil
}

func (d *desk) openStore(ctx context.Context, logger *slog.Logger) (err error) {
	if err := d.home.databaseThere(); err != nil {
		return err
	}
	d.store, err = store.Open(ctx, store.Config{URL: d.home.path(d.home.Store), LeaseTerm: d.home.leaseTerm, Logger: logger})
	if err != nil {
		return noDatabase(err)
	}
	return nil
}

func (d *desk) openToken(ctx context.Context, logger *slog.Logger) error {
	config, err := d.home.tokenConfig()
	if err != nil {
		return err
	}
	config.Logger = logger
	if d.token, err = hsm.Open(ctx, config); err != nil {
		return tokenGone(err)
	}
	return nil
}

// tokenGone makes an operator's error of one that says the token cannot be used,
// and leaves others alone.
func tokenGone(err error) error {
	if errors.Is(err, hsm.ErrRefused) {
		return err
	}
	return clikit.With(clikit.Unavailable, fmt.Errorf("the token is not available: %w; nothing was begun: put the token back and run the command again", err))
}

// openIssuer opens database and CA, with the keys that are on the token, if it is
// open. What dead processes left behind is settled on the way.
func (d *desk) openIssuer(ctx context.Context, logger *slog.Logger) error {
	logKey, err := d.home.logKey()
	if err != nil {
		return err
	}
	d.logSeed = logKey.Seed()
	var authorities []ca.Authority
	for _, a := range d.home.Authorities {
		if d.token == nil || a.Offline {
			continue
		}
		authority, err := d.authority(ctx, a)
		if err != nil {
			return err
		}
		authorities = append(authorities, authority)
	}
	if d.store == nil {
		if err := d.openStore(ctx, logger); err != nil {
			return err
		}
	}
	// The register is there before the CA, which asks it whom it may issue to, and
	// carries out through the CA what was decided.
	known, err := d.home.devices()
	if err != nil {
		return err
	}
	d.registry, err = ra.Open(ctx, ra.Config{Store: d.store, Environment: d.home.env, Credentials: iki.Credentials{Store: d.store}, Devices: known, Logger: logger})
	if err != nil {
		return err
	}
	d.issuer, err = ca.Open(ctx, ca.Config{Store: d.store, Environment: d.home.env, Authorities: authorities, LogKey: logKey, Eligibility: d.registry, Logger: logger})
	if err != nil {
		return err
	}
	if d.register, err = revocation.New(revocation.Config{Issuer: d.issuer}); err != nil {
		return err
	}
	if d.token != nil {
		d.registry.Connect(ra.Hands{Issuer: d.issuer, Revoker: revoker{d.register}})
	}
	if d.token == nil || d.home.IKI == nil {
		return nil
	}
	return d.openIKI(ctx)
}

func (d *desk) authority(ctx context.Context, a homeAuthority) (ca.Authority, error) {
	cert, err := d.home.authorityCertificate(a)
	if err != nil {
		return ca.Authority{}, err
	}
	key, err := d.token.Key(ctx, a.label())
	if err != nil {
		return ca.Authority{}, tokenGone(err)
	}
	return ca.Authority{Name: a.Name, Generation: a.Generation, Certificate: cert, Signer: key.Signer, Retired: a.Retired || d.passedOver(a)}, nil
}

// passedOver tells whether another generation of the authority was asked for.
func (d *desk) passedOver(a homeAuthority) bool {
	name, generation := ca.SplitID(d.home.chosen)
	return name == a.Name && generation != 0 && generation != a.Generation
}

func (d *desk) openIKI(ctx context.Context) error {
	for _, a := range d.home.ikis() {
		der, err := d.home.certificate(a)
		if err != nil {
			return err
		}
		key, err := d.token.Key(ctx, a.label())
		if err != nil {
			return tokenGone(err)
		}
		authority, err := iki.Open(iki.Config{Issuer: d.issuer, Generation: a.Generation, Certificate: der, Signer: key.Signer})
		if err != nil {
			return err
		}
		d.ikis = append(d.ikis, authority)
		if d.iki == nil || d.home.chosen == "" || !strings.HasPrefix(d.home.chosen, iki.Name+"-") || authority.ID() == d.home.chosen {
			d.iki = authority
		}
	}
	return nil
}

// ikiOf finds a generation of the IKI authority by its name: "iki" is the newest.
func (d *desk) ikiOf(name string) *iki.Authority {
	for _, a := range d.ikis {
		if a.ID() == name {
			return a
		}
	}
	if name == iki.Name && len(d.ikis) > 0 {
		return d.ikis[len(d.ikis)-1]
	}
	return nil
}

// Close closes what is open, last opened first. A checkpoint of the audit log is
// signed on the way.
func (d *desk) Close(ctx context.Context) error {
	var errs []error
	if d.issuer != nil {
		errs = append(errs, d.issuer.Close(ctx))
	}
	if d.registry != nil {
		errs = append(errs, d.registry.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.token != nil {
		errs = append(errs, d.token.Close())
	}
	return errors.Join(errs...)
}

// at runs f at an open desk and closes it whatever f does.
func at(c *cli.Context, keys bool, f func(*desk) error) error {
	open := openLedger
	if keys {
		open = func(ctx context.Context, dir string) (*desk, error) { return openCA(ctx, dir, nil) }
	}
	d, err := open(c.Context, c.String("home"))
	if err != nil {
		return err
	}
	err = f(d)
	// The command's outcome counts; a checkpoint that could not be signed is told
	// beside it.
	return errors.Join(err, d.Close(context.WithoutCancel(c.Context)))
}

// who is the name that ledger and audit log will carry.
func who(c *cli.Context) string {
	if by := c.String("by"); by != "" {
		return by
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}

// A revoker carries out the revocations that the registration authority has decided.
type revoker struct{ register *revocation.Register }

var _ ra.Revoker = revoker{}

// Revoke implements [ra.Revoker]: all of an order is one transaction.
func (r revoker) Revoke(ctx context.Context, o ra.Order) error {
	qs := make([]revocation.Revoke, 0, len(o.Serials))
	for _, s := range o.Serials {
		qs = append(qs, revocation.Revoke{Serial: s, Reason: o.Reason, By: o.By})
	}
	_, err := r.register.RevokeAll(ctx, qs)
	return err
}

// Revoked implements [ra.Revoker].
func (r revoker) Revoked(ctx context.Context, serial policy.Serial) (bool, error) {
	_, err := r.register.Find(ctx, serial)
	if errors.Is(err, ca.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// byHand refuses what officers and systems of enrolled parties ask for with their IKI
// certificates where registration is not open: a command line proves nobody's identity,
// and its --by would be taken for one.
func (d *desk) byHand(what, instead string) error {
	if d.home.env.Registration == policy.RegistrationOpen {
		return nil
	}
	return refused("refused: environment %q issues to enrolled parties, and a command line proves nobody's identity: %s %s", d.home.env.Name, what, instead)
}
