package store

import "sync"

// Faults makes a commit fail in the two ways in which a write can fail: it did
// not happen, or it happened and we are told that it did not. Every room tests
// both. Armed faults hit the next commits, one each; the zero value does nothing.
type Faults struct {
	mu     sync.Mutex
	before []func() error // next commit first
	after  []func() error
}

// FailBeforeCommit makes one coming commit fail, after skip others have gone
// through: the transaction is rolled back and every write in it gets err. f may be used to
// look at the world, or to kill the process, at that moment; if it returns nil
// the commit goes on.
func (f *Faults) FailBeforeCommit(skip int, fail func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = arm(f.before, skip, fail)
}

// FailAfterCommit makes one coming commit look failed, after skip others have
// gone through: the transaction is on disk and every write in it is told
// [ErrUncertain] with the error of fail.
func (f *Faults) FailAfterCommit(skip int, fail func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = arm(f.after, skip, fail)
}

func arm(queue []func() error, skip int, fail func() error) []func() error {
	for len(queue) <= skip {
		queue = append(queue, nil)
	}
	queue[skip] = fail
	return queue
}

func (f *Faults) beforeCommit() error { return f.pop(true) }
func (f *Faults) afterCommit() error  { return f.pop(false) }

func (f *Faults) pop(before bool) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	queue := &f.after
	if before {
		queue = &f.before
	}
	var fail func() error
	if len(*queue) > 0 {
		fail = (*queue)[0]
		*queue = (*queue)[1:]
	}
	f.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail()
}
