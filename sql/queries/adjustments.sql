-- name: next_id()$
SELECT 'ADJ-' || nextval('refunds.adjustment_numbers');

-- name: by_key(idempotency_key)$
-- The adjustment an idempotency key has proposed already.
SELECT adjustment_id
FROM refunds.adjustments
WHERE idempotency_key = :idempotency_key;

-- name: pro_exists(pro_id)$
SELECT EXISTS (SELECT FROM marketplace.pros WHERE pro_id = :pro_id);

-- name: write(adjustment_id, debit, credit, pro_id, amount, currency, reason, proposed_by, proposed_at, idempotency_key)!
INSERT INTO refunds.adjustments (
    adjustment_id, debit, credit, pro_id, amount, currency, reason, proposed_by, proposed_at, idempotency_key)
VALUES (
    :adjustment_id, :debit, :credit, :pro_id, :amount, :currency, :reason, :proposed_by, :proposed_at,
    :idempotency_key);

-- name: lock(adjustment_id)^
SELECT
    adjustment_id,
    debit,
    credit,
    pro_id,
    amount,
    currency,
    reason,
    proposed_by,
    state
FROM refunds.adjustments
WHERE adjustment_id = :adjustment_id
FOR UPDATE;

-- name: settle(adjustment_id, state, settled_by, settled_at, settled_why)!
-- Posted, or refused.
UPDATE refunds.adjustments
SET state = :state, settled_by = :settled_by, settled_at = :settled_at, settled_why = :settled_why
WHERE adjustment_id = :adjustment_id;

-- name: listing(state, limit)
-- Adjustments, those that wait first, then the newest; of one state, or all (NULL).
SELECT
    a.adjustment_id,
    a.debit,
    a.credit,
    a.pro_id,
    m.name AS pro_name,
    a.amount,
    a.currency,
    a.reason,
    a.proposed_by,
    coalesce(p.name, a.proposed_by) AS proposed_by_name,
    a.proposed_at,
    a.state,
    coalesce(s.name, a.settled_by) AS settled_by_name,
    a.settled_at,
    a.settled_why
FROM refunds.adjustments a
LEFT JOIN marketplace.pros m ON m.pro_id = a.pro_id
LEFT JOIN refunds.people p ON p.person_id = a.proposed_by
LEFT JOIN refunds.people s ON s.person_id = a.settled_by
WHERE CAST(:state AS text) IS NULL OR a.state = :state
ORDER BY a.state = 'waiting' DESC, a.proposed_at DESC, a.adjustment_id DESC
LIMIT :limit;
