-- In flight plus succeeded never exceed the credit they come from, nor the payments they go to; the ledger holds
-- what is in flight; a card refund is the sum of its payouts.
SELECT
    'credit ' || c.lot_id AS what,
    sum(p.amount) AS paid_out,
    min(l.amount) AS limit_amount
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
JOIN refunds.lots l USING (lot_id)
WHERE p.state NOT IN ('declined', 'failed', 'reversed')
GROUP BY c.lot_id
HAVING sum(p.amount) > min(l.amount)
UNION ALL
SELECT
    'payment ' || p.payment_id,
    sum(p.amount),
    min(m.amount)
FROM refunds.payouts p
LEFT JOIN refunds.ledger_transactions t ON t.kind = 'payment' AND t.source_id = p.payment_id
LEFT JOIN LATERAL (
    SELECT e.amount
    FROM refunds.ledger_entries e
    WHERE e.transaction_id = t.transaction_id AND e.account = 'processor_clearing'
) AS m ON true
WHERE p.state NOT IN ('declined', 'failed', 'reversed')
GROUP BY p.payment_id
HAVING sum(p.amount) > coalesce(min(m.amount), 0)
UNION ALL
SELECT
    'card refund ' || c.card_refund_id,
    sum(p.amount),
    c.amount
FROM refunds.card_refunds c
LEFT JOIN refunds.payouts p USING (card_refund_id)
GROUP BY c.card_refund_id
HAVING coalesce(sum(p.amount), 0) <> c.amount
UNION ALL
SELECT
    'held for ' || b.pro_id,
    coalesce(sum(p.amount), 0),
    b.held
FROM refunds.balances b
LEFT JOIN refunds.card_refunds c USING (pro_id, currency)
LEFT JOIN refunds.payouts p
    ON p.card_refund_id = c.card_refund_id AND p.state IN ('requested', 'submitted', 'unknown', 'pending')
GROUP BY b.pro_id, b.currency
HAVING coalesce(sum(p.amount), 0) <> b.held;
