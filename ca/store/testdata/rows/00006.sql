INSERT INTO write_probe (id, at) VALUES (1, 8);
