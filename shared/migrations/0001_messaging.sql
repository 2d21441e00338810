-- Messages that a committed change owes to the bus. A row goes when the bus has confirmed it.
-- A state, not a cursor: rows that commit late are found all the same.
CREATE TABLE outbox (
    position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  uuid        NOT NULL UNIQUE,
    type        text        NOT NULL,
    body        text        NOT NULL,
    attempts    integer     NOT NULL DEFAULT 0,
    retry_at    timestamptz NOT NULL DEFAULT '-infinity'
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- Which messages have had their effect, by consumer; inserted in the effect's own transaction.
CREATE TABLE inbox (
    queue       text        NOT NULL,
    message_id  uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (queue, message_id)
);

-- The local bus's attempts, delays and dead letters, by message and subscriber. Empty under RabbitMQ.
CREATE TABLE local_deliveries (
    queue       text        NOT NULL,
    message_id  uuid        NOT NULL,
    type        text        NOT NULL,
    body        text        NOT NULL,
    attempts    integer     NOT NULL,
    retry_at    timestamptz NOT NULL,
    dead        boolean     NOT NULL DEFAULT false,
    error       text        NOT NULL,
    PRIMARY KEY (queue, message_id)
);
