-- The rights of a CA service on its PostgreSQL database. Run as the owner of the
-- tables; running it again changes nothing.

DO $$
BEGIN
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'smki_service') THEN
		CREATE ROLE smki_service NOLOGIN;
	END IF;
END
$$;

-- No tables of its own, and no temporary ones that could stand before ours.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM smki_service;
GRANT USAGE ON SCHEMA public TO smki_service;

-- Work in progress is the service's to change.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO smki_service;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO smki_service;

-- The level of the tables is the owner's.
REVOKE INSERT, UPDATE, DELETE ON goose_db_version FROM smki_service;

-- Evidence is added to, and nothing more.
REVOKE UPDATE, DELETE ON
	audit_record, audit_hash, audit_checkpoint,
	intent, certificate, iki_certificate, revocation, crl
FROM smki_service;

-- What has to change on it: an intent is settled, a status follows a revocation.
GRANT UPDATE (state, cause, settled_at) ON intent TO smki_service;
GRANT UPDATE (status) ON certificate TO smki_service;
GRANT UPDATE (status) ON iki_certificate TO smki_service;
