-- name: upsert_pros()!
INSERT INTO marketplace.pros AS p (pro_id, name, email, phone, categories, zip, joined_at)
SELECT pro_id, name, email, phone, categories, zip, joined_at
FROM staged_pros
ORDER BY line
ON CONFLICT (pro_id) DO UPDATE
SET
    name = excluded.name,
    email = excluded.email,
    phone = excluded.phone,
    categories = excluded.categories,
    zip = excluded.zip,
    joined_at = excluded.joined_at
WHERE
    (p.name, p.email, p.phone, p.categories, p.zip, p.joined_at)
    IS DISTINCT FROM (
        excluded.name, excluded.email, excluded.phone, excluded.categories, excluded.zip, excluded.joined_at
    );

-- name: upsert_customers()!
INSERT INTO marketplace.customers AS c (customer_id, name, email, phone)
SELECT customer_id, name, email, phone
FROM staged_customers
ORDER BY line
ON CONFLICT (customer_id) DO UPDATE
SET name = excluded.name, email = excluded.email, phone = excluded.phone
WHERE (c.name, c.email, c.phone) IS DISTINCT FROM (excluded.name, excluded.email, excluded.phone);

-- name: mark_changed_leads()!
-- A lead that changes its category, kind or zip changes the sums of the days on which it was counted.
INSERT INTO refunds.rollup_marks (source, day, pro_id)
WITH changed AS (
    SELECT s.lead_id
    FROM staged_leads s
    JOIN marketplace.leads l USING (lead_id)
    WHERE (l.category, l.kind, l.zip) IS DISTINCT FROM (s.category, s.kind, s.zip)
)

SELECT 'charges', refunds.utc_day(c.charged_at), c.pro_id
FROM changed
JOIN marketplace.charges c USING (lead_id)
UNION
SELECT 'refunds', refunds.utc_day(r.charged_at), r.pro_id
FROM changed
JOIN refunds.reports r USING (lead_id)
WHERE r.state = 'approved'
UNION
SELECT 'decisions', refunds.utc_day(d.decided_at), NULL
FROM changed
JOIN refunds.reports r USING (lead_id)
JOIN refunds.decisions d USING (report_id)
UNION
SELECT 'deadlines', refunds.utc_day(r.deadline_at), NULL
FROM changed
JOIN refunds.reports r USING (lead_id);

-- name: upsert_leads()!
INSERT INTO marketplace.leads AS l (lead_id, kind, customer_id, category, zip, description, created_at)
SELECT lead_id, kind, customer_id, category, zip, description, created_at
FROM staged_leads
ORDER BY line
ON CONFLICT (lead_id) DO UPDATE
SET
    kind = excluded.kind,
    customer_id = excluded.customer_id,
    category = excluded.category,
    zip = excluded.zip,
    description = excluded.description,
    created_at = excluded.created_at
WHERE
    (l.kind, l.customer_id, l.category, l.zip, l.description, l.created_at)
    IS DISTINCT FROM (
        excluded.kind, excluded.customer_id, excluded.category, excluded.zip, excluded.description,
        excluded.created_at
    );

-- name: insert_payments()!
INSERT INTO marketplace.payments (payment_id, pro_id, amount, currency, paid_at, processor_ref)
SELECT payment_id, pro_id, amount, currency, paid_at, processor_ref
FROM staged_payments
ORDER BY line
ON CONFLICT (payment_id) DO NOTHING;

-- name: insert_charges()!
INSERT INTO marketplace.charges (charge_id, lead_id, pro_id, amount, currency, charged_at, paid_with, payment_id)
SELECT charge_id, lead_id, pro_id, amount, currency, charged_at, paid_with, payment_id
FROM staged_charges
ORDER BY line
ON CONFLICT (charge_id) DO NOTHING;

-- name: insert_messages()!
-- In file order, which is the order of messages sent at one instant.
INSERT INTO marketplace.messages (message_id, lead_id, pro_id, sender, body, sent_at)
SELECT message_id, lead_id, pro_id, sender, body, sent_at
FROM staged_messages
ORDER BY line
ON CONFLICT (message_id) DO NOTHING;

-- name: stage_news()!
-- Which reports are new, and which decisions: what snapshots, audit and mail are written for.
CREATE TEMPORARY TABLE new_reports ON COMMIT DROP AS
SELECT s.report_id, row_number() OVER (ORDER BY s.report_id) AS n
FROM staged_reports s
WHERE NOT EXISTS (SELECT FROM refunds.reports r WHERE r.report_id = s.report_id);

-- name: stage_new_decisions()!
CREATE TEMPORARY TABLE new_decisions ON COMMIT DROP AS
SELECT s.*, row_number() OVER (ORDER BY s.report_id) AS n
FROM staged_decisions s
WHERE NOT EXISTS (SELECT FROM refunds.decisions d WHERE d.report_id = s.report_id AND d.round = 1);

-- name: insert_reports()!
-- New reports, still open; what was decided follows.
INSERT INTO refunds.reports (
    report_id, charge_id, pro_id, lead_id, customer_id, kind, category, amount, currency, charged_at,
    reason, details, changed_zip, changed_category, channel, reported_at, filed_by,
    deadline_at, opened_at, recommendation, passes, unsures, fails)
SELECT
    s.report_id, s.charge_id, c.pro_id, c.lead_id, l.customer_id, l.kind, l.category, c.amount, c.currency,
    c.charged_at, s.reason, s.details, s.changed_zip, s.changed_category, s.channel, s.reported_at, 'import',
    s.reported_at + make_interval(hours => v.sla_hours), s.reported_at, 'review', 0, 0, 0
FROM staged_reports s
JOIN new_reports n USING (report_id)
JOIN marketplace.charges c USING (charge_id)
JOIN marketplace.leads l USING (lead_id)
CROSS JOIN LATERAL (
    SELECT p.sla_hours
    FROM refunds.standing_policies p
    WHERE p.effective_from <= s.reported_at
    ORDER BY p.effective_from DESC
    LIMIT 1
) AS v
ORDER BY s.line;

-- name: apply_decisions()!
-- What was decided, on the reports; the decisions themselves follow in the same transaction.
UPDATE refunds.reports r
SET
    state = CASE d.decision WHEN 'approve' THEN 'approved' ELSE 'denied' END,
    version = r.version + 1,
    standing_decision_id = d.report_id || '.1',
    refunded_amount = d.refund_amount,
    decided_at = d.decided_at,
    paused_at = NULL,
    holder = NULL,
    lease_until = NULL
FROM new_decisions d
WHERE r.report_id = d.report_id;

-- name: report_page(after, limit)
-- A page of new reports.
SELECT n, report_id
FROM new_reports
WHERE n > :after
ORDER BY n
LIMIT :limit;

-- name: set_assessments(report_ids, recommendations, passes, unsures, fails)!
-- What the checks say of some reports.
UPDATE refunds.reports r
SET recommendation = a.recommendation, passes = a.passes, unsures = a.unsures, fails = a.fails
FROM unnest(
    CAST(:report_ids AS text []), CAST(:recommendations AS text []), CAST(:passes AS smallint []),
    CAST(:unsures AS smallint []), CAST(:fails AS smallint [])
) AS a (report_id, recommendation, passes, unsures, fails)
WHERE r.report_id = a.report_id;

-- name: decision_page(after, limit)
-- A page of new decisions, with the facts they were made on and what had been refunded on the charge by then.
SELECT
    d.n,
    d.report_id,
    d.decision,
    d.refund_amount,
    d.decided_by,
    d.decided_at,
    d.note,
    r.currency,
    r.charged_at,
    s.facts,
    s.sha256,
    coalesce((
        SELECT sum(o.refunded_amount)
        FROM refunds.reports o
        WHERE
            o.charge_id = r.charge_id
            AND o.report_id <> r.report_id
            AND o.state = 'approved'
            AND o.decided_at < d.decided_at
    ), 0)::bigint AS refunded_before
FROM new_decisions d
JOIN refunds.reports r USING (report_id)
JOIN LATERAL (
    SELECT n.facts, n.sha256
    FROM refunds.snapshots n
    WHERE n.report_id = d.report_id
    ORDER BY n.round DESC
    LIMIT 1
) AS s ON true
WHERE d.n > :after
ORDER BY d.n
LIMIT :limit;

-- name: write_audit()!
-- Imported decisions get an audit row: the import acted, decided_by is who it says decided.
INSERT INTO refunds.audit (at, actor, roles, action, report_id, subject, reason, old, new)
SELECT
    d.decided_at,
    'import',
    '{}',
    CASE d.decision WHEN 'approve' THEN 'approved' ELSE 'denied' END,
    d.report_id,
    d.report_id || '.1',
    d.note,
    jsonb_build_object('state', 'open'),
    jsonb_build_object(
        'state', CASE d.decision WHEN 'approve' THEN 'approved' ELSE 'denied' END,
        'refund_amount', d.refund_amount,
        'currency', r.currency,
        'decided_by', d.decided_by
    )
FROM new_decisions d
JOIN refunds.reports r USING (report_id)
ORDER BY d.n;

-- name: write_decision_mail()!
-- The mail the old desk sent, as a row that is never sent.
INSERT INTO refunds.outbox (
    message_id, kind, report_id, decision_id, to_name, to_address, subject, body, state, created_at,
    next_attempt_at)
SELECT
    'historic.decision.' || d.report_id || '.1',
    CASE d.decision WHEN 'approve' THEN 'approved' ELSE 'denied' END,
    d.report_id,
    d.report_id || '.1',
    p.name,
    p.email,
    'Your report ' || d.report_id || CASE d.decision WHEN 'approve' THEN ' was approved' ELSE ' was denied' END,
    'This decision was imported. What the pro was told then is not on file; nothing is sent for it.',
    'historic',
    d.decided_at,
    d.decided_at
FROM new_decisions d
JOIN refunds.reports r USING (report_id)
JOIN marketplace.pros p USING (pro_id)
ORDER BY d.n;

-- name: write_card_refunds()!
INSERT INTO refunds.card_refunds (
    card_refund_id, report_id, lot_id, pro_id, amount, currency, requested_by, requested_at, submitted_at)
SELECT
    s.card_refund_id, s.report_id, 'refund:' || r.standing_decision_id, r.pro_id, s.amount, s.currency,
    'import', s.requested_at, coalesce(s.submitted_at, s.requested_at)
FROM staged_card_refunds s
JOIN refunds.reports r USING (report_id)
ORDER BY s.line
ON CONFLICT (card_refund_id) DO NOTHING;

-- name: fill_card_refunds()!
-- What an outcome brings to payouts imported before.
UPDATE refunds.payouts p
SET
    state = s.outcome,
    settled_at = s.settled_at,
    reversed_at = CASE s.outcome WHEN 'reversed' THEN coalesce(s.reversed_at, s.settled_at) END,
    failure_reason = s.failure_reason
FROM staged_card_refunds s
WHERE
    s.card_refund_id = p.card_refund_id
    -- Only steps that may follow: what the desk learned meanwhile from the processor is never taken back.
    AND ((p.state = 'pending' AND s.outcome <> 'pending') OR (p.state, s.outcome) = ('succeeded', 'reversed'));

-- name: watch_payouts(now, settled_since)!
-- Imported payouts whose outcome may still come, or change, are looked at like ours; they are never sent again. A part
-- without the processor's id cannot be found there: its outcome comes with the folder.
UPDATE refunds.payouts p
SET
    look_at = CASE
        WHEN p.state = 'pending' THEN coalesce(p.look_at, CAST(:now AS timestamptz))
        WHEN p.state = 'succeeded' AND p.settled_at > CAST(:settled_since AS timestamptz)
            THEN coalesce(p.look_at, CAST(:now AS timestamptz))
    END
FROM staged_card_refunds s
WHERE s.card_refund_id = p.card_refund_id AND p.processor_ref IS NOT NULL;

-- name: name_payouts()!
-- The processor's id stands on the largest payout.
UPDATE refunds.payouts p
SET processor_ref = s.processor_ref
FROM staged_card_refunds s
WHERE
    s.card_refund_id = p.card_refund_id
    AND s.processor_ref IS NOT NULL
    AND p.processor_ref IS DISTINCT FROM s.processor_ref
    AND p.payout_id = (
        SELECT o.payout_id
        FROM refunds.payouts o
        WHERE o.card_refund_id = s.card_refund_id
        ORDER BY o.amount DESC, o.payout_id
        LIMIT 1
    );

-- name: write_payout_mail()!
-- The mails about money sent to a card, and about money that came back, as rows that are never sent.
INSERT INTO refunds.outbox (
    message_id, kind, report_id, payout_id, to_name, to_address, subject, body, state, created_at,
    next_attempt_at)
SELECT
    'historic.' || k.kind || '.' || o.payout_id,
    k.kind,
    c.report_id,
    o.payout_id,
    p.name,
    p.email,
    k.subject || ' (report ' || c.report_id || ')',
    'This card refund was imported. What the pro was told then is not on file; nothing is sent for it.',
    'historic',
    k.at,
    k.at
FROM staged_card_refunds s
JOIN refunds.card_refunds c USING (card_refund_id)
JOIN refunds.payouts o USING (card_refund_id)
JOIN marketplace.pros p ON p.pro_id = c.pro_id
CROSS JOIN LATERAL (
    VALUES
    ('card_refund_sent', 'Your card refund was sent', c.submitted_at, true),
    (
        'card_refund_returned',
        'Your card refund came back',
        coalesce(o.reversed_at, o.settled_at),
        o.state IN ('failed', 'reversed')
    )
) AS k (kind, subject, at, is_due)
WHERE k.is_due
ORDER BY k.at, o.payout_id
ON CONFLICT (message_id) DO NOTHING;

-- name: upsert_marketplace_balances()!
INSERT INTO refunds.marketplace_balances AS b (pro_id, currency, balance, as_of)
SELECT pro_id, currency, balance, as_of
FROM staged_balances
ON CONFLICT (pro_id, currency, as_of) DO UPDATE
SET balance = excluded.balance
WHERE b.balance <> excluded.balance;

-- name: balance_differences()$
-- How many of the marketplace's balances the ledger does not agree with, at their time.
SELECT count(*)
FROM staged_balances s
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(e.amount), 0) AS balance
    FROM refunds.ledger_transactions t
    JOIN refunds.ledger_entries e USING (transaction_id)
    WHERE
        t.pro_id = s.pro_id
        AND t.currency = s.currency
        AND t.occurred_at <= s.as_of
        AND e.account = 'pro_balance'
) AS ours
WHERE ours.balance <> s.balance;

-- name: freeze(report_ids, facts, taken_at)!
-- The facts of some reports, frozen with their hash.
INSERT INTO refunds.snapshots (report_id, round, facts, sha256, taken_at)
SELECT
    f.report_id,
    1,
    f.facts,
    encode(sha256(convert_to(f.facts, 'UTF8')), 'hex'),
    f.taken_at
FROM unnest(
    CAST(:report_ids AS text []), CAST(:facts AS text []), CAST(:taken_at AS timestamptz [])
) AS f (report_id, facts, taken_at);

-- name: card_refund_currencies()
-- The currency of each card refund of the folder.
SELECT card_refund_id, currency
FROM staged_card_refunds;
