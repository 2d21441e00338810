-- What the organisers of a seminar say besides in one kind of e-mail, a text a language; none at all is {}.
CREATE TABLE passages (
    seminar  text     NOT NULL,
    kind     text     NOT NULL,
    version  integer  NOT NULL DEFAULT 1,
    texts    jsonb    NOT NULL,
    PRIMARY KEY (seminar, kind)
);

-- An e-mail of kind preview goes to an organiser, as a person of status test, and shows another kind.
ALTER TABLE emails ADD COLUMN shows text;
CREATE INDEX emails_to_organisers ON emails (due_at) WHERE kind = 'preview';
