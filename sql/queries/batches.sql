-- name: on_the_way(stage, by_age, limit)
-- Payouts that still need somebody: to_send, second (in a batch that waits for another person), under_way. By the time
-- left of the right to ask, or by age.
SELECT
    p.payout_id,
    p.card_refund_id,
    p.payment_id,
    p.amount,
    p.currency,
    p.state,
    p.processor_ref,
    p.batch_id,
    c.report_id,
    c.pro_id,
    coalesce(m.name, c.pro_id) AS pro_name,
    c.requested_at,
    coalesce(who.name, c.requested_by) AS requested_by_name,
    c.submitted_at,
    l.card_until,
    pay.processor_ref AS payment_ref
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
JOIN refunds.lots l USING (lot_id)
LEFT JOIN refunds.batches b ON b.batch_id = p.batch_id
LEFT JOIN marketplace.pros m ON m.pro_id = c.pro_id
LEFT JOIN marketplace.payments pay ON pay.payment_id = p.payment_id
LEFT JOIN refunds.people who ON who.person_id = c.requested_by
WHERE
    p.state IN ('requested', 'submitted', 'unknown', 'pending')
    AND :stage = CASE
        WHEN p.state <> 'requested' OR b.state = 'released' THEN 'under_way'
        WHEN b.state = 'waiting' THEN 'second'
        ELSE 'to_send'
    END
ORDER BY CASE WHEN :by_age THEN c.requested_at ELSE l.card_until END, c.requested_at, p.payout_id
LIMIT :limit;

-- name: settled(stage, before, before_id, limit)
-- Payouts that need nobody any more, the newest first: returned (failed or reversed), or done (arrived).
SELECT
    p.payout_id,
    p.card_refund_id,
    p.payment_id,
    p.amount,
    p.currency,
    p.state,
    p.processor_ref,
    p.batch_id,
    p.failure_reason,
    x.at,
    c.report_id,
    c.pro_id,
    coalesce(m.name, c.pro_id) AS pro_name,
    c.requested_at,
    c.submitted_at,
    l.card_until,
    l.remaining
FROM (
    (
        SELECT r.payout_id, coalesce(r.reversed_at, r.settled_at) AS at
        FROM refunds.payouts r
        WHERE
            :stage = 'returned'
            AND r.state IN ('failed', 'reversed')
            AND (coalesce(r.reversed_at, r.settled_at), r.payout_id) < (CAST(:before AS timestamptz), CAST(:before_id AS text))
        ORDER BY coalesce(r.reversed_at, r.settled_at) DESC, r.payout_id DESC
        LIMIT :limit
    )
    UNION ALL
    (
        SELECT d.payout_id, d.settled_at
        FROM refunds.payouts d
        WHERE
            :stage = 'done'
            AND d.state = 'succeeded'
            AND (d.settled_at, d.payout_id) < (CAST(:before AS timestamptz), CAST(:before_id AS text))
        ORDER BY d.settled_at DESC, d.payout_id DESC
        LIMIT :limit
    )
) AS x
JOIN refunds.payouts p USING (payout_id)
JOIN refunds.card_refunds c USING (card_refund_id)
JOIN refunds.lots l USING (lot_id)
LEFT JOIN marketplace.pros m ON m.pro_id = c.pro_id
ORDER BY x.at DESC, p.payout_id DESC;

-- name: stages(returned_since)
-- How many payouts there are at each stage, and how much, by currency; those that came back only since a moment.
SELECT
    x.stage,
    x.currency,
    count(*) AS payouts,
    sum(x.amount)::bigint AS amount
FROM (
    SELECT
        CASE
            WHEN p.state <> 'requested' OR b.state = 'released' THEN 'under_way'
            WHEN b.state = 'waiting' THEN 'second'
            ELSE 'to_send'
        END AS stage,
        p.currency,
        p.amount
    FROM refunds.payouts p
    LEFT JOIN refunds.batches b ON b.batch_id = p.batch_id
    WHERE p.state IN ('requested', 'submitted', 'unknown', 'pending')
    UNION ALL
    SELECT
        'returned',
        p.currency,
        p.amount
    FROM refunds.payouts p
    WHERE p.state IN ('failed', 'reversed') AND coalesce(p.reversed_at, p.settled_at) >= :returned_since
) AS x
GROUP BY x.stage, x.currency
ORDER BY x.stage, x.currency;

-- name: lock_payouts(payout_ids)
-- Payouts that are to go into a batch, in one order for everybody.
SELECT
    payout_id,
    amount,
    currency,
    state,
    batch_id
FROM refunds.payouts
WHERE payout_id = ANY(CAST(:payout_ids AS text []))
ORDER BY payout_id
FOR UPDATE;

-- name: next_id()$
SELECT 'B-' || nextval('refunds.batch_numbers');

-- name: lock_key(idempotency_key)$
-- A second press of the button waits for the first.
SELECT pg_advisory_xact_lock(hashtextextended(:idempotency_key, 4));

-- name: by_key(idempotency_key)^
-- The batch an idempotency key has made already.
SELECT
    batch_id,
    state
FROM refunds.batches
WHERE idempotency_key = :idempotency_key;

-- name: write(batch_id, made_by, made_at, needs_second, state, settled_by, settled_at, idempotency_key)!
INSERT INTO refunds.batches (
    batch_id, made_by, made_at, needs_second, state, settled_by, settled_at, idempotency_key)
VALUES (:batch_id, :made_by, :made_at, :needs_second, :state, :settled_by, :settled_at, :idempotency_key);

-- name: put_in(batch_id, payout_ids)!
-- Puts payouts into a batch.
WITH held AS (
    INSERT INTO refunds.batch_payouts (batch_id, payout_id)
    SELECT :batch_id, unnest(CAST(:payout_ids AS text []))
)

UPDATE refunds.payouts
SET batch_id = :batch_id
WHERE payout_id = ANY(CAST(:payout_ids AS text []));

-- name: take_out(batch_id)!
-- The payouts of a batch that was sent back are in none.
UPDATE refunds.payouts
SET batch_id = NULL
WHERE batch_id = :batch_id;

-- name: lock(batch_id)^
SELECT
    b.batch_id,
    b.made_by,
    b.state,
    b.needs_second
FROM refunds.batches b
WHERE b.batch_id = :batch_id
FOR UPDATE;

-- name: settle(batch_id, state, settled_by, settled_at, reason)!
-- Released, or sent back.
UPDATE refunds.batches
SET state = :state, settled_by = :settled_by, settled_at = :settled_at, reason = :reason
WHERE batch_id = :batch_id;

-- name: listing(limit)
-- The newest batches, those that wait for a second person first whatever their age, with what became of their payouts.
SELECT
    b.batch_id,
    b.state,
    b.needs_second,
    b.reason,
    b.made_by,
    coalesce(maker.name, b.made_by) AS made_by_name,
    b.made_at,
    coalesce(second.name, b.settled_by) AS settled_by_name,
    b.settled_at,
    sums.currency,
    sums.payouts,
    sums.amount,
    sums.waiting,
    sums.arrived,
    sums.returned
FROM (
    SELECT *
    FROM refunds.batches
    ORDER BY state = 'waiting' DESC, made_at DESC, batch_id DESC
    LIMIT :limit
) AS b
CROSS JOIN LATERAL (
    SELECT
        p.currency,
        count(*) AS payouts,
        sum(p.amount)::bigint AS amount,
        count(*) FILTER (WHERE p.state IN ('requested', 'submitted', 'unknown')) AS waiting,
        count(*) FILTER (WHERE p.state IN ('succeeded', 'pending')) AS arrived,
        count(*) FILTER (WHERE p.state IN ('failed', 'reversed', 'declined')) AS returned
    FROM refunds.batch_payouts h
    JOIN refunds.payouts p USING (payout_id)
    WHERE h.batch_id = b.batch_id
    GROUP BY p.currency
) AS sums
LEFT JOIN refunds.people maker ON maker.person_id = b.made_by
LEFT JOIN refunds.people second ON second.person_id = b.settled_by
ORDER BY b.state = 'waiting' DESC, b.made_at DESC, b.batch_id DESC, sums.currency;

-- name: payouts_of(batch_id)
-- What a batch held, and where each payout is now.
SELECT
    p.payout_id,
    p.card_refund_id,
    c.report_id,
    coalesce(m.name, c.pro_id) AS pro_name,
    p.amount,
    p.currency,
    p.state,
    p.processor_ref,
    p.failure_reason
FROM refunds.batch_payouts h
JOIN refunds.payouts p USING (payout_id)
JOIN refunds.card_refunds c USING (card_refund_id)
LEFT JOIN marketplace.pros m ON m.pro_id = c.pro_id
WHERE h.batch_id = :batch_id
ORDER BY p.payout_id;

-- name: due(limit)
-- Payouts of released batches that were not sent yet, the oldest batch first.
SELECT p.payout_id
FROM refunds.payouts p
JOIN refunds.batches b ON b.batch_id = p.batch_id
WHERE p.state = 'requested' AND b.state = 'released'
ORDER BY b.settled_at, p.payout_id
LIMIT :limit;
