-- name: person(person_id)^
-- One person who works here.
SELECT
    person_id,
    name,
    roles,
    active,
    time_zone
FROM refunds.people
WHERE person_id = :person_id;

-- name: people()
-- Everybody, active first.
SELECT
    person_id,
    name,
    email,
    roles,
    active,
    time_zone,
    created_at
FROM refunds.people
ORDER BY active DESC, person_id;

-- name: save_person(person_id, name, roles, active, time_zone)!
-- Adds a person or changes one.
INSERT INTO refunds.people (person_id, name, roles, active, time_zone)
VALUES (:person_id, :name, CAST(:roles AS text []), :active, :time_zone)
ON CONFLICT (person_id) DO UPDATE
SET name = excluded.name, roles = excluded.roles, active = excluded.active, time_zone = excluded.time_zone;

-- name: write_audit(at, actor, roles, action, report_id, subject, reason, old, new)!
-- One audit row: who did what to which, when, why, and what it changed.
INSERT INTO refunds.audit (at, actor, roles, action, report_id, subject, reason, old, new)
VALUES (
    :at, :actor, CAST(:roles AS text []), :action, :report_id, :subject, :reason,
    CAST(:old AS jsonb), CAST(:new AS jsonb)
);
