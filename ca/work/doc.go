// Package work wakes workers: on one machine, or on all nodes of a CA that share a
// PostgreSQL database.
//
// # What it promises
//
// [Queue.Wake] asks for work on a thing ("publish the list of issuing-oca-1", "work
// on batch 17") in the transaction of the act that makes it necessary: if the act
// is committed the work will be seen to, by some node, soon; if it is rolled back
// nobody hears of it. Asking a hundred times before a worker comes is asking once,
// and a thing is worked on by one node at a time. Asking while a worker is at it
// makes the worker look again before it ends: no request is lost between its last
// look and its end, because both are one transaction.
//
// What the work is, and whether it is done, stands in the tables of the room that
// asks. A [Handler] looks there, and is called once too often rather than not at
// all: after a node was killed, after an error, after what it has asked for with
// [Later], and by the clock.
//
// # How
//
// Jobs are River's (github.com/riverqueue/river), on the CA's own database and with
// its tables beside ours. River wakes, spreads, retries and counts; the one thing
// it does too slowly for us is to notice a killed node (it waits for an hour by
// default), so that a job carries the lease of its process, and whoever finds the
// lease dead gives the job to somebody else. A living process gives away what it has
// lost sight of, because the database was gone when the work was over. The clock is
// each node's own, because a new leader of River's is known only half a minute after
// the old one was killed. On SQLite the queue has a connection of its own beside the
// committer.
//
// A process that only asks, such as a command line, opens a [Queue] and never runs
// it. Start at [New].
//
// Whoever can write River's tables can make workers look for work in vain, or keep
// them from looking until the clock makes them.
package work
