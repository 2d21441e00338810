-- When what people told of themselves was forgotten; how many came, from which organisations, stays.
ALTER TABLE registrations ADD COLUMN erased_at timestamptz;
CREATE INDEX registrations_to_erase ON registrations (seminar) WHERE erased_at IS NULL;
