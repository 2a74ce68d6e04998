package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm/ceremony"
)

func TestRoom(t *testing.T) {
	t.Parallel()
	var shown bytes.Buffer
	step := ceremony.Step{Number: 7, Who: "administrator", Says: "makes the Root OCA key"}
	r := newRoom(strings.NewReader("\n the lamp flickered \nstop\n"), &shown, nil)

	remark, err := r.attend(t.Context(), step, "key root-oca-1\nto check: the attributes")
	require.NoError(t, err)
	require.Empty(t, remark)
	require.Contains(t, shown.String(), "Step 7. administrator: makes the Root OCA key.\n   key root-oca-1\n   to check: the attributes\n")
	remark, err = r.attend(t.Context(), step, "")
	require.NoError(t, err)
	require.Equal(t, "the lamp flickered", remark)
	_, err = r.attend(t.Context(), step, "")
	require.ErrorIs(t, err, errStopped)
	_, err = r.attend(t.Context(), step, "")
	require.ErrorIs(t, err, errStopped, "the end of the input stops the ceremony too")

	silent, hold := io.Pipe()
	defer hold.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newRoom(silent, &shown, nil).attend(ctx, step, "")
	require.ErrorIs(t, err, context.Canceled)
}
