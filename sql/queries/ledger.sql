-- name: lock_account(pro_id, currency)^
-- Locks what a pro has in one currency: the first lock of every posting for the pro. No row: nothing was ever posted.
SELECT
    b.balance,
    b.held
FROM refunds.balances b
WHERE b.pro_id = :pro_id AND b.currency = :currency
FOR UPDATE;

-- name: open_account(pro_id, currency)!
-- Makes the row to lock for a pro's first posting in a currency.
INSERT INTO refunds.balances (pro_id, currency)
VALUES (:pro_id, :currency)
ON CONFLICT (pro_id, currency) DO NOTHING;

-- name: lots(pro_id, currency, also)
-- The unspent lots of an account, and those named in `also` (an array of lot ids) whatever is left of them.
SELECT
    l.lot_id,
    l.kind,
    l.source_id,
    l.opened_at,
    l.amount,
    l.remaining,
    l.payment_ids,
    l.card_until
FROM refunds.lots l
WHERE
    l.pro_id = :pro_id
    AND l.currency = :currency
    AND (l.remaining > 0 OR l.lot_id = ANY(CAST(:also AS text [])));

-- name: post(kind, source_id, pro_id, currency, occurred_at, actor, note, accounts, amounts, lot_ids, lot_amounts, new_lot)$
-- One balanced transaction through the one door; its id.
SELECT refunds.post(
    :kind, :source_id, :pro_id, :currency, :occurred_at, :actor, :note,
    CAST(:accounts AS text []), CAST(:amounts AS bigint []),
    CAST(:lot_ids AS text []), CAST(:lot_amounts AS bigint []), CAST(:new_lot AS jsonb)
);

-- name: payments_left(payment_ids)
-- What may still go back to each of some payments: its amount less what is in flight or arrived.
SELECT
    p.payment_id,
    p.paid_at,
    p.amount - CAST(coalesce(sum(o.amount) FILTER (WHERE o.state NOT IN ('declined', 'failed', 'reversed')), 0) AS bigint) AS left_minor
FROM marketplace.payments p
LEFT JOIN refunds.payouts o USING (payment_id)
WHERE p.payment_id = ANY(CAST(:payment_ids AS text []))
GROUP BY p.payment_id
ORDER BY p.paid_at DESC, p.payment_id DESC;

-- name: entries_of(source_ids)
-- The ledger transactions of some sources (payments, charges, decisions, card refunds, payouts) with their entries.
SELECT
    t.transaction_id,
    t.kind,
    t.source_id,
    t.pro_id,
    t.occurred_at,
    t.actor,
    e.leg,
    e.account,
    e.currency,
    e.amount
FROM refunds.ledger_transactions t
JOIN refunds.ledger_entries e USING (transaction_id)
WHERE t.source_id = ANY(CAST(:source_ids AS text []))
ORDER BY t.occurred_at, t.transaction_id, e.leg;
