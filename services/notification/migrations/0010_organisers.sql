-- What organisers did to e-mails: ids and deeds, no names of people and no addresses.
CREATE TABLE audit_log (
    id            bigint       PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    made_at       timestamptz  NOT NULL,
    made_by       text         NOT NULL,  -- the organiser's name
    action        text         NOT NULL,
    seminar       text         NOT NULL,
    registration  uuid,                   -- whom it concerns, if it is one person
    about         text         NOT NULL DEFAULT '',  -- an e-mail's id, a domain, a kind of e-mail
    request_id    text         NOT NULL
);
CREATE INDEX audit_log_of_a_seminar ON audit_log (seminar, id);
