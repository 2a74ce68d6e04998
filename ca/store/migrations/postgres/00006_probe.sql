-- One row that health checks write, because nothing less than a write tells whether
-- the database takes one. It says nothing and anybody may change it.

-- +goose Up
CREATE TABLE write_probe (
	id BIGINT PRIMARY KEY CHECK (id = 1),
	at BIGINT  NOT NULL
);
