-- What the store itself sees to: evidence is added to and never changed. The
-- triggers refuse a mistake of ours; whoever owns the database can drop them,
-- and the audit log is what tells then.

-- +goose Up

-- Processes that are at work, by their own word, which each renews.
CREATE TABLE lease (
	owner      TEXT             PRIMARY KEY,
	term       DOUBLE PRECISION NOT NULL,    -- seconds of silence after which it is dead
	taken_at   TIMESTAMPTZ      NOT NULL,
	renewed_at TIMESTAMPTZ      NOT NULL
);

CREATE TRIGGER audit_record_unchanged BEFORE UPDATE ON audit_record
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an audit record is never changed');
CREATE TRIGGER audit_record_kept BEFORE DELETE ON audit_record
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an audit record is never deleted');
CREATE TRIGGER audit_record_not_emptied BEFORE TRUNCATE ON audit_record
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('an audit record is never deleted');

CREATE TRIGGER audit_hash_unchanged BEFORE UPDATE ON audit_hash
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a hash of the audit log is never changed');
CREATE TRIGGER audit_hash_kept BEFORE DELETE ON audit_hash
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a hash of the audit log is never deleted');
CREATE TRIGGER audit_hash_not_emptied BEFORE TRUNCATE ON audit_hash
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('a hash of the audit log is never deleted');

CREATE TRIGGER audit_checkpoint_unchanged BEFORE UPDATE ON audit_checkpoint
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a checkpoint of the audit log is never changed');
CREATE TRIGGER audit_checkpoint_kept BEFORE DELETE ON audit_checkpoint
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a checkpoint of the audit log is never deleted');
CREATE TRIGGER audit_checkpoint_not_emptied BEFORE TRUNCATE ON audit_checkpoint
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('a checkpoint of the audit log is never deleted');

CREATE TRIGGER intent_unchanged BEFORE UPDATE OF id, handle, kind, issuer, serial, number, profile, profile_version, entity, spki, tbs, owner, created_at ON intent
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an intent is never changed');
CREATE TRIGGER intent_kept BEFORE DELETE ON intent
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an intent is never deleted');
CREATE TRIGGER intent_not_emptied BEFORE TRUNCATE ON intent
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('an intent is never deleted');

CREATE TRIGGER certificate_unchanged BEFORE UPDATE OF seq, serial, intent, issuer, profile, entity, role, key_usage, spki, not_before, not_after, requester, recorded_at, der ON certificate
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a certificate is never changed');
CREATE TRIGGER certificate_kept BEFORE DELETE ON certificate
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a certificate is never deleted');
CREATE TRIGGER certificate_not_emptied BEFORE TRUNCATE ON certificate
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('a certificate is never deleted');

CREATE TRIGGER iki_certificate_unchanged BEFORE UPDATE OF seq, serial, intent, issuer, profile, organisation, role, cn, spki, not_before, not_after, requester, recorded_at, der ON iki_certificate
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an IKI certificate is never changed');
CREATE TRIGGER iki_certificate_kept BEFORE DELETE ON iki_certificate
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('an IKI certificate is never deleted');
CREATE TRIGGER iki_certificate_not_emptied BEFORE TRUNCATE ON iki_certificate
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('an IKI certificate is never deleted');

CREATE TRIGGER revocation_unchanged BEFORE UPDATE ON revocation
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a revocation is never changed');
CREATE TRIGGER revocation_kept BEFORE DELETE ON revocation
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a revocation is never deleted');
CREATE TRIGGER revocation_not_emptied BEFORE TRUNCATE ON revocation
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('a revocation is never deleted');

CREATE TRIGGER crl_unchanged BEFORE UPDATE ON crl
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a published list is never changed');
CREATE TRIGGER crl_kept BEFORE DELETE ON crl
	FOR EACH ROW EXECUTE FUNCTION smki_refuse('a published list is never deleted');
CREATE TRIGGER crl_not_emptied BEFORE TRUNCATE ON crl
	FOR EACH STATEMENT EXECUTE FUNCTION smki_refuse('a published list is never deleted');

-- An intent is settled once.
CREATE TRIGGER intent_settled_once BEFORE UPDATE ON intent FOR EACH ROW WHEN (OLD.state <> 'open')
	EXECUTE FUNCTION smki_refuse('an intent is settled once');

-- What is revoked stays revoked.
CREATE TRIGGER certificate_revoked_for_good BEFORE UPDATE ON certificate FOR EACH ROW WHEN (OLD.status = 'R' AND NEW.status <> 'R')
	EXECUTE FUNCTION smki_refuse('what is revoked stays revoked');
CREATE TRIGGER iki_certificate_revoked_for_good BEFORE UPDATE ON iki_certificate FOR EACH ROW WHEN (OLD.status = 'R' AND NEW.status <> 'R')
	EXECUTE FUNCTION smki_refuse('what is revoked stays revoked');
