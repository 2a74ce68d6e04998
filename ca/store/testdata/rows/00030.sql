INSERT INTO repository_key (id, hash, party, note, adopted, created_by, created_at, revoked_by, revoked_at, cause)
	VALUES ('00aa11bb22cc', 'hash-4', 'supplier-a', 'test system', 0, 'operator', 13, NULL, NULL, '');
INSERT INTO repository_key (id, hash, party, note, adopted, created_by, created_at, revoked_by, revoked_at, cause)
	VALUES ('00aa11bb22dd', 'hash-5', 'supplier-a', '', 1, 'operator', 13, 'operator', 14, 'lost');
INSERT INTO repository_file (number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state, begun_by, certificates, changes, octets, digest, published_at)
	VALUES (1, 'full', 'smki-exercise-full-000001-20261124.zip', 0, 1, 0, 1, 13, 'published', 'operator', 1, 1, 99, 'digest-5', 14);
INSERT INTO repository_file (number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state, begun_by)
	VALUES (2, 'delta', 'smki-exercise-delta-000002-20261124.zip', 0, 1, 0, 1, 13, 'begun', 'operator');
