package hsm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"
)

var (
	// ErrUnavailable says that the token could not do it now: it is gone, its
	// session is lost and did not come back, a call outlived its deadline, or the PIN
	// was refused. Nothing is known to be wrong with the request.
	ErrUnavailable = errors.New("token unavailable")
	// ErrNotFound says that no token, key or secret goes by that name.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the name is taken, or stands for more than one thing.
	ErrConflict = errors.New("conflict")
	// ErrRefused says that a rule of ours forbids it; a retry would hear the same.
	ErrRefused = errors.New("refused")
)

// callError is what a PKCS#11 call answered. It unwraps to the pkcs11.Error, so
// that errors.As reaches the number, and prints its name, including the names that the
// pkcs11 package does not know.
type callError struct {
	call string
	code pkcs11.Error
}

func (e *callError) Error() string { return e.call + ": " + codeName(e.code) }
func (e *callError) Unwrap() error { return e.code }

// called wraps what call returned; nil stays nil.
func called(call string, err error) error {
	if err == nil {
		return nil
	}
	if code, ok := err.(pkcs11.Error); ok {
		return &callError{call, code}
	}
	return fmt.Errorf("%s: %w", call, err)
}

// unnamed are codes that tokens return and the pkcs11 package prints without a name
// (PKCS#11 2.40 and 3.0).
var unnamed = map[pkcs11.Error]string{
	0x1B:  "CKR_ACTION_PROHIBITED",
	0x1F9: "CKR_TOKEN_RESOURCE_EXCEEDED",
	0x200: "CKR_FUNCTION_REJECTED",
	0x201: "CKR_TOKEN_RESOURCE_EXCEEDED",
	0x202: "CKR_OPERATION_CANCEL_FAILED",
	0x203: "CKR_KEY_EXHAUSTED",
}

func codeName(code pkcs11.Error) string {
	if name := unnamed[code]; name != "" {
		return name
	}
	text := code.Error()
	if i := strings.LastIndex(text, "CKR_"); i >= 0 {
		return text[i:]
	}
	return fmt.Sprintf("CKR 0x%X", uint(code))
}

// fault says what an error means for the session it happened in.
type fault uint8

const (
	// faultNone: the token is well, and the answer is about the request.
	faultNone fault = iota + 1
	// faultHandle: a handle or the login has died. The call did nothing, and will
	// succeed in another session.
	faultHandle
	// faultToken: the token or the way to it is broken. The call may have been done.
	faultToken
	// faultDeadline: nobody knows; the call is still running.
	faultDeadline
)

// errOverdue is wrapped by the error of an operation that was abandoned.
var errOverdue = errors.New("the call was abandoned")

// errHanging names calls that have not returned; see [gate.acquire].
var errHanging = errors.New("a call that hangs in the token")

// errStale is returned instead of making a call in a session of an earlier login.
var errStale = errors.New("the session is of an earlier login")

// faultOf classifies err. Codes that SoftHSM and network HSMs were seen to answer when
// their token is gone count as faultToken, general ones such as
// CKR_GENERAL_ERROR included: a session too many thrown away costs a
// millisecond, a dead one kept fails one signature in N for ever.
func faultOf(err error) fault {
	if errors.Is(err, errOverdue) {
		return faultDeadline
	}
	if errors.Is(err, errStale) || errors.Is(err, errUntouched) {
		return faultHandle
	}
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return faultNone
	}
	switch uint(code) {
	case pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN,
		pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
		pkcs11.CKR_OPERATION_ACTIVE, pkcs11.CKR_OPERATION_NOT_INITIALIZED:
		return faultHandle
	case pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_HOST_MEMORY,
		pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_MEMORY, pkcs11.CKR_DEVICE_REMOVED,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_SLOT_ID_INVALID,
		pkcs11.CKR_FUNCTION_CANCELED, pkcs11.CKR_CANCEL,
		pkcs11.CKR_USER_PIN_NOT_INITIALIZED: // SoftHSM's answer when it could not read the token's file
		return faultToken
	}
	return faultNone
}

// refusedPIN reports whether err means that the token looked at the PIN and said
// no, which counts against it.
func refusedPIN(err error) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	switch uint(code) {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE,
		pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED:
		return true
	}
	return false
}
