package main

import (
	"errors"
	"sync"
)

// looks let those who want to know the same thing at the same moment share one look.
// What anybody gets was looked up after he had asked: who comes while a look is in
// progress shares the next one, so that nothing old is ever told. The zero value is
// ready.
type looks[T any] struct {
	mu      sync.Mutex
	running map[string]*sharedLook[T]
	next    map[string]*sharedLook[T] // begins when that in running has ended
}

type sharedLook[T any] struct {
	done  chan struct{}
	value T
	err   error
}

var errLookEnded = errors.New("looking up: it ended without an answer")

// share returns what f returns, called by this caller or by another one who asked for
// the same key.
func (l *looks[T]) share(key string, f func() (T, error)) (T, error) {
	l.mu.Lock()
	if l.running == nil {
		l.running, l.next = make(map[string]*sharedLook[T]), make(map[string]*sharedLook[T])
	}
	if next := l.next[key]; next != nil {
		l.mu.Unlock()
		<-next.done
		return next.value, next.err
	}
	mine, before := &sharedLook[T]{done: make(chan struct{})}, l.running[key]
	if before == nil {
		l.running[key] = mine
		l.mu.Unlock()
	} else {
		l.next[key] = mine
		l.mu.Unlock()
		<-before.done
		l.mu.Lock()
		l.running[key] = mine
		delete(l.next, key)
		l.mu.Unlock()
	}
	defer func() {
		l.mu.Lock()
		if l.running[key] == mine {
			delete(l.running, key)
		}
		l.mu.Unlock()
		close(mine.done)
	}()
	mine.err = errLookEnded // what others hear if f panics
	mine.value, mine.err = f()
	return mine.value, mine.err
}
