-- How many there are for each way to attend, so that nobody counts a full seminar for every sign-up and every form.
-- Kept by triggers: whatever changes registrations, and from wherever, is counted in the same transaction.
CREATE TABLE standings (
    seminar     text     NOT NULL,
    attendance  text     NOT NULL,
    confirmed   bigint   NOT NULL,
    waitlisted  bigint   NOT NULL,
    meanwhile   bigint   NOT NULL,  -- those of the waitlisted who attend online until there is a seat
    PRIMARY KEY (seminar, attendance)
) WITH (fillfactor = 50);

INSERT INTO standings
    SELECT seminar, attendance, count(*) FILTER (WHERE status = 'confirmed'),
        count(*) FILTER (WHERE status = 'waitlisted'), count(*) FILTER (WHERE status = 'waitlisted' AND online_meanwhile)
    FROM registrations GROUP BY seminar, attendance;

CREATE FUNCTION count_registrations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN  -- what leaves the counts alone locks nobody's
        PERFORM FROM old_rows AS o JOIN new_rows AS n USING (id)
            WHERE (o.status, o.attendance, o.online_meanwhile) <> (n.status, n.attendance, n.online_meanwhile);
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO standings AS s
            SELECT seminar, attendance, count(*) FILTER (WHERE status = 'confirmed'),
                count(*) FILTER (WHERE status = 'waitlisted'),
                count(*) FILTER (WHERE status = 'waitlisted' AND online_meanwhile)
            FROM new_rows GROUP BY seminar, attendance ORDER BY seminar, attendance
            ON CONFLICT (seminar, attendance) DO UPDATE SET confirmed = s.confirmed + excluded.confirmed,
                waitlisted = s.waitlisted + excluded.waitlisted, meanwhile = s.meanwhile + excluded.meanwhile;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO standings AS s
            SELECT seminar, attendance, count(*) FILTER (WHERE status = 'confirmed'),
                count(*) FILTER (WHERE status = 'waitlisted'),
                count(*) FILTER (WHERE status = 'waitlisted' AND online_meanwhile)
            FROM old_rows GROUP BY seminar, attendance ORDER BY seminar, attendance
            ON CONFLICT (seminar, attendance) DO UPDATE SET confirmed = s.confirmed - excluded.confirmed,
                waitlisted = s.waitlisted - excluded.waitlisted, meanwhile = s.meanwhile - excluded.meanwhile;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER count_inserted AFTER INSERT ON registrations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_registrations();
CREATE TRIGGER count_updated AFTER UPDATE ON registrations
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_registrations();
CREATE TRIGGER count_deleted AFTER DELETE ON registrations
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_registrations();
