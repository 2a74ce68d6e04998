-- Tables of package ra. Times are microseconds since 1970, UTC; numbers count from
-- 1. Who can write them can enrol an officer of their own making and approve
-- anything; the audit log names every enrolment, vote and execution.

-- +goose Up

-- Organisations. Rows are never deleted.
CREATE TABLE ra_party (
	id         TEXT    PRIMARY KEY,
	name       TEXT    NOT NULL,
	category   TEXT    NOT NULL,
	roles      TEXT    NOT NULL,           -- Remote Party Roles, two hex digits each, with commas
	device_sub INTEGER NOT NULL,           -- 1: Authorised Subscriber for Device Certificates
	org_sub    INTEGER NOT NULL,           -- 1: Authorised Subscriber for Organisation Certificates
	state      TEXT    NOT NULL CHECK (state IN ('active', 'withdrawn')),
	cause      TEXT    NOT NULL DEFAULT '',
	revision   INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	changed_at INTEGER NOT NULL
);

-- EUI-64 identifiers, as closed ranges. Ranges that are not released never overlap.
CREATE TABLE ra_identifier (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	first       BLOB    NOT NULL,
	last        BLOB    NOT NULL,
	party       TEXT    NOT NULL REFERENCES ra_party (id),
	assigned_at INTEGER NOT NULL,
	released_at INTEGER
);
CREATE INDEX ra_identifier_first ON ra_identifier (first) WHERE released_at IS NULL;
CREATE INDEX ra_identifier_party ON ra_identifier (party);

-- Persons, and systems, in one role each.
CREATE TABLE ra_officer (
	id           TEXT    PRIMARY KEY,
	party        TEXT    REFERENCES ra_party (id),  -- NULL: the registration authority's own
	role         TEXT    NOT NULL,
	person       TEXT    NOT NULL,         -- one human being, whatever offices he holds
	name         TEXT    NOT NULL,
	screened     TEXT    NOT NULL,         -- date, or empty
	nomination   TEXT    NOT NULL,         -- reference of the nomination form, or empty
	nominated_by TEXT    NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('active', 'withdrawn')),
	cause        TEXT    NOT NULL DEFAULT '',
	created_at   INTEGER NOT NULL,
	changed_at   INTEGER NOT NULL
);
CREATE INDEX ra_officer_party ON ra_officer (party);
CREATE INDEX ra_officer_person ON ra_officer (person);

-- IKI certificates that officers are known by.
CREATE TABLE ra_credential (
	serial       BLOB    PRIMARY KEY,
	fingerprint  BLOB    NOT NULL UNIQUE,  -- SHA-256 of the certificate
	officer      TEXT    NOT NULL REFERENCES ra_officer (id),
	subject      TEXT    NOT NULL,
	not_after    INTEGER NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('active', 'withdrawn')),
	cause        TEXT    NOT NULL DEFAULT '',
	added_at     INTEGER NOT NULL,
	changed_at   INTEGER NOT NULL
);
CREATE INDEX ra_credential_officer ON ra_credential (officer);

-- What is to be done once enough persons have agreed to exactly these bytes.
CREATE TABLE ra_approval (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	act             TEXT    NOT NULL,
	subject         TEXT    NOT NULL,
	party           TEXT    NOT NULL,
	bytes           BLOB    NOT NULL,
	hash            BLOB    NOT NULL,      -- SHA-256 of bytes
	handle          BLOB,                  -- what an execution is known by outside: hash of the request
	profile         TEXT    NOT NULL,
	profile_version INTEGER NOT NULL,
	policy_version  INTEGER NOT NULL,
	table_version   INTEGER NOT NULL,
	needed          INTEGER NOT NULL,
	state           TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'executing', 'executed', 'failed', 'rejected', 'expired', 'retracted', 'void')),
	cause           TEXT    NOT NULL DEFAULT '',
	result          TEXT    NOT NULL DEFAULT '',
	owner           TEXT    NOT NULL DEFAULT '',  -- lease of the process that executes
	proposed_by     TEXT    NOT NULL,
	proposer        TEXT    NOT NULL,      -- person
	revision        INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	settled_at      INTEGER
);
-- One open decision a subject: two that contradict each other cannot both stand.
CREATE UNIQUE INDEX ra_approval_open ON ra_approval (subject) WHERE state IN ('pending', 'approved', 'executing');
CREATE INDEX ra_approval_state ON ra_approval (state, id);
CREATE INDEX ra_approval_subject ON ra_approval (subject, id);
CREATE INDEX ra_approval_handle ON ra_approval (handle) WHERE state = 'executing';

-- Votes are never changed or deleted; one a person.
CREATE TABLE ra_vote (
	approval INTEGER NOT NULL REFERENCES ra_approval (id),
	person   TEXT    NOT NULL,
	officer  TEXT    NOT NULL,
	role     TEXT    NOT NULL,
	accept   INTEGER NOT NULL,
	hash     BLOB    NOT NULL,             -- of the bytes the voter saw
	comment  TEXT    NOT NULL,
	voted_at INTEGER NOT NULL,
	PRIMARY KEY (approval, person)
);

-- Persons who may not vote on an approval, because it is theirs or about them.
CREATE TABLE ra_barred (
	approval INTEGER NOT NULL REFERENCES ra_approval (id),
	person   TEXT    NOT NULL,
	why      TEXT    NOT NULL,
	PRIMARY KEY (approval, person)
);

-- Requests for organisation certificates.
CREATE TABLE ra_request (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	party      TEXT    NOT NULL REFERENCES ra_party (id),
	der        BLOB    NOT NULL,
	hash       BLOB    NOT NULL,           -- SHA-256 of der
	asked_by   TEXT    NOT NULL,
	asker      TEXT    NOT NULL,           -- person
	state      TEXT    NOT NULL CHECK (state IN ('asked', 'issued', 'closed')),
	cause      TEXT    NOT NULL DEFAULT '',
	serial     BLOB,
	revision   INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	changed_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX ra_request_open ON ra_request (hash) WHERE state = 'asked';
CREATE INDEX ra_request_state ON ra_request (state, id);

-- Identity checks of a request, as they were made; the newest of a kind counts.
CREATE TABLE ra_check (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	request    INTEGER NOT NULL REFERENCES ra_request (id),
	kind       TEXT    NOT NULL,
	passed     INTEGER NOT NULL,
	evidence   TEXT    NOT NULL,
	checked_by TEXT    NOT NULL,
	person     TEXT    NOT NULL,
	checked_at INTEGER NOT NULL
);
CREATE INDEX ra_check_request ON ra_check (request, id);

-- Requests to revoke certificates, and where they stand.
CREATE TABLE ra_revocation (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	party          TEXT    NOT NULL,       -- whose certificates; empty: several parties', or nobody's known
	serials        TEXT    NOT NULL,       -- hex, with commas, sorted
	reason         INTEGER NOT NULL,       -- RFC 5280 number
	why            TEXT    NOT NULL,
	asked_by       TEXT    NOT NULL,
	asker          TEXT    NOT NULL,       -- person
	state          TEXT    NOT NULL CHECK (state IN ('requested', 'authenticated', 'deferred', 'executed', 'withdrawn')),
	evidence       TEXT    NOT NULL DEFAULT '',  -- how it was authenticated
	deferred_until INTEGER,
	cause          TEXT    NOT NULL DEFAULT '',
	revision       INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	changed_at     INTEGER NOT NULL
);
CREATE INDEX ra_revocation_state ON ra_revocation (state, id);

-- +goose StatementBegin
CREATE TRIGGER ra_vote_stays BEFORE UPDATE ON ra_vote BEGIN SELECT RAISE(ABORT, 'a vote is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ra_vote_kept BEFORE DELETE ON ra_vote BEGIN SELECT RAISE(ABORT, 'a vote is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ra_approval_bound BEFORE UPDATE OF act, subject, party, bytes, hash, handle, profile, profile_version, policy_version, table_version, needed, proposed_by, proposer, created_at, expires_at ON ra_approval BEGIN SELECT RAISE(ABORT, 'what an approval binds is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ra_approval_final BEFORE UPDATE ON ra_approval WHEN OLD.state NOT IN ('pending', 'approved', 'executing') BEGIN SELECT RAISE(ABORT, 'a settled approval is never changed'); END;
-- +goose StatementEnd
