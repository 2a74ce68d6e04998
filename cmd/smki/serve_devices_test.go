package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/ra"
	"smki.example/policy"
)

// Provisioning states are data of the home, read again when they change; what cannot be
// read stops issuing.
func TestDevices(t *testing.T) {
	t.Parallel()
	h := &home{dir: t.TempDir()}
	none, err := h.devices()
	require.NoError(t, err)
	require.Nil(t, none, "every device is unknown")
	write := func(text string) {
		require.NoError(t, os.WriteFile(h.path(devicesFile)+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(h.path(devicesFile)+".new", h.path(devicesFile)))
	}
	write("device,state,party\n90-B3-D5-1F-30-00-00-01,installed,supplier-a\n90-B3-D5-1F-30-00-00-02,notInstalled,\n")
	d, err := h.devices()
	require.NoError(t, err)
	ask := func(last byte) (ra.Provisioning, ra.PartyID) {
		state, party, err := d.Provisioning(t.Context(), policy.EntityID{0x90, 0xB3, 0xD5, 0x1F, 0x30, 0, 0, last})
		require.NoError(t, err)
		return state, party
	}
	state, party := ask(1)
	require.Equal(t, ra.Installed, state)
	require.Equal(t, ra.PartyID("supplier-a"), party)
	state, _ = ask(2)
	require.Equal(t, ra.NotInstalled, state)
	state, _ = ask(3)
	require.Equal(t, ra.Unknown, state)
	write("device,state,party\n90-B3-D5-1F-30-00-00-01,installed,supplier-b\n")
	_, party = ask(1)
	require.Equal(t, ra.PartyID("supplier-b"), party)
	state, _ = ask(2)
	require.Equal(t, ra.Unknown, state)

	for text, want := range map[string]string{
		"device,party\n": "wrong number of fields",
		"device,state,owner\n90-B3-D5-1F-30-00-00-01,installed,a\n":                                              "line 1: the first line must be",
		"device,state,party\nmeter,installed,a\n":                                                                "line 2",
		"device,state,party\n90-B3-D5-1F-30-00-00-01,gone,a\n":                                                   `state "gone"`,
		"device,state,party\n90-B3-D5-1F-30-00-00-01,installed,a\n90-B3-D5-1F-30-00-00-01,installed,b\n":         "stands twice",
		"device,state,party\n90-B3-D5-1F-30-00-00-01,installed,a\n\"90-B3-D5-1F-30-00-00-02,notInstalled,b\n":    "line 3",
		"device,state,party\n90-B3-D5-1F-30-00-00-01,installed,a,b\n90-B3-D5-1F-30-00-00-02,notInstalled,b,c\n ": "wrong number of fields",
	} {
		write(text)
		require.NoError(t, os.Chtimes(h.path(devicesFile), time.Now(), time.Now().Add(time.Hour)))
		_, _, err := d.Provisioning(t.Context(), policy.EntityID{1})
		require.ErrorContains(t, err, want)
		_, err = h.devices()
		require.ErrorContains(t, err, want, "nor does it open")
	}
}
