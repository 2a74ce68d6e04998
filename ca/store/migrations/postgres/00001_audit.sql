-- Tables of package audit. Who can write them can forge history up to the last
-- checkpoint that somebody else has kept.

-- +goose Up

-- What triggers of every room call to refuse a change.
-- +goose StatementBegin
CREATE FUNCTION smki_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd

CREATE TABLE audit_record (
	seq  BIGINT PRIMARY KEY,          -- 0, 1, 2 … without a gap
	kind TEXT    NOT NULL,
	line BYTEA   NOT NULL              -- the exact bytes that are hashed
);

CREATE TABLE audit_hash (
	position BIGINT PRIMARY KEY,      -- tlog's stored hash index
	hash     BYTEA NOT NULL
);

CREATE TABLE audit_checkpoint (
	size BIGINT PRIMARY KEY,          -- records it covers
	note BYTEA NOT NULL                 -- signed note
);
