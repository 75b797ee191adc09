-- name: stage_events()!
-- Every event that the folder adds to the ledger, numbered in posting order. At one instant: payment, refund
-- credit, charge, card refund, settlement; then id.
CREATE TEMPORARY TABLE staged_events ON COMMIT DROP AS
WITH reports AS (
    SELECT report_id, charge_id FROM staged_reports
    UNION
    SELECT report_id, charge_id FROM refunds.reports
), charges AS (
    SELECT charge_id, pro_id, currency, charged_at FROM staged_charges
    UNION
    SELECT charge_id, pro_id, currency, charged_at FROM marketplace.charges
), refunds_of AS (
    SELECT s.report_id, s.charge_id, c.pro_id, c.currency, c.charged_at
    FROM reports s
    JOIN charges c USING (charge_id)
), new_card_refunds AS (
    SELECT s.*
    FROM staged_card_refunds s
    WHERE NOT EXISTS (SELECT FROM refunds.card_refunds o WHERE o.card_refund_id = s.card_refund_id)
), settled AS (
    SELECT s.card_refund_id, s.report_id, s.line, s.amount, s.outcome, s.settled_at, s.reversed_at, false AS was_paid
    FROM new_card_refunds s
    WHERE s.outcome <> 'pending'
    UNION ALL
    SELECT s.card_refund_id, s.report_id, s.line, s.amount, s.outcome, s.settled_at, s.reversed_at, r.state = 'succeeded'
    FROM staged_card_refunds s
    JOIN refunds.card_refund_states r USING (card_refund_id)
    WHERE s.outcome <> r.state
), events AS (
    SELECT
        p.pro_id, p.currency, p.paid_at AS at, 0 AS rank, 'payment' AS kind, p.payment_id AS id, p.line,
        p.amount, CAST(NULL AS text) AS payment_id, CAST(NULL AS text) AS charge_id, CAST(NULL AS text) AS report_id,
        CAST(NULL AS timestamptz) AS charged_at
    FROM staged_payments p
    WHERE NOT EXISTS (SELECT FROM marketplace.payments o WHERE o.payment_id = p.payment_id)
    UNION ALL
    SELECT
        r.pro_id, r.currency, s.decided_at, 1, 'refund', s.report_id || '.1', s.line,
        s.refund_amount, NULL, r.charge_id, s.report_id, r.charged_at
    FROM staged_decisions s
    JOIN refunds_of r USING (report_id)
    WHERE
        s.decision = 'approve'
        AND NOT EXISTS (SELECT FROM refunds.decisions d WHERE d.report_id = s.report_id AND d.round = 1)
    UNION ALL
    SELECT
        c.pro_id, c.currency, c.charged_at, 2, 'charge', c.charge_id, c.line,
        c.amount, c.payment_id, c.charge_id, NULL, c.charged_at
    FROM staged_charges c
    WHERE NOT EXISTS (SELECT FROM marketplace.charges o WHERE o.charge_id = c.charge_id)
    UNION ALL
    SELECT
        r.pro_id, r.currency, s.requested_at, 3, 'card_refund', s.card_refund_id, s.line,
        s.amount, NULL, r.charge_id, s.report_id, NULL
    FROM new_card_refunds s
    JOIN refunds_of r USING (report_id)
    UNION ALL
    SELECT
        r.pro_id, r.currency, s.settled_at, 4,
        CASE s.outcome WHEN 'failed' THEN 'failed' ELSE 'succeeded' END, s.card_refund_id, s.line,
        s.amount, NULL, r.charge_id, s.report_id, NULL
    FROM settled s
    JOIN refunds_of r USING (report_id)
    WHERE NOT s.was_paid
    UNION ALL
    SELECT
        r.pro_id, r.currency, coalesce(s.reversed_at, s.settled_at), 5, 'reversed', s.card_refund_id, s.line,
        s.amount, NULL, r.charge_id, s.report_id, NULL
    FROM settled s
    JOIN refunds_of r USING (report_id)
    WHERE s.outcome = 'reversed'
)

SELECT
    row_number() OVER (ORDER BY e.pro_id, e.currency, e.at, e.rank, e.id) AS n,
    e.*
FROM events e;

-- name: index_events()!
-- So that a page of events is found at once.
CREATE UNIQUE INDEX ON staged_events (n);

-- name: count_events()$
-- How many events there are.
SELECT count(*) FROM staged_events;

-- name: events(after, limit)
-- A page of events, in posting order.
SELECT
    n,
    pro_id,
    currency,
    at,
    kind,
    id,
    line,
    amount,
    payment_id,
    charge_id,
    report_id,
    charged_at
FROM staged_events
WHERE n > :after
ORDER BY n
LIMIT :limit;

-- name: lock_accounts()
-- Locks the accounts that get postings, in one order for everybody, and reads them. Reports come first.
SELECT
    b.pro_id,
    b.currency,
    b.balance,
    b.held,
    b.pro_seq
FROM refunds.balances b
WHERE EXISTS (SELECT FROM staged_events e WHERE e.pro_id = b.pro_id AND e.currency = b.currency)
ORDER BY b.pro_id, b.currency
FOR UPDATE;

-- name: lock_reports()
-- Locks the reports that get a decision or a card refund, before any account.
SELECT r.report_id
FROM refunds.reports r
WHERE
    r.report_id IN (SELECT s.report_id FROM staged_decisions s)
    OR r.report_id IN (SELECT s.report_id FROM staged_card_refunds s)
ORDER BY r.report_id
FOR UPDATE;

-- name: lots()
-- The lots of those accounts that can still be spent from, or that a card refund of the folder goes back to.
SELECT
    l.pro_id,
    l.currency,
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
    EXISTS (SELECT FROM staged_events e WHERE e.pro_id = l.pro_id AND e.currency = l.currency)
    AND (
        l.remaining > 0
        OR l.source_id IN (
            SELECT r.standing_decision_id
            FROM refunds.reports r
            JOIN staged_card_refunds s USING (report_id)
        )
    );

-- name: payments_behind()
-- Which payments stand behind charges posted before that the folder refunds.
SELECT
    t.source_id AS charge_id,
    array_remove(array_agg(DISTINCT behind.payment_id), NULL) AS payment_ids
FROM refunds.ledger_transactions t
JOIN refunds.lot_movements m USING (transaction_id)
JOIN refunds.lots l USING (lot_id)
LEFT JOIN LATERAL unnest(l.payment_ids) AS behind (payment_id) ON true
WHERE
    t.kind = 'charge'
    AND t.source_id IN (SELECT e.charge_id FROM staged_events e WHERE e.kind = 'refund')
GROUP BY t.source_id;

-- name: payments_of_card_refunds()
-- The payments made before by pros with a new card refund, and what may still go back to each.
SELECT
    p.payment_id,
    p.paid_at,
    p.amount - CAST(coalesce(sum(o.amount) FILTER (WHERE o.state NOT IN ('declined', 'failed', 'reversed')), 0) AS bigint) AS left_minor
FROM marketplace.payments p
LEFT JOIN refunds.payouts o USING (payment_id)
WHERE p.pro_id IN (SELECT e.pro_id FROM staged_events e WHERE e.kind = 'card_refund')
GROUP BY p.payment_id;

-- name: payouts_to_settle()
-- The payouts of card refunds imported before whose outcome comes now.
SELECT
    p.payout_id,
    p.card_refund_id,
    p.payment_id,
    p.amount,
    p.state,
    c.lot_id
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
WHERE p.card_refund_id IN (SELECT e.id FROM staged_events e WHERE e.kind IN ('succeeded', 'failed', 'reversed'))
ORDER BY p.card_refund_id, p.payout_id;

-- name: reserve_transactions(count)
-- Ledger transaction ids for a batch.
SELECT nextval(pg_get_serial_sequence('refunds.ledger_transactions', 'transaction_id')) AS transaction_id
FROM generate_series(1, CAST(:count AS integer));

-- name: set_account(pro_id, currency, balance, held, pro_seq)!
-- An account after its postings; made when new.
INSERT INTO refunds.balances (pro_id, currency, balance, held, pro_seq)
VALUES (:pro_id, :currency, :balance, :held, :pro_seq)
ON CONFLICT (pro_id, currency) DO UPDATE
SET balance = excluded.balance, held = excluded.held, pro_seq = excluded.pro_seq;

-- name: set_lot(lot_id, remaining, card_until)!
-- A lot that was there before, after the postings.
UPDATE refunds.lots
SET remaining = :remaining, card_until = :card_until
WHERE lot_id = :lot_id;
