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

-- name: trial_balance(until)
-- Debits, credits and what is left of each account and currency, of all that was booked before a moment.
SELECT
    b.account,
    b.currency,
    b.debit,
    b.credit,
    b.debit - b.credit AS amount,
    b.entries
FROM refunds.trial_balance(CAST(:until AS timestamptz)) AS b
ORDER BY b.currency, b.account;

-- name: pick_by_time(since, until, kinds, account, before, before_id, limit)
-- Transactions of some kinds in a stretch of time, the newest first; of an account, or of any (NULL).
SELECT
    t.transaction_id,
    t.occurred_at
FROM refunds.ledger_transactions t
WHERE
    t.occurred_at >= :since
    AND t.occurred_at < :until
    AND (t.occurred_at, t.transaction_id) < (CAST(:before AS timestamptz), CAST(:before_id AS bigint))
    AND t.kind = ANY(CAST(:kinds AS text []))
    AND (
        CAST(:account AS text) IS NULL
        OR EXISTS (
            SELECT FROM refunds.ledger_entries e
            WHERE e.transaction_id = t.transaction_id AND e.account = :account
        )
    )
ORDER BY t.occurred_at DESC, t.transaction_id DESC
LIMIT :limit;

-- name: pick_rare(since, until, kinds, account, before, before_id, limit)
-- The same of kinds that are neither payments nor charges, by an index without those.
SELECT
    t.transaction_id,
    t.occurred_at
FROM refunds.ledger_transactions t
WHERE
    t.occurred_at >= :since
    AND t.occurred_at < :until
    AND (t.occurred_at, t.transaction_id) < (CAST(:before AS timestamptz), CAST(:before_id AS bigint))
    AND t.kind NOT IN ('payment', 'charge')
    AND t.kind = ANY(CAST(:kinds AS text []))
    AND (
        CAST(:account AS text) IS NULL
        OR EXISTS (
            SELECT FROM refunds.ledger_entries e
            WHERE e.transaction_id = t.transaction_id AND e.account = :account
        )
    )
ORDER BY t.occurred_at DESC, t.transaction_id DESC
LIMIT :limit;

-- name: pick_by_pro(pro_id, since, until, kinds, account, before, before_id, limit)
-- The same of one pro.
SELECT
    t.transaction_id,
    t.occurred_at
FROM refunds.ledger_transactions t
WHERE
    t.pro_id = :pro_id
    AND t.occurred_at >= :since
    AND t.occurred_at < :until
    AND (t.occurred_at, t.transaction_id) < (CAST(:before AS timestamptz), CAST(:before_id AS bigint))
    AND t.kind = ANY(CAST(:kinds AS text []))
    AND (
        CAST(:account AS text) IS NULL
        OR EXISTS (
            SELECT FROM refunds.ledger_entries e
            WHERE e.transaction_id = t.transaction_id AND e.account = :account
        )
    )
ORDER BY t.occurred_at DESC, t.transaction_id DESC
LIMIT :limit;

-- name: pick_by_reference(reference, kinds, limit)
-- Transactions of one source, of a report with all that belongs to it, or the one with a number.
WITH sources AS (
    SELECT CAST(:reference AS text) AS source_id
    UNION
    SELECT d.decision_id FROM refunds.decisions d WHERE d.report_id = :reference
    UNION
    SELECT r.charge_id FROM refunds.reports r WHERE r.report_id = :reference
    UNION
    SELECT c.card_refund_id FROM refunds.card_refunds c WHERE c.report_id = :reference
    UNION
    SELECT p.payout_id
    FROM refunds.card_refunds c
    JOIN refunds.payouts p USING (card_refund_id)
    WHERE c.report_id = :reference OR c.card_refund_id = :reference
)

SELECT
    t.transaction_id,
    t.occurred_at
FROM refunds.ledger_transactions t
WHERE
    t.kind = ANY(CAST(:kinds AS text []))
    AND t.source_id IN (SELECT s.source_id FROM sources s)
UNION
SELECT
    t.transaction_id,
    t.occurred_at
FROM refunds.ledger_transactions t
WHERE CAST(:reference AS text) ~ '^[0-9]{1,18}$' AND t.transaction_id = CAST(
    CASE WHEN CAST(:reference AS text) ~ '^[0-9]{1,18}$' THEN CAST(:reference AS text) END AS bigint
)
ORDER BY 2 DESC, 1 DESC
LIMIT :limit;

-- name: entries_in_full(transaction_ids)
-- Transactions with their entries and what they belong to, the newest first.
SELECT
    t.transaction_id,
    t.kind,
    t.source_id,
    t.pro_id,
    m.name AS pro_name,
    t.occurred_at,
    l.booked_on,
    t.actor,
    t.note,
    refunds.report_of(t.kind, t.source_id) AS report_id,
    c.lead_id,
    e.leg,
    e.account,
    e.currency,
    e.amount
FROM refunds.ledger_transactions t
JOIN refunds.ledger_entries e USING (transaction_id)
LEFT JOIN refunds.late_postings l USING (transaction_id)
LEFT JOIN marketplace.pros m ON m.pro_id = t.pro_id
LEFT JOIN marketplace.charges c ON t.kind = 'charge' AND c.charge_id = t.source_id
WHERE t.transaction_id = ANY(CAST(:transaction_ids AS bigint []))
ORDER BY t.occurred_at DESC, t.transaction_id DESC, e.leg;

-- name: booked(since, until, limit)
-- Every entry booked from one moment until another, in the order of booking: what accounting takes over.
SELECT
    k.booked_at,
    k.own_day,
    t.transaction_id,
    t.kind,
    t.source_id,
    t.pro_id,
    refunds.report_of(t.kind, t.source_id) AS report_id,
    t.actor,
    t.note,
    e.account,
    e.currency,
    e.amount
FROM refunds.booked(:since, :until) AS k
JOIN refunds.ledger_transactions t USING (transaction_id)
JOIN refunds.ledger_entries e USING (transaction_id)
ORDER BY k.booked_at, t.transaction_id, e.leg
LIMIT :limit;
