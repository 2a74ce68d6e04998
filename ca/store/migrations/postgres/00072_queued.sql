-- Batches between their parse and their issuing. What is to be issued is bound to the
-- audit log, and what a batch asked for is not changed afterwards.

-- +goose Up

-- The audit record that says with what items a batch was QUEUED. NULL: it was not, or
-- before this column was.
ALTER TABLE smkiws_batch ADD COLUMN queued_record BIGINT;

CREATE TRIGGER smkiws_item_unchanged BEFORE UPDATE ON smkiws_item
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an item of a batch is never changed');
CREATE TRIGGER smkiws_outcome_unchanged BEFORE UPDATE ON smkiws_outcome
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('what became of an item is never changed');
CREATE TRIGGER smkiws_batch_bound BEFORE UPDATE OF id, channel, party, requester, name, upload, digest, octets, items, excess, submitted_at ON smkiws_batch
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('what was uploaded is never changed');
CREATE TRIGGER smkiws_batch_kept BEFORE DELETE ON smkiws_batch
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a batch is never deleted');
CREATE TRIGGER batch_item_bound BEFORE UPDATE OF seq, batch, id, digest, request ON batch_item
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('what an item asks for is never changed');
