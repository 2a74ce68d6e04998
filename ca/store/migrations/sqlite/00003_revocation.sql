-- Tables of package revocation. Times are microseconds since 1970, UTC.

-- +goose Up

-- One row a serial, for ever: the first revocation stands.
CREATE TABLE revocation (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	serial      BLOB    NOT NULL UNIQUE,
	issuer      TEXT    NOT NULL,
	reason      INTEGER NOT NULL,      -- RFC 5280 number
	revoked_at  INTEGER NOT NULL,
	revoked_by  TEXT    NOT NULL,
	on_crl      INTEGER NOT NULL,      -- 0: the issuer publishes no CRL; Repository status only
	recorded_at INTEGER NOT NULL
);
CREATE INDEX revocation_issuer ON revocation (issuer, seq);

-- CRLs that were signed, verified and published. A number that is missing here
-- and present in intent was burned by a crash or overtaken by a revocation.
CREATE TABLE crl (
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
