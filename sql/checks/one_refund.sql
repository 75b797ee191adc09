-- A charge has at most one standing refund, never more than it cost; the ledger says the same.
SELECT
    r.charge_id,
    count(*) AS refunds,
    sum(r.refunded_amount) AS refunded,
    min(r.amount) AS cost
FROM refunds.reports r
WHERE r.state = 'approved'
GROUP BY r.charge_id
HAVING count(*) > 1 OR sum(r.refunded_amount) > min(r.amount)
UNION ALL
SELECT
    d.report_id,
    count(*),
    sum(-e.amount),
    min(d.refund_amount)
FROM refunds.ledger_transactions t
JOIN refunds.ledger_entries e ON e.transaction_id = t.transaction_id AND e.account = 'pro_balance'
LEFT JOIN refunds.decisions d ON d.decision_id = t.source_id
WHERE t.kind = 'refund'
GROUP BY t.source_id, d.report_id
HAVING count(*) > 1 OR min(d.refund_amount) IS DISTINCT FROM sum(-e.amount);
