-- Tables of package repository. Times are microseconds since 1970, UTC. Who can
-- write them can let anybody search, or leave a certificate out of a delta; what a
-- certificate is and whether it is revoked is not here.

-- +goose Up

-- API keys. Of a key only its hash is here. Rows are never deleted.
CREATE TABLE repository_key (
	id         TEXT    PRIMARY KEY,        -- what people call it: 12 hex digits, drawn at random
	hash       BLOB    NOT NULL UNIQUE,    -- SHA-256 of the key
	party      TEXT    NOT NULL,           -- whose it is
	note       TEXT    NOT NULL,
	adopted    INTEGER NOT NULL,           -- 1: chosen by somebody, not drawn by us
	created_by TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	revoked_by TEXT,
	revoked_at INTEGER,
	cause      TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX repository_key_party ON repository_key (party);

-- Files that were made of the ledger: what follows "after" up to and with "to", in
-- the order of recording. A delta begins where the one before it ended, and its row
-- is written before the file, so that a file that was not finished is made again
-- with the same content.
CREATE TABLE repository_file (
	number            INTEGER PRIMARY KEY, -- 1, 2 … over both kinds
	kind              TEXT    NOT NULL CHECK (kind IN ('full', 'delta')),
	name              TEXT    NOT NULL UNIQUE,
	after_certificate INTEGER NOT NULL,    -- certificate.seq
	to_certificate    INTEGER NOT NULL,
	after_revocation  INTEGER NOT NULL,    -- revocation.seq
	to_revocation     INTEGER NOT NULL,
	at                INTEGER NOT NULL,    -- the moment whose state it shows
	state             TEXT    NOT NULL CHECK (state IN ('begun', 'published', 'removed')),
	begun_by          TEXT    NOT NULL,
	certificates      INTEGER NOT NULL DEFAULT 0,
	changes           INTEGER NOT NULL DEFAULT 0,
	octets            INTEGER NOT NULL DEFAULT 0,
	digest            BLOB,                -- SHA-256 of the file
	published_at      INTEGER
);
CREATE UNIQUE INDEX repository_file_begun ON repository_file (kind) WHERE state = 'begun';

-- Finds the few certificates that are no device's among all that are.
CREATE INDEX certificate_few ON certificate (profile, seq) WHERE profile <> 'device';

-- +goose StatementBegin
CREATE TRIGGER repository_key_bound BEFORE UPDATE OF id, hash, party, note, adopted, created_by, created_at ON repository_key
BEGIN SELECT RAISE(ABORT, 'an API key is never changed, only revoked'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER repository_key_revoked_for_good BEFORE UPDATE ON repository_key WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a revoked API key stays revoked'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER repository_key_kept BEFORE DELETE ON repository_key
BEGIN SELECT RAISE(ABORT, 'an API key is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER repository_file_bound BEFORE UPDATE OF number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, begun_by ON repository_file
BEGIN SELECT RAISE(ABORT, 'what a file covers is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER repository_file_kept BEFORE DELETE ON repository_file
BEGIN SELECT RAISE(ABORT, 'the record of a file is never deleted'); END;
-- +goose StatementEnd
