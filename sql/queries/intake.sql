-- name: lock_charge(charge_id)^
-- Holds up any other report on the charge until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('report on ' || CAST(:charge_id AS text), 0)) IS NULL AS held;

-- name: charge(charge_id, reason, now)^
-- A charge with its lead, pro and customer as they are now, and the reports that stand in the way of another one.
SELECT
    c.charge_id,
    c.amount,
    c.currency,
    c.charged_at,
    l.lead_id,
    l.kind,
    l.category,
    l.zip AS lead_zip,
    l.description,
    l.created_at,
    p.pro_id,
    p.name AS pro_name,
    p.email AS pro_email,
    p.phone AS pro_phone,
    p.categories,
    p.zip AS pro_zip,
    u.customer_id,
    u.name AS customer_name,
    u.email AS customer_email,
    u.phone AS customer_phone,
    coalesce(s.refunded_before, 0)::bigint AS refunded_before,
    s.open_report,
    s.refunded_report,
    s.denied_report
FROM marketplace.charges c
JOIN marketplace.leads l USING (lead_id)
JOIN marketplace.pros p ON p.pro_id = c.pro_id
JOIN marketplace.customers u ON u.customer_id = l.customer_id
CROSS JOIN LATERAL (
    SELECT
        sum(r.refunded_amount) FILTER (WHERE r.state = 'approved' AND r.decided_at <= :now) AS refunded_before,
        min(r.report_id) FILTER (WHERE r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval'))
            AS open_report,
        min(r.report_id) FILTER (WHERE r.state = 'approved') AS refunded_report,
        max(r.report_id) FILTER (WHERE r.state = 'denied' AND r.reason = :reason) AS denied_report
    FROM refunds.reports r
    WHERE r.charge_id = c.charge_id
) AS s
WHERE c.charge_id = :charge_id;

-- name: next_number()$
-- A report id that nobody has.
WITH number AS (SELECT 'R-' || nextval('refunds.report_numbers') AS report_id)

SELECT n.report_id
FROM number n
WHERE NOT EXISTS (SELECT FROM refunds.reports r WHERE r.report_id = n.report_id);

-- name: write_report(report_id, charge_id, pro_id, lead_id, customer_id, kind, category, amount, currency, charged_at, reason, details, changed_zip, changed_category, number_tried, channel, reported_at, taken_at, filed_by, deadline_at, recommendation, passes, unsures, fails, facts)!
-- A report arrives, with the facts frozen for it, in one statement.
WITH report AS (
    INSERT INTO refunds.reports (
        report_id, charge_id, pro_id, lead_id, customer_id, kind, category, amount, currency, charged_at,
        reason, details, changed_zip, changed_category, number_tried, channel, reported_at, filed_by,
        deadline_at, opened_at, recommendation, passes, unsures, fails)
    VALUES (
        :report_id, :charge_id, :pro_id, :lead_id, :customer_id, :kind, :category, :amount, :currency,
        CAST(:charged_at AS timestamptz), :reason, :details, :changed_zip, :changed_category, :number_tried,
        :channel, :reported_at, :filed_by,
        :deadline_at, :reported_at, :recommendation, :passes, :unsures, :fails)
    RETURNING report_id
)

INSERT INTO refunds.snapshots (report_id, round, facts, sha256, taken_at)
SELECT
    r.report_id,
    1,
    CAST(:facts AS text),
    encode(sha256(convert_to(CAST(:facts AS text), 'UTF8')), 'hex'),
    :taken_at
FROM report r;

-- name: known_categories(pros)
-- The categories that some pros offer.
SELECT DISTINCT unnest(p.categories) AS category
FROM (SELECT n.categories FROM marketplace.pros n LIMIT :pros) AS p
ORDER BY category;
