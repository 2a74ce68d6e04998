-- Tables of package iki. Times are microseconds since 1970, UTC.

-- +goose Up

-- Which interface a certificate opens; '': none. Who could change it could let a
-- client into another interface, and the trigger below refuses that.
ALTER TABLE iki_certificate ADD COLUMN interface TEXT NOT NULL DEFAULT '';

-- One row a serial, for ever: the first revocation stands. Who can delete one lets
-- a client back in; the audit log names it.
CREATE TABLE iki_revocation (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	serial      BLOB    NOT NULL UNIQUE,
	issuer      TEXT    NOT NULL,      -- authority and generation: iki-1
	reason      INTEGER NOT NULL,      -- RFC 5280 number
	revoked_at  INTEGER NOT NULL,
	revoked_by  TEXT    NOT NULL,
	recorded_at INTEGER NOT NULL
);
CREATE INDEX iki_revocation_issuer ON iki_revocation (issuer, seq);

-- Lists of the IKI authority that were signed, verified and published. A number
-- that is missing here and present in intent was burned.
CREATE TABLE iki_crl (
	issuer       TEXT    NOT NULL,
	number       INTEGER NOT NULL,
	intent       INTEGER NOT NULL REFERENCES intent (id),
	this_update  INTEGER NOT NULL,
	next_update  INTEGER NOT NULL,
	entries      INTEGER NOT NULL,
	covers       INTEGER NOT NULL,     -- revocations and written-off serials it was made from
	published_at INTEGER NOT NULL,
	der          BLOB    NOT NULL,
	PRIMARY KEY (issuer, number)
);

-- +goose StatementBegin
CREATE TRIGGER iki_certificate_interface BEFORE UPDATE OF interface ON iki_certificate
BEGIN SELECT RAISE(ABORT, 'the interface of an IKI certificate is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER iki_revocation_unchanged BEFORE UPDATE ON iki_revocation
BEGIN SELECT RAISE(ABORT, 'a revocation is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER iki_revocation_kept BEFORE DELETE ON iki_revocation
BEGIN SELECT RAISE(ABORT, 'a revocation is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER iki_crl_unchanged BEFORE UPDATE ON iki_crl
BEGIN SELECT RAISE(ABORT, 'a published list is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER iki_crl_kept BEFORE DELETE ON iki_crl
BEGIN SELECT RAISE(ABORT, 'a published list is never deleted'); END;
-- +goose StatementEnd
