-- Table of package work. Who can write it can have work done once more, or wait for
-- the next round of the clock; what the work is stands in other tables.

-- +goose Up

-- Work that was asked for and is not seen to yet. A job of the queue says that
-- somebody will look here; this row says that there is something to see.
CREATE TABLE work_wanted (
	kind   TEXT   NOT NULL,
	name   TEXT   NOT NULL,   -- what is to be worked on
	wanted BIGINT NOT NULL,   -- how often it was asked for: a worker clears what it has seen
	PRIMARY KEY (kind, name)
);
