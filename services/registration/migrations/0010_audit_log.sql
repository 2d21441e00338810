-- What organisers did to whom: ids and the names of fields, never what stood in them.
CREATE TABLE audit_log (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at       timestamptz NOT NULL,
    made_by       text        NOT NULL,
    action        text        NOT NULL,
    seminar       text        NOT NULL,
    registration  uuid,                              -- NULL: about nobody alone
    fields        text[]      NOT NULL DEFAULT '{}', -- that were changed
    request_id    text        NOT NULL
);
CREATE INDEX audit_log_of_a_seminar ON audit_log (seminar, id);
