package scope

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"smki.example/policy"
)

// A Cell is a trust anchor cell of a kind of device (GBCS: role, key usage and cell
// usage), with the roles whose certificates may stand in it.
type Cell struct {
	Device string                   `json:"device"`
	Role   policy.RemotePartyRole   `json:"role"`
	Usage  policy.KeyUsage          `json:"usage"`
	Cell   string                   `json:"cell"`
	Holds  []policy.RemotePartyRole `json:"holds"`
	// Authorises says what a key in this cell can bring a device to do.
	Authorises string `json:"authorises"`
}

// Cells is the table, as data with its source.
type Cells struct {
	Version  int    `json:"version"`
	Source   string `json:"source"`
	Verified bool   `json:"verified"` // against the text that binds
	Cells    []Cell `json:"cells"`
}

//go:embed cells.json
var embedded []byte

// DefaultCells returns the table that is part of the program.
func DefaultCells() *Cells {
	c, err := ParseCells("cells.json", embedded)
	if err != nil {
		panic("scope: internal error: " + err.Error())
	}
	return c
}

// ParseCells reads a table strictly; file is its name in errors.
func ParseCells(file string, b []byte) (*Cells, error) {
	var c Cells
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("reading cells %q: %w", file, err)
	}
	if c.Version < 1 || c.Source == "" || len(c.Cells) == 0 {
		return nil, fmt.Errorf("reading cells %q: version, source and cells are needed", file)
	}
	for n, cell := range c.Cells {
		if cell.Device == "" || cell.Authorises == "" || len(cell.Holds) == 0 || (cell.Cell != "management" && cell.Cell != "prePaymentTopUp") {
			return nil, fmt.Errorf("reading cells %q: cell %d: device, holds, authorises and a cell (management or prePaymentTopUp) are needed", file, n+1)
		}
	}
	return &c, nil
}

// For returns the cells that a certificate of a role and usage may stand in. The
// role of a certificate need not be that of its cell: before handover an Access
// Control Broker's stands in a supplier's. A cell may hold a certificate that can do
// more than it asks for.
func (c *Cells) For(role policy.RemotePartyRole, usage policy.KeyUsage) []Cell {
	found := []Cell{}
	for _, cell := range c.Cells {
		if usage&cell.Usage == cell.Usage && slices.Contains(cell.Holds, role) {
			found = append(found, cell)
		}
	}
	return found
}
