-- name: seen_until()
-- How far each source has been read.
SELECT
    w.source,
    w.seen_until
FROM refunds.watermarks w;

-- name: newest_recorded(payments_since, charges_since)
-- The newest row there is of each source; read before the rows themselves, so that it never runs ahead of them.
SELECT
    'payments' AS source,
    max(p.recorded_at) AS seen_until
FROM marketplace.payments p
WHERE p.recorded_at >= :payments_since
UNION ALL
SELECT
    'charges',
    max(c.recorded_at)
FROM marketplace.charges c
WHERE c.recorded_at >= :charges_since;

-- name: advance(source, seen_until)!
-- A source was read up to a moment; never backwards, whichever worker comes last.
INSERT INTO refunds.watermarks AS w (source, seen_until)
VALUES (:source, :seen_until)
ON CONFLICT (source) DO UPDATE
SET seen_until = excluded.seen_until
WHERE w.seen_until < excluded.seen_until;

-- name: new_rows(payments_since, charges_since, limit)
-- What the marketplace recorded since and the ledger does not have, in posting order: time, payment before charge, id.
SELECT
    'payment' AS kind,
    p.payment_id AS source_id,
    p.pro_id,
    p.currency,
    p.amount,
    p.paid_at AS occurred_at,
    CAST(NULL AS text) AS payment_id,
    0 AS rank
FROM marketplace.payments p
WHERE
    p.recorded_at >= :payments_since
    AND NOT EXISTS (
        SELECT FROM refunds.ledger_transactions t
        WHERE t.kind = 'payment' AND t.source_id = p.payment_id
    )
    AND NOT EXISTS (
        SELECT FROM refunds.unposted u
        WHERE u.kind = 'payment' AND u.source_id = p.payment_id
    )
UNION ALL
SELECT
    'charge',
    c.charge_id,
    c.pro_id,
    c.currency,
    c.amount,
    c.charged_at,
    c.payment_id,
    1
FROM marketplace.charges c
WHERE
    c.recorded_at >= :charges_since
    AND NOT EXISTS (
        SELECT FROM refunds.ledger_transactions t
        WHERE t.kind = 'charge' AND t.source_id = c.charge_id
    )
    AND NOT EXISTS (
        SELECT FROM refunds.unposted u
        WHERE u.kind = 'charge' AND u.source_id = c.charge_id
    )
ORDER BY occurred_at, rank, source_id
LIMIT :limit;

-- name: unposted_due(tried_before, limit)
-- Rows that could not be posted and were not tried lately, those that rested longest first; pro_id is NULL when
-- the marketplace no longer has the row.
SELECT
    u.kind,
    u.source_id,
    coalesce(p.pro_id, c.pro_id) AS pro_id,
    coalesce(p.currency, c.currency) AS currency,
    coalesce(p.amount, c.amount) AS amount,
    coalesce(p.paid_at, c.charged_at) AS occurred_at,
    c.payment_id,
    CASE u.kind WHEN 'payment' THEN 0 ELSE 1 END AS rank
FROM refunds.unposted u
LEFT JOIN marketplace.payments p ON u.kind = 'payment' AND p.payment_id = u.source_id
LEFT JOIN marketplace.charges c ON u.kind = 'charge' AND c.charge_id = u.source_id
WHERE u.last_tried_at <= :tried_before
ORDER BY u.last_tried_at, u.kind, u.source_id
LIMIT :limit;

-- name: unposted_charges_of(pro_id, currency, limit)
-- A pro's charges that wait for cover: tried again as soon as a payment of the pro comes in.
SELECT
    u.kind,
    u.source_id,
    c.pro_id,
    c.currency,
    c.amount,
    c.charged_at AS occurred_at,
    c.payment_id,
    1 AS rank
FROM refunds.unposted u
JOIN marketplace.charges c ON c.charge_id = u.source_id
WHERE u.kind = 'charge' AND c.pro_id = :pro_id AND c.currency = :currency
ORDER BY c.charged_at, c.charge_id
LIMIT :limit;

-- name: posted(kind, source_ids)
-- Which of some payments or charges the ledger has; asked under the lock on the pro's balance, so it stays true.
SELECT t.source_id
FROM refunds.ledger_transactions t
WHERE t.kind = :kind AND t.source_id = ANY(CAST(:source_ids AS text []));

-- name: set_aside(kind, source_id, why, now)!
-- A row that cannot be posted now: kept with the reason, and when it was tried last.
INSERT INTO refunds.unposted (kind, source_id, why, first_seen_at, last_tried_at)
VALUES (:kind, :source_id, :why, :now, :now)
ON CONFLICT (kind, source_id) DO UPDATE
SET why = excluded.why, last_tried_at = excluded.last_tried_at;

-- name: settle(kind, source_ids)!
-- Rows that are in the ledger are no longer set aside.
DELETE FROM refunds.unposted
WHERE kind = :kind AND source_id = ANY(CAST(:source_ids AS text []));

-- name: unposted(limit)
-- What could not be posted, longest first.
SELECT
    u.kind,
    u.source_id,
    u.why,
    u.first_seen_at,
    u.last_tried_at
FROM refunds.unposted u
ORDER BY u.first_seen_at, u.kind, u.source_id
LIMIT :limit;

-- name: answered(limit)
-- Claims that wait on a pro who has written since they were asked, with the first message that ends the pause.
SELECT
    r.report_id,
    m.message_id,
    m.sent_at
FROM refunds.reports r
CROSS JOIN LATERAL (
    SELECT
        n.message_id,
        n.sent_at
    FROM marketplace.messages n
    WHERE
        n.lead_id = r.lead_id
        AND n.pro_id = r.pro_id
        AND n.sender = 'pro'
        AND n.sent_at > r.paused_at
    ORDER BY n.sent_at, n.position
    LIMIT 1
) AS m
WHERE r.state = 'waiting_on_pro'
ORDER BY r.deadline_at, r.report_id
LIMIT :limit;

-- name: expire_leases(now, limit)
-- Claims whose lease ran out go back to the queue; a claim somebody is changing right now is left to them.
WITH expired AS (
    SELECT
        r.report_id,
        r.holder
    FROM refunds.reports r
    WHERE
        r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval')
        AND r.lease_until <= :now
    ORDER BY r.deadline_at, r.report_id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)

UPDATE refunds.reports r
SET holder = NULL, lease_until = NULL
FROM expired
WHERE r.report_id = expired.report_id
RETURNING r.report_id, expired.holder AS old_holder;

-- name: beat(process, at)!
-- The worker's sign of life.
INSERT INTO refunds.heartbeats (process, at)
VALUES (:process, :at)
ON CONFLICT (process) DO UPDATE
SET at = excluded.at;
