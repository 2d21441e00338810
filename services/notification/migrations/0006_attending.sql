-- How somebody attends and since when: who waits may attend online meanwhile, who does not attend has no moment.
UPDATE registrations SET
    attendance = CASE WHEN status = 'waitlisted' AND (snapshot->>'online_meanwhile')::boolean THEN 'online' ELSE attendance END,
    confirmed_at = CASE WHEN status = 'confirmed' OR (status = 'waitlisted' AND (snapshot->>'online_meanwhile')::boolean)
                   THEN confirmed_at END;
