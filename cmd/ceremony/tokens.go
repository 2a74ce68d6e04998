package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/hsm/custody"
	"smki.example/policy"
	"smki.example/softhsm"
)

func tokenFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "module", Usage: "PKCS#11 library of the tokens"},
		&cli.StringSliceFlag{Name: "token", Usage: "LABEL of the one token, or NAME=LABEL for each token of the script"},
		&cli.StringSliceFlag{Name: "pin-file", Usage: "file with the PIN, or NAME=FILE for each token of the script"},
		&cli.StringFlag{Name: "softhsm-conf", Usage: "softhsm2.conf, if the module is SoftHSM"},
	}
}

// tokens opens each real token once, when the script first asks for it.
type tokens struct {
	configs map[string]hsm.Config // by the script's name
	open    map[string]*hsm.Token // by label
}

var errNoToken = errors.New("no token was opened")

func noToken(context.Context, string) (*hsm.Token, error) { return nil, errNoToken }

// openTokens reads the flags; without any, an exercise gets a token of its own
// under --out.
func openTokens(c *cli.Context, s *ceremony.Script) (*tokens, error) {
	t := &tokens{configs: map[string]hsm.Config{}, open: map[string]*hsm.Token{}}
	env, err := policy.LoadEnvironment(s.Environment)
	if err != nil {
		return nil, err
	}
	prefix := ""
	if env.Exercise {
		prefix = "EXERCISE"
	}
	if !c.IsSet("module") && !c.IsSet("token") && !c.IsSet("pin-file") {
		if !env.Exercise {
			return nil, clikit.Usagef("environment %q needs --module, --token and --pin-file; only an exercise makes its own token", env.Name)
		}
		config, err := throwAway(filepath.Join(c.String("out"), "token"))
		if err != nil {
			return nil, err
		}
		config.RequireLabelPrefix = prefix
		for _, name := range s.Tokens {
			t.configs[name.Name] = config
		}
		return t, nil
	}
	if !c.IsSet("module") || !c.IsSet("token") || !c.IsSet("pin-file") {
		return nil, clikit.Usagef("--module, --token and --pin-file belong together")
	}
	labels, err := byName(s, "token", c.StringSlice("token"))
	if err != nil {
		return nil, err
	}
	pins, err := byName(s, "pin-file", c.StringSlice("pin-file"))
	if err != nil {
		return nil, err
	}
	for name, label := range labels {
		t.configs[name] = hsm.Config{Module: c.String("module"), SoftHSMConf: c.String("softhsm-conf"), TokenLabel: label, PINFile: pins[name], RequireLabelPrefix: prefix}
	}
	return t, nil
}

// throwAway makes the token of an exercise, or takes the one that an earlier
// run, refused before it began, has left there.
func throwAway(dir string) (hsm.Config, error) {
	soft, err := softhsm.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return hsm.Config{}, fmt.Errorf("making the exercise's token: %w", err)
		}
		soft, err = softhsm.New(dir, "EXERCISE ceremony")
	}
	if err != nil {
		return hsm.Config{}, fmt.Errorf("making the exercise's token: %w", err)
	}
	return hsm.FromSoftHSM(soft), nil
}

// byName reads VALUE for every token of the script or NAME=VALUE for each.
func byName(s *ceremony.Script, flag string, given []string) (map[string]string, error) {
	var names []string
	for _, t := range s.Tokens {
		names = append(names, t.Name)
	}
	values := map[string]string{}
	for _, g := range given {
		name, value, named := strings.Cut(g, "=")
		switch {
		case named && slices.Contains(names, name):
			if values[name] != "" {
				return nil, clikit.Usagef("--%s: token %q is given twice", flag, name)
			}
			values[name] = value
		case len(given) == 1:
			for _, n := range names {
				values[n] = g
			}
		default:
			return nil, clikit.Usagef("--%s %q: want NAME=… with NAME one of %s", flag, g, strings.Join(names, ", "))
		}
	}
	for _, n := range names {
		if values[n] == "" {
			return nil, clikit.Usagef("--%s: token %q of the script is missing; give %s=…", flag, n, n)
		}
	}
	return values, nil
}

func (t *tokens) Token(ctx context.Context, name string) (*hsm.Token, error) {
	config := t.configs[name]
	if token := t.open[config.TokenLabel]; token != nil {
		return token, nil
	}
	token, err := hsm.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	t.open[config.TokenLabel] = token
	return token, nil
}

func (t *tokens) Close() error {
	var errs []error
	for _, token := range t.open {
		errs = append(errs, token.Close())
	}
	return errors.Join(errs...)
}

// shareWriter puts each custodian's share into a file of its own, which the
// custodian takes away. Whoever reads enough of them has the symmetric key.
func shareWriter(dir string) func(string, custody.Share) error {
	return func(role string, share custody.Share) error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(dir, strings.ReplaceAll(role, " ", "-")+".txt"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(share.Card("the contingency symmetric key"))
		return errors.Join(err, f.Sync(), f.Close())
	}
}
