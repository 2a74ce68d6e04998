INSERT INTO intent (handle, kind, issuer, serial, number, profile, profile_version, entity, spki, tbs, owner, state, cause, created_at, settled_at)
	VALUES ('handle-0', 'certificate', 'issuing-oca-1', '0123456789abcdef', NULL, 'organisation', 1, 'entity-1', 'spki-1', 'bytes to be signed', 'owner', 'recorded', '', 1, 2);
INSERT INTO intent (handle, kind, issuer, serial, number, profile, profile_version, tbs, owner, state, created_at)
	VALUES ('handle-1', 'crl', 'issuing-oca-1', NULL, 1, 'crl', 1, 'bytes of a list', 'owner', 'open', 3);
INSERT INTO certificate (serial, intent, issuer, profile, entity, role, key_usage, spki, not_before, not_after, status, requester, recorded_at, der)
	VALUES ('0123456789abcdef', 1, 'issuing-oca-1', 'organisation', 'entity-1', 2, 1, 'spki-1', 1, 2, 'I', 'supplier', 2, 'certificate');
INSERT INTO blocked_key (spki, reason, blocked_by, blocked_at) VALUES ('spki-2', 'copied', 'operator', 4);
