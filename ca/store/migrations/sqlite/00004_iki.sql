-- Table of package iki. Times are microseconds since 1970, UTC.

-- +goose Up

-- The ledger of the IKI authority, its own certificate included. Each row has an
-- intent like every other signature of a CA key.
CREATE TABLE iki_certificate (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	serial       BLOB    NOT NULL UNIQUE,
	intent       INTEGER NOT NULL REFERENCES intent (id),
	issuer       TEXT    NOT NULL,   -- authority and generation: iki-1
	profile      TEXT    NOT NULL,   -- iki, iki-client
	organisation TEXT    NOT NULL,
	role         INTEGER,
	cn           TEXT    NOT NULL,
	spki         BLOB    NOT NULL UNIQUE,
	not_before   INTEGER NOT NULL,
	not_after    INTEGER NOT NULL,
	status       TEXT    NOT NULL CHECK (status IN ('I', 'N', 'R')),
	requester    TEXT    NOT NULL,
	recorded_at  INTEGER NOT NULL,
	der          BLOB    NOT NULL
);
CREATE INDEX iki_certificate_cn ON iki_certificate (cn);
