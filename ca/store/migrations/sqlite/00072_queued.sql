-- Batches between their parse and their issuing. What is to be issued is bound to the
-- audit log, and what a batch asked for is not changed afterwards.

-- +goose Up

-- The audit record that says with what items a batch was QUEUED. NULL: it was not, or
-- before this column was.
ALTER TABLE smkiws_batch ADD COLUMN queued_record INTEGER;

-- +goose StatementBegin
CREATE TRIGGER smkiws_item_unchanged BEFORE UPDATE ON smkiws_item
BEGIN SELECT RAISE(ABORT, 'an item of a batch is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER smkiws_outcome_unchanged BEFORE UPDATE ON smkiws_outcome
BEGIN SELECT RAISE(ABORT, 'what became of an item is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER smkiws_batch_bound BEFORE UPDATE OF id, channel, party, requester, name, upload, digest, octets, items, excess, submitted_at ON smkiws_batch
BEGIN SELECT RAISE(ABORT, 'what was uploaded is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER smkiws_batch_kept BEFORE DELETE ON smkiws_batch
BEGIN SELECT RAISE(ABORT, 'a batch is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batch_item_bound BEFORE UPDATE OF seq, batch, id, digest, request ON batch_item
BEGIN SELECT RAISE(ABORT, 'what an item asks for is never changed'); END;
-- +goose StatementEnd
