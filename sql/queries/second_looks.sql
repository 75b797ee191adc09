-- name: add_sample(seed, from_day, to_day, size, drawn_by, drawn_at)$
INSERT INTO refunds.samples (seed, from_day, to_day, size, drawn_by, drawn_at)
VALUES (:seed, :from_day, :to_day, :size, :drawn_by, :drawn_at)
RETURNING sample_id;

-- name: draw(sample_id)!
-- The sample's decisions: those of its days in an order that the seed alone gives, imported ones left out only where
-- nothing was frozen with them.
INSERT INTO refunds.sampled_decisions (sample_id, decision_id)
SELECT s.sample_id, d.decision_id
FROM refunds.samples s
CROSS JOIN LATERAL (
    SELECT d.decision_id
    FROM refunds.decisions d
    WHERE
        d.decided_at >= CAST(s.from_day AS timestamp) AT TIME ZONE 'UTC'
        AND d.decided_at < CAST(s.to_day AS timestamp) AT TIME ZONE 'UTC'
    ORDER BY sha256(convert_to(s.seed || d.decision_id, 'UTF8'))
    LIMIT s.size
) AS d
WHERE s.sample_id = :sample_id;

-- name: next(actor)^
-- The next sampled decision this person may look at: nobody has yet, and they neither decided nor released it.
SELECT
    d.decision_id,
    d.report_id,
    d.round,
    r.reason,
    r.amount,
    r.currency,
    r.category,
    d.checks,
    s.facts
FROM refunds.sampled_decisions x
JOIN refunds.decisions d USING (decision_id)
JOIN refunds.reports r USING (report_id)
JOIN refunds.snapshots s ON s.report_id = d.report_id AND s.sha256 = d.snapshot_sha256
WHERE
    d.decided_by <> :actor
    AND d.second_by IS DISTINCT FROM :actor
    AND NOT EXISTS (SELECT FROM refunds.second_looks l WHERE l.decision_id = d.decision_id)
ORDER BY x.sample_id, d.decision_id
LIMIT 1;

-- name: one(decision_id)^
-- A decision in a sample, locked against a second look at the same moment.
SELECT d.decision_id, d.report_id, d.decided_by, d.second_by, l.looked_by
FROM refunds.decisions d
LEFT JOIN refunds.second_looks l USING (decision_id)
WHERE
    d.decision_id = :decision_id
    AND EXISTS (SELECT FROM refunds.sampled_decisions x WHERE x.decision_id = d.decision_id);

-- name: add_look(decision_id, looked_by, looked_at, decision, note)!
INSERT INTO refunds.second_looks (decision_id, looked_by, looked_at, decision, note)
VALUES (:decision_id, :looked_by, :looked_at, :decision, :note)
ON CONFLICT (decision_id) DO NOTHING;

-- name: compared(from_day, to_day)
-- First and second decisions of the days, counted.
SELECT d.decision AS first, l.decision AS second, count(*) AS n
FROM refunds.second_looks l
JOIN refunds.decisions d USING (decision_id)
WHERE
    d.decided_at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
    AND d.decided_at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC'
GROUP BY d.decision, l.decision
ORDER BY d.decision, l.decision;

-- name: differing(from_day, to_day, limit)
-- Where the second look differs, newest first.
SELECT d.report_id, d.decided_at, d.decision AS first, l.decision AS second, l.note, d.decided_by, l.looked_by
FROM refunds.second_looks l
JOIN refunds.decisions d USING (decision_id)
WHERE
    l.decision <> d.decision
    AND d.decided_at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
    AND d.decided_at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC'
ORDER BY d.decided_at DESC, d.decision_id
LIMIT :limit;

-- name: waiting(actor)^
-- How many sampled decisions wait for a second look, and how many of them this person may take.
SELECT
    count(DISTINCT d.decision_id) AS all,
    count(DISTINCT d.decision_id) FILTER (
        WHERE d.decided_by <> :actor AND d.second_by IS DISTINCT FROM :actor
    ) AS yours
FROM refunds.sampled_decisions x
JOIN refunds.decisions d USING (decision_id)
WHERE NOT EXISTS (SELECT FROM refunds.second_looks l WHERE l.decision_id = d.decision_id);

-- name: discretionary(from_day, to_day, limit)
-- Refunds that no clause names (D1) or that are a part, with the reason somebody wrote, newest first.
SELECT d.report_id, d.decided_at, d.decided_by, r.reason, r.amount, d.refund_amount, d.currency, d.note
FROM refunds.decisions d
JOIN refunds.reports r USING (report_id)
WHERE
    d.decision = 'approve'
    AND (r.reason = 'other' OR d.refund_amount < r.amount)
    AND d.decided_at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
    AND d.decided_at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC'
ORDER BY d.decided_at DESC, d.decision_id
LIMIT :limit;
