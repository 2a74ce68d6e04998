package ca_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/policy"
)

// register is a register of parties that knows one requester.
type register struct{ down bool }

func (r register) Eligible(_ context.Context, requester string, _ *policy.Request) error {
	if r.down {
		return fmt.Errorf("asking the register: %w", ca.ErrOutage)
	}
	if requester != "enrolled" {
		return errors.New("the requester is not an Authorised Subscriber")
	}
	return nil
}

func TestEligibility(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	cfg.Eligibility = register{}
	i, err := ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	request := device(t, 1)
	_, err = i.Issue(t.Context(), request)
	require.ErrorIs(t, err, ca.ErrRefused)
	require.ErrorContains(t, err, "refused: eligible-subscriber: the requester is not an Authorised Subscriber")
	request.Requester = "enrolled"
	_, err = i.Issue(t.Context(), request)
	require.NoError(t, err)

	cfg.Eligibility = register{down: true}
	i, err = ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	_, err = i.Issue(t.Context(), device(t, 2))
	require.ErrorIs(t, err, ca.ErrOutage)
	require.NotErrorIs(t, err, ca.ErrRefused, "a register that does not answer has not said no")
	require.Len(t, w.tap.signatures(), 1)
}

// A CA that was given no keys reads the ledger and issues nothing.
func TestWithoutAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := w.issuer.Issue(t.Context(), supplier(t, 1))
	require.NoError(t, err)
	cfg := w.config()
	cfg.Authorities = nil
	reader, err := ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	found, err := reader.BySerial(t.Context(), c.Serial)
	require.NoError(t, err)
	require.Equal(t, c, found)
	_, err = reader.Issue(t.Context(), supplier(t, 2))
	require.ErrorContains(t, err, "no authority issuing-oca was given to this CA")
	require.False(t, isAny(err, ca.ErrRefused, ca.ErrUncertain))
	require.NoError(t, reader.Close(t.Context()))
}
