-- Every transaction sums to zero in its own currency; so does the ledger in each currency.
SELECT
    'transaction ' || t.transaction_id AS what,
    t.currency,
    coalesce(sum(e.amount), 0) AS amount
FROM refunds.ledger_transactions t
LEFT JOIN refunds.ledger_entries e USING (transaction_id)
GROUP BY t.transaction_id
HAVING coalesce(sum(e.amount), 0) <> 0 OR count(e.leg) < 2 OR count(*) FILTER (WHERE e.currency <> t.currency) > 0
UNION ALL
SELECT
    'ledger',
    e.currency,
    sum(e.amount)
FROM refunds.ledger_entries e
GROUP BY e.currency
HAVING sum(e.amount) <> 0;
