-- Table of package backup. Times are microseconds since 1970, UTC. Who can write
-- it can let a CA go on that has forgotten what it signed; the audit log tells of
-- every release.

-- +goose Up

-- One row for each time that this database was put back from a backup. While one is
-- not released, nothing is issued, revoked or published from it.
CREATE TABLE restoration (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	backup      TEXT    NOT NULL,      -- of which backup: its identifier
	taken_at    INTEGER NOT NULL,      -- when that was made
	restored_at INTEGER NOT NULL,
	log_size    INTEGER NOT NULL,      -- records that the audit log had in it
	log_head    TEXT    NOT NULL,      -- head over them
	released_at INTEGER,
	released_by TEXT    NOT NULL DEFAULT '',
	record      INTEGER                -- audit record that says on what grounds
);
