-- What the list is searched, filtered, ordered and counted by stands beside the document, written in the same statement:
-- documents are read to be shown, never to be looked through.
CREATE EXTENSION IF NOT EXISTS pg_trgm;  -- trusted, so that the owner of the database may

ALTER TABLE seminars
    ADD COLUMN ends_at     timestamptz,
    ADD COLUMN words       text NOT NULL DEFAULT '',  -- of title, summary, programme and speakers, in small letters
    ADD COLUMN organisers  text NOT NULL DEFAULT '',  -- and partners, in every language, in small letters
    ADD COLUMN audience    text NOT NULL DEFAULT '';

CREATE FUNCTION pg_temp.small_texts(document jsonb, path jsonpath) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(lower(translate(string_agg(DISTINCT part #>> '{}', E'\n'), 'ÆØÅÄÖÜÉ', 'æøåäöüé')), '')
    FROM jsonb_path_query(document, path) AS part WHERE jsonb_typeof(part) = 'string'
$$;
UPDATE seminars SET
    ends_at = (document ->> 'end')::timestamp AT TIME ZONE (document ->> 'zone'),
    words = pg_temp.small_texts(document, '$.keyvalue() ? (@.key == "title" || @.key == "summary" || @.key == "programme").value.**'),
    organisers = pg_temp.small_texts(document, '$.keyvalue() ? (@.key == "organisers" || @.key == "partners").value.**'),
    audience = pg_temp.small_texts(document, '$.audience.**');
ALTER TABLE seminars ALTER COLUMN ends_at SET NOT NULL;

DROP INDEX seminars_by_start;
CREATE INDEX seminars_by_start ON seminars (starts_at, slug) INCLUDE (ends_at, cancelled) WHERE announced;
CREATE INDEX seminars_by_end ON seminars (ends_at) WHERE announced;
CREATE INDEX seminars_by_time ON seminars USING gist (tstzrange(starts_at, ends_at)) WHERE announced;
CREATE INDEX seminars_cancelled ON seminars (starts_at, slug) INCLUDE (ends_at) WHERE announced AND cancelled;
CREATE INDEX seminars_by_words ON seminars
    USING gin (words gin_trgm_ops, organisers gin_trgm_ops, audience gin_trgm_ops) WHERE announced;

-- One row that is written anew with every change of a seminar, so that a list that was kept can be known to be stale.
CREATE TABLE last_change (
    one        boolean     PRIMARY KEY DEFAULT true CHECK (one)
);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO last_change DEFAULT VALUES ON CONFLICT (one) DO UPDATE SET one = true;
    RETURN NULL;
END $$;
CREATE TRIGGER seminars_change AFTER INSERT OR UPDATE OR DELETE ON seminars
    FOR EACH STATEMENT EXECUTE FUNCTION note_change();

-- Who may watch a stream that is for those who signed up: learnt from messages, ids only.
CREATE TABLE watchers (
    registration  uuid     PRIMARY KEY,
    seminar       text     NOT NULL,
    version       integer  NOT NULL,  -- of the registration
    link_version  integer  NOT NULL,
    may_watch     boolean  NOT NULL
);
