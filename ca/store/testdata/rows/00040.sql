INSERT INTO iki_revocation (serial, issuer, reason, revoked_at, revoked_by, recorded_at) VALUES ('fedcba9876543210', 'iki-1', 4, 15, 'operator', 15);
INSERT INTO intent (handle, kind, issuer, serial, number, profile, profile_version, tbs, owner, state, created_at, settled_at)
	VALUES ('handle-2', 'crl', 'iki-1', NULL, 1, 'crl', 1, 'bytes of a list of clients', 'owner', 'recorded', 15, 16);
INSERT INTO iki_crl (issuer, number, intent, this_update, next_update, entries, covers, published_at, der) VALUES ('iki-1', 1, 3, 15, 17, 1, 1, 16, 'list of clients');
