-- Which process holds a claimed e-mail, as host:pid: for whoever wonders where one is, and after a crash whose it was.
ALTER TABLE emails ADD COLUMN claimed_by text;
