-- What is asked for in a ledger of ten million, by status and by time. The first two
-- have no row for a certificate that is in use and has no end, as a device's, and
-- cost its issuance nothing.

-- +goose Up
CREATE INDEX certificate_out_of_use ON certificate (status, seq) WHERE status <> 'I';
CREATE INDEX certificate_ends ON certificate (not_after) WHERE not_after < 253402300799000000; -- 9999-12-31T23:59:59Z
CREATE INDEX certificate_recorded ON certificate (recorded_at);
