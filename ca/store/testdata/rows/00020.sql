INSERT INTO smkiws_batch (id, channel, party, requester, name, state, upload, digest, octets, items, excess, submitted_at, decided_at, decided_by, reason, finished_at, purged_at, owner)
	VALUES (1, 'service', 'supplier-a', 'system-1', '', 'PROCESSING', 'upload-1', 'digest-4', 9, 1, 0, 11, 12, 'manager-1', '', NULL, NULL, '');
INSERT INTO smkiws_upload (upload, piece, octets, at) VALUES ('upload-1', 0, 'a document', 11);
INSERT INTO smkiws_item (batch, item, name, csr) VALUES (1, 1, '', 'a request');
INSERT INTO smkiws_outcome (batch, item, status, code, detail, serial) VALUES (1, 1, 'SUCCESS', '', '', '0123456789abcdef');
INSERT INTO smkiws_shard (batch, shard, done, owner, attempts, claimed_at, not_before) VALUES (1, 0, 0, 'owner', 1, 12, 0);
