package store

import "sync"

// Faults makes a commit fail in the two ways in which a write can fail: it did
// not happen, or it happened and we are told that it did not. Every room tests
// both. The zero value does nothing.
//
// Faults are armed for commits to come, counted from the next one, which is 0.
// Transactions in which no write succeeded are not committed and do not count.
type Faults struct {
	mu     sync.Mutex
	coming []fault
}

type fault struct{ before, after func() error }

// FailBeforeCommit has f called before the commit that comes after skip others. If
// it returns an error, the transaction is rolled back and every write in it gets
// that error; if it returns nil, the commit goes on, so that f may also just look
// at the world at that moment, or end the process.
func (f *Faults) FailBeforeCommit(skip int, fail func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at(skip).before = fail
}

// FailAfterCommit has f called after the commit that comes after skip others. If
// it returns an error, every write of the transaction, which is on disk, is told
// [ErrUncertain].
func (f *Faults) FailAfterCommit(skip int, fail func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at(skip).after = fail
}

// Disarm forgets the faults that are still to come.
func (f *Faults) Disarm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.coming = nil
}

func (f *Faults) at(skip int) *fault {
	for len(f.coming) <= skip {
		f.coming = append(f.coming, fault{})
	}
	return &f.coming[skip]
}

// next takes the faults of one commit.
func (f *Faults) next() fault {
	never := func() error { return nil }
	this := fault{never, never}
	if f == nil {
		return this
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.coming) == 0 {
		return this
	}
	if armed := f.coming[0].before; armed != nil {
		this.before = armed
	}
	if armed := f.coming[0].after; armed != nil {
		this.after = armed
	}
	f.coming = f.coming[1:]
	return this
}
