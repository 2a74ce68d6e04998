package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"smki.example/ca/ra"
	"smki.example/policy"
)

// devicesFile says where devices are in their life, a line each: device,state,party.
// Section L3.16 is keyed on it, and the inventory that knows it is another system's: who
// has it writes this file, under another name first and renamed then. Without the file
// every device is unknown, which the table of the registration authority has a column
// for. Who can write to it can let a party have certificates for another's devices.
const devicesFile = "devices.csv"

// devices are the lines of the file, read again when it has changed. A million devices
// take some 60 MB of memory.
type devices struct {
	file string

	mu    sync.Mutex
	from  fs.FileInfo
	known map[policy.EntityID]provisioned
}

type provisioned struct {
	state ra.Provisioning
	party ra.PartyID
}

var _ ra.Devices = (*devices)(nil)

// devices opens the file of a home; nil: there is none.
func (h *home) devices() (ra.Devices, error) {
	d := &devices{file: h.path(devicesFile)}
	if _, err := os.Stat(d.file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	_, _, err := d.Provisioning(context.Background(), policy.EntityID{})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Provisioning implements [ra.Devices]. A file that cannot be read is an error, on which
// nothing is issued: it may say that the device is somebody else's.
func (d *devices) Provisioning(_ context.Context, device policy.EntityID) (ra.Provisioning, ra.PartyID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, err := os.Stat(d.file)
	if err != nil {
		return ra.Unknown, "", fmt.Errorf("reading the provisioning states of devices: %w", err)
	}
	if d.from == nil || !os.SameFile(now, d.from) || !now.ModTime().Equal(d.from.ModTime()) || now.Size() != d.from.Size() {
		if err := d.read(now); err != nil {
			return ra.Unknown, "", err
		}
	}
	if p, known := d.known[device]; known {
		return p.state, p.party, nil
	}
	return ra.Unknown, "", nil
}

func (d *devices) read(from fs.FileInfo) error {
	f, err := os.Open(d.file)
	if err != nil {
		return fmt.Errorf("reading the provisioning states of devices: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.ReuseRecord = 3, true
	known, parties := make(map[policy.EntityID]provisioned), make(map[string]ra.PartyID)
	for line := 1; ; line++ {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err == nil && line == 1 {
			if row[0] != "device" || row[1] != "state" || row[2] != "party" {
				err = errors.New("the first line must be device,state,party")
			}
			if err == nil {
				continue
			}
		}
		var id policy.EntityID
		if err == nil {
			id, err = policy.ParseEntityID(row[0])
		}
		state := ra.Unknown
		if err == nil {
			switch ra.Provisioning(row[1]) {
			case ra.NotInstalled:
				state = ra.NotInstalled
			case ra.Installed:
				state = ra.Installed
			default:
				err = fmt.Errorf("state %q: want %s or %s; leave out who is neither", row[1], ra.NotInstalled, ra.Installed)
			}
		}
		if _, twice := known[id]; err == nil && twice {
			err = fmt.Errorf("device %s stands twice", id)
		}
		if err != nil {
			return fmt.Errorf("reading %q: line %d: %w", d.file, line, err)
		}
		party, seen := parties[row[2]]
		if !seen {
			party = ra.PartyID(string([]byte(row[2])))
			parties[string(party)] = party
		}
		known[id] = provisioned{state, party}
	}
	d.known, d.from = known, from
	return nil
}

// devicesSay is what the portal tells of it.
func (d *desk) devicesSay() string {
	if d.home.env.Registration == policy.RegistrationOpen {
		return "Registration is open here: certificates may be asked for any device, whoever is responsible for it."
	}
	info, err := os.Stat(d.home.path(devicesFile))
	if err != nil {
		return "This service is not told where devices are in their life: each counts as not installed yet, and any Authorised Subscriber may ask for its certificates (L3.16, as far as it is known)."
	}
	return fmt.Sprintf("For an installed device the party that is responsible for it may ask, for others any Authorised Subscriber (L3.16, as far as it is known). Which is which was told to this service on %s.",
		info.ModTime().UTC().Format(time.DateOnly))
}
