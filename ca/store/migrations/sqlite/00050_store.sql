-- What the store itself sees to: evidence is added to and never changed. The
-- triggers refuse a mistake of ours; whoever owns the database can drop them,
-- and the audit log is what tells then.

-- +goose Up

-- +goose StatementBegin
CREATE TRIGGER audit_record_unchanged BEFORE UPDATE ON audit_record
BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_record_kept BEFORE DELETE ON audit_record
BEGIN SELECT RAISE(ABORT, 'an audit record is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_hash_unchanged BEFORE UPDATE ON audit_hash
BEGIN SELECT RAISE(ABORT, 'a hash of the audit log is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_hash_kept BEFORE DELETE ON audit_hash
BEGIN SELECT RAISE(ABORT, 'a hash of the audit log is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_checkpoint_unchanged BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'a checkpoint of the audit log is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_checkpoint_kept BEFORE DELETE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'a checkpoint of the audit log is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER intent_unchanged BEFORE UPDATE OF id, handle, kind, issuer, serial, number, profile, profile_version, entity, spki, tbs, owner, created_at ON intent
BEGIN SELECT RAISE(ABORT, 'an intent is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER intent_kept BEFORE DELETE ON intent
BEGIN SELECT RAISE(ABORT, 'an intent is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER certificate_unchanged BEFORE UPDATE OF seq, serial, intent, issuer, profile, entity, role, key_usage, spki, not_before, not_after, requester, recorded_at, der ON certificate
BEGIN SELECT RAISE(ABORT, 'a certificate is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER certificate_kept BEFORE DELETE ON certificate
BEGIN SELECT RAISE(ABORT, 'a certificate is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER iki_certificate_unchanged BEFORE UPDATE OF seq, serial, intent, issuer, profile, organisation, role, cn, spki, not_before, not_after, requester, recorded_at, der ON iki_certificate
BEGIN SELECT RAISE(ABORT, 'an IKI certificate is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER iki_certificate_kept BEFORE DELETE ON iki_certificate
BEGIN SELECT RAISE(ABORT, 'an IKI certificate is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER revocation_unchanged BEFORE UPDATE ON revocation
BEGIN SELECT RAISE(ABORT, 'a revocation is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER revocation_kept BEFORE DELETE ON revocation
BEGIN SELECT RAISE(ABORT, 'a revocation is never deleted'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER crl_unchanged BEFORE UPDATE ON crl
BEGIN SELECT RAISE(ABORT, 'a published list is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crl_kept BEFORE DELETE ON crl
BEGIN SELECT RAISE(ABORT, 'a published list is never deleted'); END;
-- +goose StatementEnd

-- An intent is settled once.
-- +goose StatementBegin
CREATE TRIGGER intent_settled_once BEFORE UPDATE ON intent WHEN OLD.state <> 'open'
BEGIN SELECT RAISE(ABORT, 'an intent is settled once'); END;
-- +goose StatementEnd

-- What is revoked stays revoked.
-- +goose StatementBegin
CREATE TRIGGER certificate_revoked_for_good BEFORE UPDATE ON certificate WHEN OLD.status = 'R' AND NEW.status <> 'R'
BEGIN SELECT RAISE(ABORT, 'what is revoked stays revoked'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER iki_certificate_revoked_for_good BEFORE UPDATE ON iki_certificate WHEN OLD.status = 'R' AND NEW.status <> 'R'
BEGIN SELECT RAISE(ABORT, 'what is revoked stays revoked'); END;
-- +goose StatementEnd
