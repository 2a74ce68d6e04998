INSERT INTO lease (owner, term, taken_at, renewed_at) VALUES ('owner-gone', 30, '2026-11-24 12:00:00', '2026-11-24 12:00:00');
