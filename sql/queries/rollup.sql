-- name: lock()$
-- Whether this transaction is the one that rolls up now; one at a time, so that an older look never overwrites a newer.
SELECT pg_try_advisory_xact_lock(hashtext('refunds.rollup'));

-- name: wait_for_lock()$
-- The same, waiting for the other to end.
SELECT pg_advisory_xact_lock(hashtext('refunds.rollup'));

-- name: marks_up_to(limit)$
-- How many marks there are, counted up to a limit.
SELECT count(*)
FROM (SELECT FROM refunds.rollup_marks LIMIT :limit) AS m;

-- name: take_marks(limit)
-- Marks, taken away: what they name is rolled up in the same transaction, by a later look at the rows.
DELETE FROM refunds.rollup_marks
WHERE mark_id IN (
    SELECT mark_id
    FROM refunds.rollup_marks
    ORDER BY mark_id
    LIMIT :limit
)
RETURNING source, day, pro_id;

-- name: forget_days(source, days)!
DELETE FROM refunds.rollup_days
WHERE source = :source AND day = ANY(:days);

-- name: roll_up_days(source, from_day, to_day)!
-- Days summed anew from the rows.
INSERT INTO refunds.rollup_days
SELECT *
FROM refunds.roll_up(:source, :from_day, :to_day);

-- name: forget_pros(months, pro_ids)!
DELETE FROM refunds.rollup_pros p
USING unnest(CAST(:months AS date []), CAST(:pro_ids AS text [])) AS m (month, pro_id)
WHERE p.month = m.month AND p.pro_id = m.pro_id;

-- name: roll_up_pros(months, pro_ids)!
-- Months of some pros summed anew from the rows.
INSERT INTO refunds.rollup_pros
SELECT r.*
FROM unnest(CAST(:months AS date []), CAST(:pro_ids AS text [])) AS m (month, pro_id)
CROSS JOIN LATERAL refunds.roll_up_pro(m.pro_id, m.month, CAST(m.month + interval '1 month' AS date)) AS r;

-- name: forget_all()!
-- Everything, before a rebuild: the sums and the marks, which the rebuild makes good.
WITH marks AS (
    DELETE FROM refunds.rollup_marks
), pros AS (
    DELETE FROM refunds.rollup_pros
), ledger AS (
    DELETE FROM refunds.ledger_days
)

DELETE FROM refunds.rollup_days;

-- name: span()^
-- The first and the last UTC day on which anything is counted; NULL when nothing is.
SELECT
    refunds.utc_day(least(
        (SELECT min(c.charged_at) FROM marketplace.charges c),
        (SELECT min(r.reported_at) FROM refunds.reports r)
    )) AS first,
    refunds.utc_day(greatest(
        (SELECT max(c.charged_at) FROM marketplace.charges c),
        (SELECT max(greatest(r.deadline_at, r.decided_at)) FROM refunds.reports r),
        (SELECT max(d.decided_at) FROM refunds.decisions d),
        (SELECT max(c.submitted_at) FROM refunds.card_refunds c),
        (SELECT max(a.at) FROM refunds.audit a WHERE a.action IN ('undone', 'reopened'))
    )) AS last;

-- name: rebuild_pros(from_day, to_day)!
-- In the order in which months are read.
INSERT INTO refunds.rollup_pros
SELECT *
FROM refunds.roll_up_pros(:from_day, :to_day) AS r
ORDER BY r.month, r.pro_id;

-- name: forget_ledger(days)!
DELETE FROM refunds.ledger_days
WHERE day = ANY(CAST(:days AS date []));

-- name: sum_ledger(from_day, to_day)!
-- A day of the ledger summed anew from its entries.
INSERT INTO refunds.ledger_days
SELECT *
FROM refunds.sum_ledger(
    CAST(:from_day AS date)::timestamp AT TIME ZONE 'UTC', CAST(:to_day AS date)::timestamp AT TIME ZONE 'UTC'
);

-- name: sum_whole_ledger()!
-- Every day of the ledger.
INSERT INTO refunds.ledger_days
SELECT *
FROM refunds.sum_ledger('-infinity', 'infinity');
