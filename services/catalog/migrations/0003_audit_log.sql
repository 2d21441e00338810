-- What organisers did, and who tried to be one: no tokens, no addresses.
CREATE TABLE audit_log (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at     timestamptz NOT NULL,
    made_by     text,       -- NULL: nobody knows, as with a wrong token
    action      text        NOT NULL,
    slug        text,
    revision    integer,
    request_id  text        NOT NULL
);
