-- What people tell of themselves: more of it, and what the organisers of one seminar ask.
ALTER TABLE registrations
    ADD COLUMN role                 text,
    ADD COLUMN accessibility_needs  text,
    ADD COLUMN answers              jsonb       NOT NULL DEFAULT '{}',  -- question id -> text, option id or list of option ids
    ADD COLUMN online_meanwhile     boolean     NOT NULL DEFAULT false, -- while waitlisted: attends online until there is a seat
    ADD COLUMN checked_in_at        timestamptz;
