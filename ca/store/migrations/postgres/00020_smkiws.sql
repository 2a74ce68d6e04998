-- Tables of package smkiws. Times are microseconds since 1970, UTC. Who can write
-- them can give an item another's certificate or hide a batch, and cannot make a
-- certificate; what was uploaded stands, by its digest, in the audit log too.

-- +goose Up

-- One row a batch, never deleted, so that no BatchId is given out again.
CREATE TABLE smkiws_batch (
	id           BIGINT  PRIMARY KEY,      -- BatchId
	channel      TEXT    NOT NULL CHECK (channel IN ('service', 'portal')),
	party        TEXT    NOT NULL,         -- whose it is
	requester    TEXT    NOT NULL,         -- as in the certificates issued to it
	name         TEXT    NOT NULL,         -- the client's ID, or the archive's name
	state        TEXT    NOT NULL CHECK (state IN ('PENDING', 'REJECTED', 'PARSING', 'QUEUED', 'PROCESSING', 'PAUSED', 'TAMPERED', 'COMPLETED')),
	upload       TEXT    NOT NULL,         -- its octets: smkiws_upload
	digest       BYTEA   NOT NULL,         -- SHA-256 of the octets as they came in
	octets       BIGINT  NOT NULL,
	items        BIGINT  NOT NULL,
	excess       BIGINT  NOT NULL,         -- 1: above what its Party gave notice of
	submitted_at BIGINT  NOT NULL,
	decided_at   BIGINT ,
	decided_by   TEXT    NOT NULL DEFAULT '',
	reason       TEXT    NOT NULL DEFAULT '',
	finished_at  BIGINT ,                  -- COMPLETED, REJECTED or TAMPERED
	purged_at    BIGINT ,                  -- the results are gone
	owner        TEXT    NOT NULL DEFAULT '' -- lease of the process that parses it
);
CREATE INDEX smkiws_batch_state ON smkiws_batch (state, id);
CREATE INDEX smkiws_batch_party ON smkiws_batch (party, submitted_at);

-- The octets of an upload in pieces, until every item has its outcome.
CREATE TABLE smkiws_upload (
	upload TEXT    NOT NULL,               -- drawn at random
	piece  BIGINT  NOT NULL,
	octets BYTEA   NOT NULL,
	at     BIGINT  NOT NULL,
	PRIMARY KEY (upload, piece)
);

CREATE TABLE smkiws_item (
	batch BIGINT  NOT NULL REFERENCES smkiws_batch (id),
	item  BIGINT  NOT NULL,                -- 1, 2 … in the order of the document
	name  TEXT    NOT NULL,                -- DeviceCSR's ID, or the file's name without .csr
	csr   BYTEA,                            -- DER; NULL: its text could not be read
	PRIMARY KEY (batch, item)
);

-- What became of an item, written once.
CREATE TABLE smkiws_outcome (
	batch  BIGINT  NOT NULL REFERENCES smkiws_batch (id),
	item   BIGINT  NOT NULL,
	status TEXT    NOT NULL,               -- as in CSRBatchResult
	code   TEXT    NOT NULL,
	detail TEXT    NOT NULL,
	serial BYTEA   UNIQUE,                 -- SUCCESS; no certificate is two items'
	PRIMARY KEY (batch, item)
);

-- A shard is items (shard-1)*1000+1 to shard*1000.
CREATE TABLE smkiws_shard (
	batch      BIGINT  NOT NULL REFERENCES smkiws_batch (id),
	shard      BIGINT  NOT NULL,           -- 1, 2 …
	done       BIGINT  NOT NULL DEFAULT 0,
	owner      TEXT    NOT NULL DEFAULT '', -- lease of the process that works it
	attempts   BIGINT  NOT NULL DEFAULT 0, -- that ended with a failure of ours
	claimed_at BIGINT ,                    -- first claim: adopted certificates are no older
	not_before BIGINT  NOT NULL DEFAULT 0, -- next attempt
	PRIMARY KEY (batch, shard)
);
CREATE INDEX smkiws_shard_waiting ON smkiws_shard (batch, shard) WHERE done = 0;
