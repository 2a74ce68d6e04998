package softhsm

import (
	"fmt"

	"github.com/miekg/pkcs11"
)

// initialise makes one token through the library itself, and returns its serial
// number. The PINs travel by memory only; softhsm2-util would take them as
// arguments, where any user of the machine can read them.
func initialise(library, conf, label, soPIN, pin string) (serial string, err error) {
	module := pkcs11.New(library)
	if module == nil {
		return "", fmt.Errorf("loading %q: the system's loader refused it; a directory on a file system mounted noexec is the usual reason", library)
	}
	defer module.Destroy()
	if err := WithConfig(conf, func() error { return module.Initialize() }); err != nil {
		return "", fmt.Errorf("C_Initialize of %q: %w", library, err)
	}
	defer func() {
		if ferr := module.Finalize(); ferr != nil && err == nil {
			err = fmt.Errorf("C_Finalize: %w", ferr)
		}
	}()
	slots, err := module.GetSlotList(true)
	if err != nil {
		return "", fmt.Errorf("listing slots: %w", err)
	}
	if len(slots) != 1 {
		return "", fmt.Errorf("listing slots: a fresh SoftHSM has one, this one has %d", len(slots))
	}
	slot := slots[0]
	if err := module.InitToken(slot, soPIN, label); err != nil {
		return "", fmt.Errorf("C_InitToken: %w", err)
	}
	session, err := module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return "", fmt.Errorf("C_OpenSession: %w", err)
	}
	defer module.CloseSession(session)
	if err := module.Login(session, pkcs11.CKU_SO, soPIN); err != nil {
		return "", fmt.Errorf("logging in as security officer: %w", err)
	}
	if err := module.InitPIN(session, pin); err != nil {
		return "", fmt.Errorf("C_InitPIN: %w", err)
	}
	if err := module.Logout(session); err != nil {
		return "", fmt.Errorf("C_Logout: %w", err)
	}
	info, err := module.GetTokenInfo(slot)
	if err != nil {
		return "", fmt.Errorf("C_GetTokenInfo: %w", err)
	}
	return info.SerialNumber, nil
}
