-- name: accounts(pro_id)
-- What a pro has, by currency.
SELECT
    b.currency,
    b.balance,
    b.held
FROM refunds.balances b
WHERE b.pro_id = :pro_id
ORDER BY b.currency;

-- name: pro(pro_id)^
SELECT
    pro_id,
    name,
    joined_at
FROM marketplace.pros
WHERE pro_id = :pro_id;

-- name: find_pros(like, exact, limit)
-- Pros by a part of the name, or by their id.
(
    SELECT pro_id, name
    FROM marketplace.pros
    WHERE pro_id = :exact
)
UNION
(
    SELECT pro_id, name
    FROM marketplace.pros
    WHERE name ILIKE :like
    ORDER BY name
    LIMIT :limit
)
ORDER BY name, pro_id;

-- name: opening(pro_id, currency, since)^
-- Balance and held before a moment.
SELECT
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'pro_balance'), 0)::bigint AS balance,
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'pro_held'), 0)::bigint AS held
FROM refunds.ledger_transactions t
JOIN refunds.ledger_entries e USING (transaction_id)
WHERE
    t.pro_id = :pro_id
    AND t.currency = :currency
    AND t.occurred_at < :since
    AND e.pro_id = :pro_id;

-- name: lines(pro_id, currency, since, until, limit)
-- A pro's postings of a stretch of time in the order they were posted, with what each did to balance and held.
SELECT
    t.transaction_id,
    t.pro_seq,
    t.kind,
    t.source_id,
    t.occurred_at,
    t.note,
    refunds.report_of(t.kind, t.source_id) AS report_id,
    c.lead_id,
    x.balance,
    x.held
FROM refunds.ledger_transactions t
CROSS JOIN LATERAL (
    SELECT
        coalesce(-sum(e.amount) FILTER (WHERE e.account = 'pro_balance'), 0)::bigint AS balance,
        coalesce(-sum(e.amount) FILTER (WHERE e.account = 'pro_held'), 0)::bigint AS held
    FROM refunds.ledger_entries e
    WHERE e.transaction_id = t.transaction_id
) AS x
LEFT JOIN marketplace.charges c ON t.kind = 'charge' AND c.charge_id = t.source_id
WHERE
    t.pro_id = :pro_id
    AND t.currency = :currency
    AND t.occurred_at >= :since
    AND t.occurred_at < :until
ORDER BY t.pro_seq
LIMIT :limit;

-- name: credits(pro_id, currency, limit)
-- The lots of a pro: unspent ones first, then the newest; refund credits with their report.
SELECT
    l.lot_id,
    l.kind,
    l.source_id,
    l.opened_at,
    l.amount,
    l.remaining,
    l.payment_ids,
    l.card_until,
    CASE WHEN l.kind = 'refund' THEN refunds.report_of('refund', l.source_id) END AS report_id
FROM refunds.lots l
WHERE l.pro_id = :pro_id AND l.currency = :currency
ORDER BY l.remaining = 0, l.opened_at DESC, l.lot_id
LIMIT :limit;

-- name: uses_of(lot_id, limit)
-- What took from a lot and what came back to it, in the order of posting.
SELECT
    t.transaction_id,
    t.kind,
    t.source_id,
    t.occurred_at,
    m.amount,
    c.lead_id
FROM refunds.lot_movements m
JOIN refunds.ledger_transactions t USING (transaction_id)
LEFT JOIN marketplace.charges c ON t.kind = 'charge' AND c.charge_id = t.source_id
WHERE m.lot_id = :lot_id
ORDER BY t.pro_seq
LIMIT :limit;
