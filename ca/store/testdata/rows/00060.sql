INSERT INTO restoration (backup, taken_at, restored_at, log_size, log_head, released_at, released_by, record)
	VALUES ('backup-1', 17, 18, 1, 'aGVhZA==', 19, 'operator', 0);
