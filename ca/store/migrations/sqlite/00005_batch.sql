-- Tables of package batch. Times are microseconds since 1970, UTC. They say which
-- request led to which certificate; who can write them can give an item another's
-- certificate, and cannot make one.

-- +goose Up
CREATE TABLE batch (
	id         TEXT    PRIMARY KEY,     -- 16 hex digits, drawn at random
	requester  TEXT    NOT NULL,        -- as in the certificates issued to it
	created_at INTEGER NOT NULL
);

-- The same request under the same id is the same item, in whatever batch it comes.
CREATE TABLE batch_item (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	batch      TEXT    NOT NULL REFERENCES batch (id), -- that it first came in
	id         TEXT    NOT NULL,
	digest     BLOB    NOT NULL,        -- SHA-256 of the request
	request    BLOB    NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('waiting', 'success', 'error', 'anomaly', 'ineligible')),
	owner      TEXT    NOT NULL DEFAULT '', -- lease of the process that has claimed it
	tries      INTEGER NOT NULL DEFAULT 0,  -- claims so far
	serial     BLOB    UNIQUE,          -- its certificate; no certificate is two items'
	error_code TEXT    NOT NULL DEFAULT '',
	detail     TEXT    NOT NULL DEFAULT '',
	settled_at INTEGER,
	UNIQUE (id, digest)
);
CREATE INDEX batch_item_waiting ON batch_item (seq) WHERE state = 'waiting';
