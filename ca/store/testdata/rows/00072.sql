UPDATE smkiws_batch SET queued_record = 0 WHERE id = 1;
