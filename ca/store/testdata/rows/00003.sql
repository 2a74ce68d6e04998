INSERT INTO revocation (serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at)
	VALUES ('0123456789abcdef', 'issuing-oca-1', 1, 5, 'operator', '1', 5);
INSERT INTO crl (issuer, number, intent, this_update, next_update, entries, covers, published_at, der)
	VALUES ('issuing-oca-1', 1, 2, 5, 6, 1, 1, 5, 'list');
