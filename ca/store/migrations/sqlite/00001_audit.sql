-- Tables of package audit. Who can write them can forge history up to the last
-- checkpoint that somebody else has kept.

-- +goose Up
CREATE TABLE audit_record (
	seq  INTEGER PRIMARY KEY,          -- 0, 1, 2 … without a gap
	kind TEXT    NOT NULL,
	line BLOB    NOT NULL              -- the exact bytes that are hashed
);

CREATE TABLE audit_hash (
	position INTEGER PRIMARY KEY,      -- tlog's stored hash index
	hash     BLOB NOT NULL
);

CREATE TABLE audit_checkpoint (
	size INTEGER PRIMARY KEY,          -- records it covers
	note BLOB NOT NULL                 -- signed note
);
