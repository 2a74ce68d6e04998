INSERT INTO work_wanted (kind, name, wanted) VALUES ('list', 'issuing-oca-1', 2);
