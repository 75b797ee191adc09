-- No balance, held amount or lot below zero; a balance equals the sum of its lots and of its ledger entries.
WITH lots AS (
    SELECT pro_id, currency, sum(remaining) AS amount
    FROM refunds.lots
    GROUP BY pro_id, currency
), entries AS (
    SELECT
        pro_id,
        currency,
        -coalesce(sum(amount) FILTER (WHERE account = 'pro_balance'), 0) AS balance,
        -coalesce(sum(amount) FILTER (WHERE account = 'pro_held'), 0) AS held
    FROM refunds.ledger_entries
    WHERE pro_id IS NOT NULL
    GROUP BY pro_id, currency
)

SELECT
    coalesce(b.pro_id, l.pro_id, e.pro_id) AS pro_id,
    coalesce(b.currency, l.currency, e.currency) AS currency,
    b.balance,
    b.held,
    l.amount AS in_lots,
    e.balance AS in_ledger,
    e.held AS held_in_ledger
FROM refunds.balances b
FULL JOIN lots l USING (pro_id, currency)
FULL JOIN entries e USING (pro_id, currency)
WHERE
    b.balance < 0
    OR b.held < 0
    OR coalesce(b.balance, 0) <> coalesce(l.amount, 0)
    OR coalesce(b.balance, 0) <> coalesce(e.balance, 0)
    OR coalesce(b.held, 0) <> coalesce(e.held, 0)
UNION ALL
SELECT
    l.pro_id,
    l.currency,
    l.remaining,
    NULL,
    l.amount,
    coalesce(sum(m.amount), 0),
    NULL
FROM refunds.lots l
LEFT JOIN refunds.lot_movements m USING (lot_id)
GROUP BY l.lot_id
HAVING l.remaining < 0 OR l.remaining <> coalesce(sum(m.amount), 0);
