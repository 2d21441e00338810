-- When a waiting list closes; afterwards nobody is promoted, and who waits has been told.
CREATE TABLE cut_offs (
    seminar     text        NOT NULL REFERENCES seminars,
    attendance  text        NOT NULL,
    at          timestamptz NOT NULL,
    closed      boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (seminar, attendance)
);
CREATE INDEX cut_offs_to_come ON cut_offs (at) WHERE NOT closed;
-- Seminars that are known already close theirs when catalog tells of them next; the end closes them all.
INSERT INTO cut_offs (seminar, attendance, at)
    SELECT slug, mode.key, coalesce(mode.value->>'promote_until', mode.value->>'deadline', snapshot->>'end')::timestamptz
    FROM seminars, jsonb_each(snapshot->'attendance') AS mode;
