INSERT INTO audit_record (seq, kind, line) VALUES (0, 'intent', '{"seq":0}');
INSERT INTO audit_hash (position, hash) VALUES (0, '01234567890123456789012345678901');
INSERT INTO audit_checkpoint (size, note) VALUES (1, 'a signed note');
