-- Since when a message waits for the bus, for whoever watches over that; by the database's clock, as all waiting is.
ALTER TABLE outbox ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT clock_timestamp();
