-- Long lists. A list of a million entries is nearly the one before it: what they
-- share is stored once (store.StoreJoined), and a list begins from the one before.

-- +goose Up

-- Parts of values, of which a row elsewhere says how they follow each other. Who can
-- change one changes the lists that have it, whose signatures and whose digests in
-- the audit log then do not fit.
CREATE TABLE piece (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	value BLOB NOT NULL
);

-- +goose StatementBegin
CREATE TRIGGER piece_unchanged BEFORE UPDATE ON piece
BEGIN SELECT RAISE(ABORT, 'a piece of a list is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER piece_kept BEFORE DELETE ON piece
BEGIN SELECT RAISE(ABORT, 'a piece of a list is never deleted'); END;
-- +goose StatementEnd

-- What a list was made from: every revocation of its issuer up to a seq, and so many
-- written-off serials. NULL: a list that was published before these columns were.
ALTER TABLE crl ADD COLUMN to_revocation INTEGER;
ALTER TABLE crl ADD COLUMN written_off INTEGER;

-- Counts what a list must hold without reading the rows.
CREATE INDEX revocation_on_crl ON revocation (issuer, seq) WHERE on_crl;
