-- One row that health checks write, because nothing less than a write tells whether
-- the database takes one. It says nothing and anybody may change it.

-- +goose Up
CREATE TABLE write_probe (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	at INTEGER NOT NULL
);
