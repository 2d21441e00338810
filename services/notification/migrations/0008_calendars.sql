-- How far this address's calendar entry had come before it signed up anew: SEQUENCE goes on from there, as calendars
-- pass over what is not newer (RFC 5545, 3.8.7.4; RFC 5546, 2.1.5).
ALTER TABLE registrations ADD COLUMN earlier integer NOT NULL DEFAULT 0;
CREATE INDEX registrations_by_address ON registrations (seminar, lower(snapshot->>'email'));
