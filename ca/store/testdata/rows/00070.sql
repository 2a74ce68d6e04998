INSERT INTO piece (value) VALUES ('entries of a list');
INSERT INTO intent (handle, kind, issuer, serial, number, profile, profile_version, tbs, owner, state, created_at, settled_at)
	VALUES ('handle-3', 'crl', 'issuing-dca-1', NULL, 1, 'crl', 1, 'bytes of a long list', 'owner', 'recorded', 20, 21);
INSERT INTO crl (issuer, number, intent, this_update, next_update, entries, covers, published_at, der, to_revocation, written_off)
	VALUES ('issuing-dca-1', 1, 4, 20, 22, 1, 1, 21, 'a long list', 1, 0);
