package store

import "errors"

var (
	// ErrUncertain is wrapped by the error of a Write whose transaction may or may
	// not be on disk: the database failed while it committed.
	ErrUncertain = errors.New("the write may have happened")

	// ErrClosed is returned by a Write that Close overtook. Nothing was written.
	ErrClosed = errors.New("store is closed")
)
