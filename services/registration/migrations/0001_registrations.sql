-- Registration's own copy of each seminar, learnt from messages. Its row is locked before seats are counted.
CREATE TABLE seminars (
    slug       text        PRIMARY KEY,
    revision   integer     NOT NULL,
    snapshot   jsonb       NOT NULL
);

CREATE TABLE registrations (
    id             uuid        PRIMARY KEY,
    place          bigint      GENERATED ALWAYS AS IDENTITY,  -- first come, first served
    seminar        text        NOT NULL REFERENCES seminars,
    version        integer     NOT NULL DEFAULT 1,
    status         text        NOT NULL CHECK (status IN ('confirmed', 'waitlisted', 'cancelled')),
    attendance     text        NOT NULL CHECK (attendance IN ('in_person', 'online')),
    name           text        NOT NULL,
    email          text        NOT NULL,
    email_key      text        NOT NULL,  -- compared without case and outer spaces
    organisation   text,
    municipality   text,
    dietary_needs  text,
    headcount      integer     NOT NULL DEFAULT 1,
    language       text        NOT NULL,
    registered_at  timestamptz NOT NULL,
    queued_at      bigint,                -- the place taken in the waiting list, while waitlisted
    confirmed_at   timestamptz,
    cancelled_at   timestamptz,
    link_version   integer     NOT NULL DEFAULT 1,
    link_requests  integer     NOT NULL DEFAULT 0,
    links_sent_on  date,
    links_sent     integer     NOT NULL DEFAULT 0,  -- on that day
    CHECK ((status = 'waitlisted') = (queued_at IS NOT NULL)),
    CHECK ((status = 'confirmed') <= (confirmed_at IS NOT NULL))
);
CREATE UNIQUE INDEX one_standing_registration ON registrations (seminar, email_key) WHERE status <> 'cancelled';
CREATE INDEX seats ON registrations (seminar, attendance, status);
CREATE INDEX waiting_list ON registrations (seminar, queued_at) WHERE status = 'waitlisted';
CREATE INDEX registrations_in_order ON registrations (seminar, place);
CREATE SEQUENCE queue_places;

-- Answers to requests that carried an Idempotency-Key, stored in the sign-up's own transaction.
CREATE TABLE idempotency_keys (
    key        text        PRIMARY KEY,
    body_hash  bytea       NOT NULL,
    status     integer     NOT NULL,
    answer     jsonb       NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (stored_at);
