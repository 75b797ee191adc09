-- The daily sums are what the rows give, but for days that are marked to be summed anew.
WITH kept AS (
    SELECT d.*
    FROM refunds.rollup_days d
    WHERE NOT EXISTS (SELECT FROM refunds.rollup_marks m WHERE m.source = d.source AND m.day = d.day)
), due AS (
    SELECT d.*
    FROM unnest(ARRAY['charges', 'refunds', 'decisions', 'deadlines', 'arrivals', 'payouts', 'rework']) AS s (source)
    CROSS JOIN LATERAL refunds.roll_up(s.source, '0001-01-01', '9999-01-01') AS d
    WHERE NOT EXISTS (SELECT FROM refunds.rollup_marks m WHERE m.source = d.source AND m.day = d.day)
), kept_pros AS (
    SELECT p.*
    FROM refunds.rollup_pros p
    WHERE NOT EXISTS (
        SELECT FROM refunds.rollup_marks m
        WHERE m.pro_id = p.pro_id AND date_trunc('month', m.day) = p.month
    )
), due_pros AS (
    SELECT p.*
    FROM refunds.roll_up_pros('0001-01-01', '9999-01-01') AS p
    WHERE NOT EXISTS (
        SELECT FROM refunds.rollup_marks m
        WHERE m.pro_id = p.pro_id AND date_trunc('month', m.day) = p.month
    )
), kept_ledger AS (
    SELECT d.*
    FROM refunds.ledger_days d
    WHERE NOT EXISTS (SELECT FROM refunds.rollup_marks m WHERE m.source = 'ledger' AND m.day = d.day)
), due_ledger AS (
    SELECT d.*
    FROM refunds.sum_ledger('-infinity', 'infinity') AS d
    WHERE NOT EXISTS (SELECT FROM refunds.rollup_marks m WHERE m.source = 'ledger' AND m.day = d.day)
)

(
    SELECT 'kept, but not so in the rows' AS what, to_jsonb(x) AS sums
    FROM (SELECT * FROM kept EXCEPT ALL SELECT * FROM due) AS x
)
UNION ALL
(
    SELECT 'in the rows, but not kept so', to_jsonb(x)
    FROM (SELECT * FROM due EXCEPT ALL SELECT * FROM kept) AS x
)
UNION ALL
(
    SELECT 'kept by pro, but not so in the rows', to_jsonb(x)
    FROM (SELECT * FROM kept_pros EXCEPT ALL SELECT * FROM due_pros) AS x
)
UNION ALL
(
    SELECT 'in the rows by pro, but not kept so', to_jsonb(x)
    FROM (SELECT * FROM due_pros EXCEPT ALL SELECT * FROM kept_pros) AS x
)
UNION ALL
(
    SELECT 'kept by account, but not so in the ledger', to_jsonb(x)
    FROM (SELECT * FROM kept_ledger EXCEPT ALL SELECT * FROM due_ledger) AS x
)
UNION ALL
(
    SELECT 'in the ledger by account, but not kept so', to_jsonb(x)
    FROM (SELECT * FROM due_ledger EXCEPT ALL SELECT * FROM kept_ledger) AS x
);
