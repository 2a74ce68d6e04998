-- Tables of package repository. Times are microseconds since 1970, UTC. Who can
-- write them can let anybody search, or leave a certificate out of a delta; what a
-- certificate is and whether it is revoked is not here.

-- +goose Up

-- API keys. Of a key only its hash is here. Rows are never deleted.
CREATE TABLE repository_key (
	id         TEXT    PRIMARY KEY,        -- what people call it: 12 hex digits, drawn at random
	hash       BYTEA   NOT NULL UNIQUE,    -- SHA-256 of the key
	party      TEXT    NOT NULL,           -- whose it is
	note       TEXT    NOT NULL,
	adopted    BIGINT  NOT NULL,           -- 1: chosen by somebody, not drawn by us
	created_by TEXT    NOT NULL,
	created_at BIGINT  NOT NULL,
	revoked_by TEXT,
	revoked_at BIGINT,
	cause      TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX repository_key_party ON repository_key (party);

-- Files that were made of the ledger: what follows "after" up to and with "to", in
-- the order of recording. A delta begins where the one before it ended, and its row
-- is written before the file, so that a file that was not finished is made again
-- with the same content.
CREATE TABLE repository_file (
	number            BIGINT  PRIMARY KEY, -- 1, 2 … over both kinds
	kind              TEXT    NOT NULL CHECK (kind IN ('full', 'delta')),
	name              TEXT    NOT NULL UNIQUE,
	after_certificate BIGINT  NOT NULL,    -- certificate.seq
	to_certificate    BIGINT  NOT NULL,
	after_revocation  BIGINT  NOT NULL,    -- revocation.seq
	to_revocation     BIGINT  NOT NULL,
	at                BIGINT  NOT NULL,    -- the moment whose state it shows
	state             TEXT    NOT NULL CHECK (state IN ('begun', 'published', 'removed')),
	begun_by          TEXT    NOT NULL,
	certificates      BIGINT  NOT NULL DEFAULT 0,
	changes           BIGINT  NOT NULL DEFAULT 0,
	octets            BIGINT  NOT NULL DEFAULT 0,
	digest            BYTEA,                -- SHA-256 of the file
	published_at      BIGINT
);
CREATE UNIQUE INDEX repository_file_begun ON repository_file (kind) WHERE state = 'begun';

-- Finds the few certificates that are no device's among all that are.
CREATE INDEX certificate_few ON certificate (profile, seq) WHERE profile <> 'device';

CREATE TRIGGER repository_key_bound BEFORE UPDATE OF id, hash, party, note, adopted, created_by, created_at ON repository_key
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an API key is never changed, only revoked');
CREATE TRIGGER repository_key_revoked_for_good BEFORE UPDATE ON repository_key FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL)
	EXECUTE FUNCTION smki_refuse('a revoked API key stays revoked');
CREATE TRIGGER repository_key_kept BEFORE DELETE ON repository_key
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an API key is never deleted');
CREATE TRIGGER repository_key_not_emptied BEFORE TRUNCATE ON repository_key
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('an API key is never deleted');
CREATE TRIGGER repository_file_bound BEFORE UPDATE OF number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, begun_by ON repository_file
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('what a file covers is never changed');
CREATE TRIGGER repository_file_kept BEFORE DELETE ON repository_file
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('the record of a file is never deleted');
CREATE TRIGGER repository_file_not_emptied BEFORE TRUNCATE ON repository_file
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('the record of a file is never deleted');
