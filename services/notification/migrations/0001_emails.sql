-- Notification's own copies, learnt from messages: the newest revision or version that it has seen.
CREATE TABLE seminars (
    slug           text        PRIMARY KEY,
    revision       integer     NOT NULL,
    moved_revision integer     NOT NULL DEFAULT 0,  -- the last one that changed when or where
    snapshot       jsonb       NOT NULL
);

-- No reference to seminars: what tells of a seminar not yet known waits for it. What a row says its person has been
-- told, or is owed by a row of emails: both are written in one transaction.
CREATE TABLE registrations (
    id              uuid        PRIMARY KEY,
    seminar         text        NOT NULL,
    version         integer     NOT NULL,
    status          text        NOT NULL,
    attendance      text        NOT NULL,
    confirmed_at    timestamptz,
    snapshot        jsonb       NOT NULL,
    unsubscribed    boolean     NOT NULL DEFAULT false,
    suppressed      boolean     NOT NULL DEFAULT false  -- the address refuses e-mail for good
);
CREATE INDEX registrations_of_a_seminar ON registrations (seminar, attendance, status);

-- A rule's moment for one way to attend. A new moment is a new generation, and e-mails of old ones are never claimed.
CREATE TABLE reminder_rules (
    seminar     text        NOT NULL REFERENCES seminars,
    rule        text        NOT NULL,
    attendance  text        NOT NULL,
    generation  integer     NOT NULL DEFAULT 1,
    due_at      timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    state       text        NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'materialised', 'closed')),
    PRIMARY KEY (seminar, rule, attendance)
);
CREATE INDEX rules_to_come ON reminder_rules (due_at) WHERE state = 'scheduled';

-- Everything that is said to anybody, whatever its kind. Addresses and languages are read when it leaves.
CREATE TABLE emails (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    registration   uuid        NOT NULL REFERENCES registrations,
    seminar        text        NOT NULL,
    kind           text        NOT NULL,
    rule           text        NOT NULL DEFAULT '',  -- of a reminder
    generation     integer     NOT NULL,             -- the version, revision, request or rule generation that caused it
    state          text        NOT NULL DEFAULT 'pending',
    reason         text,
    due_at         timestamptz NOT NULL,
    retry_at       timestamptz NOT NULL DEFAULT '-infinity',
    fence          integer     NOT NULL DEFAULT 0,   -- raised by every claim; whoever holds an older one is too late
    lease_until    timestamptz,
    data_begun_at  timestamptz,                      -- from here to the server's reply nobody knows whether it has it
    attempts       integer     NOT NULL DEFAULT 0,
    ambiguous      integer     NOT NULL DEFAULT 0,   -- copies that may have arrived without our knowing
    sent_at        timestamptz,
    smtp_reply     text,
    correlation_id text        NOT NULL DEFAULT '',
    UNIQUE (registration, kind, rule, generation)
) WITH (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 80);
CREATE INDEX emails_to_send ON emails (due_at) WHERE state IN ('pending', 'sending');
CREATE INDEX emails_of_a_seminar ON emails (seminar, due_at, id);
