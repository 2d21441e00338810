-- Whom messages are to be forgotten about: one that comes to lie dead later is found by this, too. Ids alone.
CREATE TABLE erasures (
    subject     text        PRIMARY KEY,
    noted_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    looked_for  boolean     NOT NULL DEFAULT false  -- among the dead letters, since it was noted
);
CREATE INDEX erasures_by_age ON erasures (noted_at);
CREATE INDEX erasures_to_look_for ON erasures (subject) WHERE NOT looked_for;
