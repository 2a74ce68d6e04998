INSERT INTO batch (id, requester, created_at) VALUES ('00112233aabbccdd', 'manufacturer', 6);
INSERT INTO batch_item (batch, id, digest, request, state, owner, tries, serial, error_code, detail, settled_at)
	VALUES ('00112233aabbccdd', 'meter-1', 'digest-1', 'request-1', 'success', '', 1, '0123456789abcdef', '', '', 7);
INSERT INTO batch_item (batch, id, digest, request, state, error_code, detail, settled_at)
	VALUES ('00112233aabbccdd', 'meter-2', 'digest-2', 'request-2', 'error', 'FORMAT_ERROR', 'no request', 7);
INSERT INTO batch_item (batch, id, digest, request, state, owner, tries)
	VALUES ('00112233aabbccdd', 'meter-3', 'digest-3', 'request-3', 'waiting', 'owner', 1);
