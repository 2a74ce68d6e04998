INSERT INTO ra_party (id, name, category, roles, device_sub, org_sub, state, cause, revision, created_at, changed_at)
	VALUES ('supplier-a', 'Exercise Supplier A', 'large supplier', '02', '1', '1', 'active', '', 1, 9, 9);
INSERT INTO ra_identifier (first, last, party, assigned_at, released_at) VALUES ('entity-1', 'entity-9', 'supplier-a', 9, NULL);
INSERT INTO ra_identifier (first, last, party, assigned_at, released_at) VALUES ('entity-a', 'entity-b', 'supplier-a', 9, 10);
INSERT INTO ra_officer (id, party, role, person, name, screened, nomination, nominated_by, state, cause, created_at, changed_at)
	VALUES ('aro-1', 'supplier-a', 'aro', 'person-1', 'Officer One', '2026-01-01', 'form-1', 'sro-1', 'active', '', 9, 9);
INSERT INTO ra_officer (id, party, role, person, name, screened, nomination, nominated_by, state, cause, created_at, changed_at)
	VALUES ('manager-1', NULL, 'ra-manager', 'person-2', 'Officer Two', '', '', 'first', 'withdrawn', 'left', 9, 11);
INSERT INTO ra_credential (serial, fingerprint, officer, subject, not_after, state, cause, added_at, changed_at)
	VALUES ('fedcba9876543210', 'fingerprint-1', 'aro-1', 'CN=Officer One', 99, 'active', '', 9, 9);
INSERT INTO ra_approval (act, subject, party, bytes, hash, handle, profile, profile_version, policy_version, table_version, needed, state, cause, result, owner, proposed_by, proposer, revision, created_at, expires_at, settled_at)
	VALUES ('organisation', 'request 1', 'supplier-a', 'exactly this', 'hash-1', 'handle-a', 'organisation', 1, 1, 1, 2, 'executed', '', '0123456789abcdef', '', 'aro-1', 'person-1', 3, 9, 99, 10);
INSERT INTO ra_approval (act, subject, party, bytes, hash, handle, profile, profile_version, policy_version, table_version, needed, state, proposed_by, proposer, revision, created_at, expires_at)
	VALUES ('revocation', 'revocation 1', 'supplier-a', 'exactly that', 'hash-2', NULL, '', 0, 1, 1, 2, 'pending', 'aro-1', 'person-1', 1, 9, 99);
INSERT INTO ra_vote (approval, person, officer, role, accept, hash, comment, voted_at) VALUES (1, 'person-2', 'manager-1', 'ra-manager', '1', 'hash-1', 'seen', 10);
INSERT INTO ra_barred (approval, person, why) VALUES (1, 'person-1', 'proposed it');
INSERT INTO ra_request (party, der, hash, asked_by, asker, state, cause, serial, revision, created_at, changed_at)
	VALUES ('supplier-a', 'a request', 'hash-3', 'aro-1', 'person-1', 'issued', '', '0123456789abcdef', 2, 9, 10);
INSERT INTO ra_check (request, kind, passed, evidence, checked_by, person, checked_at) VALUES (1, 'organisation', '1', 'register of companies', 'manager-1', 'person-2', 10);
INSERT INTO ra_revocation (party, serials, reason, why, asked_by, asker, state, evidence, deferred_until, cause, revision, created_at, changed_at)
	VALUES ('supplier-a', '0123456789ABCDEF', 1, 'copied', 'aro-1', 'person-1', 'deferred', 'called back', 50, 'devices first', 3, 9, 10);
