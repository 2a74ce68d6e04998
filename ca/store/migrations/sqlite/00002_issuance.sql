-- Tables of package ca. Times are microseconds since 1970, UTC.

-- +goose Up

-- Everything a CA key was ever to sign, certificates and CRLs alike, written
-- before the key was asked. Rows are never deleted. Who can delete one can make a
-- signature unaccounted for; the audit log names the missing serial.
CREATE TABLE intent (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	handle          BLOB    NOT NULL,  -- random: an id that was rolled back is given out again
	kind            TEXT    NOT NULL CHECK (kind IN ('certificate', 'crl')),
	issuer          TEXT    NOT NULL,  -- authority and generation: issuing-oca-1
	serial          BLOB    UNIQUE,    -- certificates: 16 octets
	number          INTEGER,           -- CRLs
	profile         TEXT    NOT NULL,
	profile_version INTEGER NOT NULL,
	entity          BLOB,              -- EUI-64 of the subject, if it has one
	spki            BLOB,              -- SHA-256 of the subject's public key info
	tbs             BLOB    NOT NULL,  -- the exact bytes to be signed
	owner           TEXT    NOT NULL,  -- lease of the process that will settle it
	state           TEXT    NOT NULL CHECK (state IN ('open', 'recorded', 'written-off', 'unused')),
	cause           TEXT    NOT NULL DEFAULT '',
	created_at      INTEGER NOT NULL,
	settled_at      INTEGER,
	UNIQUE (issuer, number)
);
CREATE INDEX intent_open ON intent (id) WHERE state = 'open';
CREATE INDEX intent_open_spki ON intent (spki) WHERE state = 'open';
CREATE INDEX intent_open_entity ON intent (entity) WHERE state = 'open';
CREATE INDEX intent_written_off ON intent (issuer, id) WHERE state = 'written-off';

-- The ledger, which is also what the Repository shows.
CREATE TABLE certificate (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	serial      BLOB    NOT NULL UNIQUE,
	intent      INTEGER NOT NULL REFERENCES intent (id),
	issuer      TEXT    NOT NULL,
	profile     TEXT    NOT NULL,
	entity      BLOB,
	role        INTEGER,
	key_usage   INTEGER NOT NULL,
	spki        BLOB    NOT NULL,
	not_before  INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	status      TEXT    NOT NULL CHECK (status IN ('I', 'N', 'R')),
	requester   TEXT    NOT NULL,
	recorded_at INTEGER NOT NULL,
	der         BLOB    NOT NULL
);
CREATE INDEX certificate_spki ON certificate (spki);
CREATE INDEX certificate_entity ON certificate (entity, profile) WHERE entity IS NOT NULL;

-- Keys that no certificate may be issued for.
CREATE TABLE blocked_key (
	spki       BLOB    PRIMARY KEY,
	reason     TEXT    NOT NULL,
	blocked_by TEXT    NOT NULL,
	blocked_at INTEGER NOT NULL
) WITHOUT ROWID;
