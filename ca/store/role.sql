-- The rights of a CA service on its PostgreSQL database. Run as the owner of the
-- tables; running it again brings them up to date. A table that is not named here
-- is one that the service cannot read, so that a new one is a decision.

DO $$
BEGIN
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'smki_service') THEN
		CREATE ROLE smki_service NOLOGIN;
	END IF;
END
$$;

-- No tables of its own, and no temporary ones that could stand before ours.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
DO $$
BEGIN
	EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM smki_service;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM smki_service;
GRANT USAGE ON SCHEMA public TO smki_service;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO smki_service;

-- The level of the tables is the owner's.
GRANT SELECT ON goose_db_version TO smki_service;

-- Evidence is added to, and nothing more.
GRANT SELECT, INSERT ON
	audit_record, audit_hash, audit_checkpoint,
	intent, certificate, revocation, crl, piece, blocked_key,
	iki_certificate, iki_revocation, iki_crl,
	ra_party, ra_identifier, ra_officer, ra_credential,
	ra_approval, ra_vote, ra_barred, ra_request, ra_check, ra_revocation,
	repository_key, repository_file,
	batch, restoration, piece
TO smki_service;

-- What has to change on it: an intent is settled, a status follows a revocation, a
-- decision goes its way, an office ends. What was decided, and by whom, is not here.
GRANT UPDATE (state, cause, settled_at) ON intent TO smki_service;
GRANT UPDATE (status) ON certificate TO smki_service;
GRANT UPDATE (status) ON iki_certificate TO smki_service;
GRANT UPDATE (name, category, roles, device_sub, org_sub, state, cause, revision, changed_at) ON ra_party TO smki_service;
GRANT UPDATE (released_at) ON ra_identifier TO smki_service;
GRANT UPDATE (state, cause, changed_at) ON ra_officer TO smki_service;
GRANT UPDATE (state, cause, changed_at) ON ra_credential TO smki_service;
GRANT UPDATE (state, cause, result, owner, revision, settled_at) ON ra_approval TO smki_service;
GRANT UPDATE (state, cause, serial, revision, changed_at) ON ra_request TO smki_service;
GRANT UPDATE (state, evidence, deferred_until, cause, revision, changed_at) ON ra_revocation TO smki_service;
GRANT UPDATE (revoked_by, revoked_at, cause) ON repository_key TO smki_service;
GRANT UPDATE (state, certificates, changes, octets, digest, published_at) ON repository_file TO smki_service;
GRANT UPDATE (released_at, released_by, record) ON restoration TO smki_service;

-- What was asked for stays; how far it is changes. What was parsed, and what became of
-- it, is not changed but taken away, when its time is over or a parse begins again.
GRANT SELECT, INSERT ON batch_item, smkiws_batch TO smki_service;
GRANT UPDATE (state, owner, tries, serial, error_code, detail, settled_at) ON batch_item TO smki_service;
GRANT UPDATE (state, owner, decided_at, decided_by, reason, finished_at, purged_at, queued_record) ON smkiws_batch TO smki_service;
GRANT SELECT, INSERT, DELETE ON smkiws_item, smkiws_outcome TO smki_service;

-- Work in progress is the service's to change and to clear away.
GRANT SELECT, INSERT, UPDATE, DELETE ON
	lease, write_probe, work_wanted,
	smkiws_upload, smkiws_shard
TO smki_service;

-- The job queue makes tables of its own, when a service of the owner's first opens
-- it; they hold wake-ups, and the work stands in the tables above. Their level is the
-- owner's.
DO $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'river\_%' LOOP
		IF name = 'river_migration' THEN
			EXECUTE format('GRANT SELECT ON %I TO smki_service', name);
		ELSE
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO smki_service', name);
		END IF;
	END LOOP;
END
$$;
