INSERT INTO iki_certificate (serial, intent, issuer, profile, organisation, role, cn, spki, not_before, not_after, status, requester, recorded_at, der)
	VALUES ('fedcba9876543210', 1, 'iki-1', 'iki', 'the operator', NULL, 'IKI', 'spki-3', 1, 2, 'I', 'ceremony', 3, 'certificate');
