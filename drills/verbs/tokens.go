package verbs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"smki.example/drills/scenario"
	"smki.example/hsm"
	"smki.example/softhsm"
)

// exerciseLabel is how the label of every token of a drill begins; package hsm
// refuses any other before it logs in.
const exerciseLabel = "EXERCISE"

// longestLabel is how many octets a token label may have (PKCS#11 2.40).
const longestLabel = 32

// The owners of tokens beside the scenario's parties.
const (
	ownerCA          = "ca"
	ownerRecovery    = "recovery"
	ownerContingency = "contingency"
	ownerBroker      = "broker"
	ownerTransCoS    = "transcos"
	ownerWAN         = "wan provider"
)

// tokens are the drill's tokens by owner. One owner's PIN opens no other's keys.
type tokens struct {
	made map[string]*softhsm.Token
	open map[string]*hsm.Token
	// What befell them, which of them players were told do not answer, and what slow
	// ones signed in the present window.
	faults map[string]*fault
	told   map[string]bool
	slow   map[string]slowCount
}

// makeTokens makes a token for each owner under dir: the CA, the Recovery and
// the Contingency key, the Access Control Broker, and each party of the scenario
// that signs commands.
func makeTokens(ctx context.Context, dir string, parties []scenario.Party) (tokens, error) {
	t := tokens{made: map[string]*softhsm.Token{}, open: map[string]*hsm.Token{}, faults: map[string]*fault{}, told: map[string]bool{}, slow: map[string]slowCount{}}
	labels := map[string]string{
		ownerCA: "EXERCISE CA", ownerRecovery: "EXERCISE Recovery", ownerContingency: "EXERCISE Contingency", ownerBroker: "EXERCISE Access Control Broker",
		ownerTransCoS: "EXERCISE Change of Supplier", ownerWAN: "EXERCISE WAN Provider",
	}
	order := []string{ownerCA, ownerRecovery, ownerContingency, ownerBroker, ownerTransCoS, ownerWAN}
	for _, s := range seats {
		if s.owner != "" {
			continue
		}
		for _, p := range players(parties, s) {
			labels[p.ID] = ("EXERCISE " + p.ID)[:min(len("EXERCISE "+p.ID), longestLabel)]
			order = append(order, p.ID)
		}
	}
	if _, err := scratchDir(dir); err != nil {
		return t, err
	}
	for _, owner := range order {
		made, err := softhsm.New(filepath.Join(dir, owner), labels[owner])
		if err != nil {
			return t, err
		}
		t.made[owner] = made
	}
	return t, ctx.Err()
}

// login opens an owner's token, once.
func (t tokens) login(ctx context.Context, owner string) (*hsm.Token, error) {
	if open := t.open[owner]; open != nil {
		return open, nil
	}
	made := t.made[owner]
	if made == nil {
		return nil, fmt.Errorf("opening a token: nobody called %q has one", owner)
	}
	config := hsm.FromSoftHSM(made)
	config.RequireLabelPrefix = exerciseLabel
	open, err := hsm.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	t.open[owner] = open
	return open, nil
}

// health asks a token that has a key for such questions whether it signs.
func (t tokens) health(ctx context.Context, owner string) error {
	token, err := t.login(ctx, owner)
	if err != nil {
		return err
	}
	return token.Health(ctx)
}

// logout closes an owner's token: from then on its keys sign nothing.
func (t tokens) logout(owner string) error {
	open := t.open[owner]
	if open == nil {
		return nil
	}
	delete(t.open, owner)
	return open.Close()
}

func (t tokens) close() error {
	var errs []error
	for owner := range t.open {
		errs = append(errs, t.logout(owner))
	}
	return errors.Join(errs...)
}
