-- When it becomes worthless, so that what expires soonest leaves first; an answer to what a person did goes before all.
ALTER TABLE emails ADD COLUMN urgency timestamptz NOT NULL DEFAULT '-infinity';
UPDATE emails e SET urgency = r.expires_at FROM reminder_rules r, registrations g
    WHERE e.state IN ('pending', 'sending') AND g.id = e.registration
    AND r.seminar = e.seminar AND r.rule = e.rule AND r.attendance = g.attendance;

-- A claim looks at the heads of these three, and costs the same however many wait behind.
DROP INDEX emails_to_send;
CREATE INDEX emails_to_send ON emails (urgency, due_at) WHERE state = 'pending' AND retry_at = '-infinity';
CREATE INDEX emails_that_rest ON emails (retry_at) WHERE state = 'pending' AND retry_at > '-infinity';
CREATE INDEX emails_under_way ON emails (lease_until) WHERE state = 'sending';

-- Who sends: a process says now and then that it is there, and how the mail server answers it.
CREATE TABLE senders (
    replica    text        PRIMARY KEY,  -- host:pid, as in emails.claimed_by
    seen_at    timestamptz NOT NULL,     -- by the database's clock
    state      text        NOT NULL CHECK (state IN ('ready', 'resting')),  -- resting: the mail server wants none now
    smtp_reply text                      -- what the mail server answered last
);
