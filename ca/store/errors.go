package store

import "errors"

var (
	// ErrUncertain is wrapped by the error of a Write whose transaction may or may
	// not be on disk: the database failed while it committed.
	ErrUncertain = errors.New("the write may have happened")

	// ErrClosed is returned by a Write that Close overtook. Nothing was written.
	ErrClosed = errors.New("store is closed")

	// ErrLeaseLost is wrapped by the error of a Write on PostgreSQL whose process has
	// been silent for so long that others took it for dead. Nothing was written, and
	// nothing will be: what the process had begun is being given up by the others.
	// The process should end and be started again.
	ErrLeaseLost = errors.New("others have taken this process for dead; start it again")
)
