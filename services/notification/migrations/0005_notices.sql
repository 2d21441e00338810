-- A notice waits for further changes; what people have been told is compared with what they then would be.
ALTER TABLE seminars RENAME COLUMN moved_revision TO noticed;  -- the generation of the last notice
ALTER TABLE seminars
    ADD COLUMN notice        text,                           -- its kind
    ADD COLUMN notice_due_at timestamptz,
    ADD COLUMN told          jsonb,                          -- the seminar as people knew it before that notice
    ADD COLUMN counted       boolean NOT NULL DEFAULT false; -- whether those who came were checked in
UPDATE seminars SET notice = 'seminar_moved', notice_due_at = '1970-01-01Z' WHERE noticed > 0;
