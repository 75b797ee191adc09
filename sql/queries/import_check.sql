-- name: find_dangling(file)!
-- Rows that name a row that is nowhere: not in the folder, not in the database. derived: the row named is in the
-- folder but bad itself, or may be (a bad row whose id cannot be read).
WITH refs AS (
    SELECT 'leads.csv' AS file, line, 'customer_id' AS "column", 'customers' AS kind, customer_id AS key
    FROM staged_leads
    WHERE :file = 'leads.csv'
    UNION ALL
    SELECT 'payments.csv', line, 'pro_id', 'pros', pro_id FROM staged_payments WHERE :file = 'payments.csv'
    UNION ALL
    SELECT 'charges.csv', line, 'lead_id', 'leads', lead_id FROM staged_charges WHERE :file = 'charges.csv'
    UNION ALL
    SELECT 'charges.csv', line, 'pro_id', 'pros', pro_id FROM staged_charges WHERE :file = 'charges.csv'
    UNION ALL
    SELECT 'charges.csv', line, 'payment_id', 'payments', payment_id
    FROM staged_charges
    WHERE :file = 'charges.csv' AND payment_id IS NOT NULL
    UNION ALL
    SELECT 'messages.csv', line, 'lead_id', 'leads', lead_id FROM staged_messages WHERE :file = 'messages.csv'
    UNION ALL
    SELECT 'messages.csv', line, 'pro_id', 'pros', pro_id FROM staged_messages WHERE :file = 'messages.csv'
    UNION ALL
    SELECT 'reports.csv', line, 'charge_id', 'charges', charge_id FROM staged_reports WHERE :file = 'reports.csv'
    UNION ALL
    SELECT 'decisions.csv', line, 'report_id', 'reports', report_id
    FROM staged_decisions
    WHERE :file = 'decisions.csv'
    UNION ALL
    SELECT 'card_refunds.csv', line, 'report_id', 'reports', report_id
    FROM staged_card_refunds
    WHERE :file = 'card_refunds.csv'
    UNION ALL
    SELECT 'balances.csv', line, 'pro_id', 'pros', pro_id FROM staged_balances WHERE :file = 'balances.csv'
), known AS (
    SELECT 'customers' AS kind, customer_id AS key FROM staged_customers
    UNION ALL
    SELECT 'customers', customer_id FROM marketplace.customers
    UNION ALL
    SELECT 'pros', pro_id FROM staged_pros
    UNION ALL
    SELECT 'pros', pro_id FROM marketplace.pros
    UNION ALL
    SELECT 'leads', lead_id FROM staged_leads
    UNION ALL
    SELECT 'leads', lead_id FROM marketplace.leads
    UNION ALL
    SELECT 'payments', payment_id FROM staged_payments
    UNION ALL
    SELECT 'payments', payment_id FROM marketplace.payments
    UNION ALL
    SELECT 'charges', charge_id FROM staged_charges
    UNION ALL
    SELECT 'charges', charge_id FROM marketplace.charges
    UNION ALL
    SELECT 'reports', report_id FROM staged_reports
    UNION ALL
    SELECT 'reports', report_id FROM refunds.reports
)

INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    d.file,
    d.line,
    d."column",
    CASE
        WHEN d.lost THEN 'names ' || d.key || ', a row of ' || d.kind || '.csv that is not taken itself'
        ELSE 'names ' || d.key || ', which is neither in ' || d.kind || '.csv nor in the database'
    END,
    d.lost
FROM (
    SELECT
        refs.file,
        refs.line,
        refs."column",
        refs.kind,
        refs.key,
        EXISTS (
            SELECT FROM staged_lost l
            WHERE l.kind = refs.kind AND (l.key = refs.key OR l.key IS NULL)
        ) AS lost
    FROM refs
    WHERE NOT EXISTS (
        SELECT FROM known
        WHERE known.kind = refs.kind AND known.key = refs.key
    )
) AS d;

-- name: find_foreign_payments()!
-- A charge paid by card names a payment of the same pro in the same currency.
INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    'charges.csv',
    c.line,
    'payment_id',
    CASE
        WHEN p.pro_id <> c.pro_id THEN 'names ' || c.payment_id || ', which pro ' || p.pro_id || ' paid, not ' || c.pro_id
        ELSE 'names ' || c.payment_id || ', which is in ' || p.currency || ', not ' || c.currency
    END,
    false
FROM staged_charges c
JOIN (
    SELECT payment_id, pro_id, currency FROM staged_payments
    UNION
    SELECT payment_id, pro_id, currency FROM marketplace.payments
) AS p USING (payment_id)
WHERE (p.pro_id, p.currency) IS DISTINCT FROM (c.pro_id, c.currency);

-- name: find_changed_reports()!
-- Reports that were imported before with another content.
INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    'reports.csv',
    s.line,
    c."column",
    'differs from what was imported before; rows of this file never change once imported',
    false
FROM staged_reports s
JOIN refunds.reports r USING (report_id)
CROSS JOIN LATERAL (
    VALUES
    ('charge_id', s.charge_id IS DISTINCT FROM r.charge_id),
    ('reason', s.reason IS DISTINCT FROM r.reason),
    ('details', s.details IS DISTINCT FROM r.details),
    ('changed_zip', s.changed_zip IS DISTINCT FROM r.changed_zip),
    ('changed_category', s.changed_category IS DISTINCT FROM r.changed_category),
    ('channel', s.channel IS DISTINCT FROM r.channel),
    ('reported_at', s.reported_at IS DISTINCT FROM r.reported_at)
) AS c ("column", changed)
WHERE c.changed;

-- name: find_changed_decisions()!
-- Decisions on reports that have one: the first decision must be the same.
INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    'decisions.csv',
    s.line,
    c."column",
    'differs from the decision of ' || d.decided_by || ' that is there already; decisions never change',
    false
FROM staged_decisions s
JOIN refunds.decisions d ON d.report_id = s.report_id AND d.round = 1
CROSS JOIN LATERAL (
    VALUES
    ('decision', s.decision IS DISTINCT FROM d.decision),
    ('refund_amount', s.refund_amount IS DISTINCT FROM d.refund_amount),
    ('decided_by', s.decided_by IS DISTINCT FROM d.decided_by),
    ('decided_at', s.decided_at IS DISTINCT FROM d.decided_at),
    ('note', s.note IS DISTINCT FROM d.note)
) AS c ("column", changed)
WHERE c.changed;

-- name: find_bad_decisions()!
-- New decisions that contradict their report or charge.
WITH reports AS (
    SELECT r.report_id, r.charge_id, r.reported_at, 'open' AS state, 1 AS round
    FROM staged_reports r
    WHERE NOT EXISTS (SELECT FROM refunds.reports o WHERE o.report_id = r.report_id)
    UNION ALL
    SELECT r.report_id, r.charge_id, r.reported_at, r.state, r.round
    FROM refunds.reports r
    JOIN staged_decisions s USING (report_id)
), cases AS (
    SELECT
        s.line,
        s.decision,
        s.refund_amount,
        s.decided_at,
        s.report_id,
        r.charge_id,
        r.reported_at,
        r.state,
        c.amount,
        row_number() OVER (PARTITION BY r.charge_id, s.decision ORDER BY s.decided_at, s.report_id) AS turn
    FROM staged_decisions s
    JOIN reports r USING (report_id)
    JOIN (
        SELECT charge_id, amount FROM staged_charges
        UNION
        SELECT charge_id, amount FROM marketplace.charges
    ) AS c USING (charge_id)
    WHERE NOT EXISTS (SELECT FROM refunds.decisions d WHERE d.report_id = s.report_id AND d.round = 1)
)

INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    'decisions.csv',
    cases.line,
    c."column",
    c.reason,
    false
FROM cases
CROSS JOIN LATERAL (
    VALUES
    ('decided_at', 'is before the report was made', cases.decided_at < cases.reported_at),
    (
        'refund_amount',
        'is ' || cases.refund_amount || ', more than the charge of ' || cases.amount,
        cases.refund_amount > cases.amount
    ),
    (
        'report_id',
        'names ' || cases.report_id || ', which is ' || replace(cases.state, '_', ' ') || ' at the desk',
        cases.state NOT IN ('open', 'waiting_on_pro')
    ),
    (
        'decision',
        'approves a second refund of charge ' || cases.charge_id,
        cases.decision = 'approve'
        AND (
            cases.turn > 1
            OR EXISTS (
                SELECT FROM refunds.reports o
                WHERE o.charge_id = cases.charge_id AND o.state = 'approved'
            )
        )
    )
) AS c ("column", reason, wrong)
WHERE c.wrong;

-- name: find_changed_card_refunds()!
-- Card refunds that were imported before: only the outcome and what comes with it may be filled in.
INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    'card_refunds.csv',
    s.line,
    c."column",
    c.reason,
    false
FROM staged_card_refunds s
JOIN refunds.card_refund_states r USING (card_refund_id)
JOIN LATERAL (
    SELECT p.processor_ref, p.failure_reason, p.settled_at
    FROM refunds.payouts p
    WHERE p.card_refund_id = r.card_refund_id
    ORDER BY p.amount DESC, p.payout_id
    LIMIT 1
) AS p ON true
-- The desk may have learned the outcome from the processor before the folder tells it: then the folder is late, not wrong.
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM refunds.payouts o
        JOIN refunds.audit a ON a.subject = o.payout_id
        WHERE o.card_refund_id = r.card_refund_id AND a.action LIKE 'card_refund_%%'
    ) AS is_ours
) AS followed
CROSS JOIN LATERAL (
    VALUES
    ('card_refund_id', 'was requested at the desk, which follows it itself', r.requested_by <> 'import'),
    ('report_id', 'differs from what was imported before', s.report_id <> r.report_id),
    ('amount', 'differs from what was imported before', s.amount <> r.amount),
    ('currency', 'differs from what was imported before', s.currency <> r.currency),
    ('requested_at', 'differs from what was imported before', s.requested_at <> r.requested_at),
    (
        'submitted_at',
        'differs from what was imported before',
        r.submitted_at IS NOT NULL AND s.submitted_at IS DISTINCT FROM r.submitted_at
    ),
    (
        'processor_ref',
        'differs from what was imported before',
        p.processor_ref IS NOT NULL AND NOT followed.is_ours AND s.processor_ref IS DISTINCT FROM p.processor_ref
    ),
    (
        'settled_at',
        'differs from what was imported before',
        p.settled_at IS NOT NULL
        AND NOT followed.is_ours
        AND r.state = s.outcome
        AND s.settled_at IS DISTINCT FROM p.settled_at
    ),
    (
        'outcome',
        'goes from ' || r.state || ' to ' || s.outcome || '; only pending may become another, and succeeded reversed',
        s.outcome <> r.state
        AND r.state <> 'pending'
        AND (r.state, s.outcome) <> ('succeeded', 'reversed')
        AND NOT (followed.is_ours AND (s.outcome = 'pending' OR (r.state, s.outcome) = ('reversed', 'succeeded')))
    )
) AS c ("column", reason, wrong)
WHERE c.wrong AND (r.requested_by = 'import' OR c."column" = 'card_refund_id');

-- name: find_bad_card_refunds()!
-- New card refunds need an approved refund in their currency, decided before they were requested.
WITH approvals AS (
    SELECT s.report_id, s.decided_at FROM staged_decisions s WHERE s.decision = 'approve'
    UNION
    SELECT r.report_id, r.decided_at FROM refunds.reports r WHERE r.state = 'approved'
), currencies AS (
    SELECT r.report_id, c.currency
    FROM staged_reports r
    JOIN (
        SELECT charge_id, currency FROM staged_charges
        UNION
        SELECT charge_id, currency FROM marketplace.charges
    ) AS c USING (charge_id)
    UNION
    SELECT r.report_id, r.currency FROM refunds.reports r
)

INSERT INTO staged_errors (file, line, "column", reason, derived)
SELECT
    'card_refunds.csv',
    s.line,
    c."column",
    c.reason,
    c.derived
FROM staged_card_refunds s
JOIN currencies u USING (report_id)
LEFT JOIN approvals a USING (report_id)
CROSS JOIN LATERAL (
    VALUES
    (
        'report_id',
        'names ' || s.report_id || ', which has no approved refund',
        a.report_id IS NULL,
        EXISTS (SELECT FROM staged_lost l WHERE l.kind = 'decisions' AND (l.key = s.report_id OR l.key IS NULL))
    ),
    ('currency', 'is ' || s.currency || '; the refund is in ' || u.currency, s.currency <> u.currency, false),
    ('requested_at', 'is before the refund was approved', s.requested_at < a.decided_at, false)
) AS c ("column", reason, wrong, derived)
WHERE c.wrong AND NOT EXISTS (SELECT FROM refunds.card_refunds o WHERE o.card_refund_id = s.card_refund_id);

-- name: errors(with_derived)
-- What is wrong, in the order of the files as they are taken; a row that only depends on a bad one is left out
-- unless asked for.
SELECT DISTINCT
    e.file,
    e.line,
    e."column",
    e.reason,
    array_position(
        ARRAY[
            'pros.csv', 'customers.csv', 'leads.csv', 'payments.csv', 'charges.csv', 'messages.csv',
            'reports.csv', 'decisions.csv', 'card_refunds.csv', 'balances.csv'
        ],
        e.file
    ) AS file_order
FROM staged_errors e
WHERE CAST(:with_derived AS boolean) OR NOT e.derived
ORDER BY file_order, e.line, e."column", e.reason;
