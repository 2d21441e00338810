CREATE TABLE seminars (
    slug       text        PRIMARY KEY,
    revision   integer     NOT NULL,
    cancelled  boolean     NOT NULL DEFAULT false,
    announced  boolean     NOT NULL,  -- whether others have been told of it: a draft is not
    document   jsonb       NOT NULL,
    starts_at  timestamptz NOT NULL
);
CREATE INDEX seminars_by_start ON seminars (starts_at, slug);

-- Every revision there has been, with who made it and when.
CREATE TABLE revisions (
    slug       text        NOT NULL REFERENCES seminars,
    revision   integer     NOT NULL,
    cancelled  boolean     NOT NULL,
    document   jsonb       NOT NULL,
    made_by    text        NOT NULL,
    made_at    timestamptz NOT NULL,
    PRIMARY KEY (slug, revision)
);
