-- name: charge(charge_id)^
-- A charge with what a report copies of it.
SELECT
    c.charge_id,
    c.pro_id,
    c.lead_id,
    c.amount,
    c.currency,
    c.charged_at,
    l.customer_id,
    l.kind,
    l.category
FROM marketplace.charges c
JOIN marketplace.leads l USING (lead_id)
WHERE c.charge_id = :charge_id;

-- name: open_report(charge_id)$
-- The report on a charge that is still to be decided, if any.
SELECT r.report_id
FROM refunds.reports r
WHERE
    r.charge_id = :charge_id
    AND r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval')
LIMIT 1;

-- name: next_number()$
-- A report id that nobody has.
WITH number AS (SELECT 'R-' || nextval('refunds.report_numbers') AS report_id)

SELECT n.report_id
FROM number n
WHERE NOT EXISTS (SELECT FROM refunds.reports r WHERE r.report_id = n.report_id);

-- name: write_report(report_id, charge_id, pro_id, lead_id, customer_id, kind, category, amount, currency, charged_at, reason, details, changed_zip, changed_category, channel, reported_at, filed_by, deadline_at)!
-- A report arrives; what the checks say of it follows in the same transaction.
INSERT INTO refunds.reports (
    report_id, charge_id, pro_id, lead_id, customer_id, kind, category, amount, currency, charged_at,
    reason, details, changed_zip, changed_category, channel, reported_at, filed_by,
    deadline_at, opened_at, recommendation, passes, unsures, fails)
VALUES (
    :report_id, :charge_id, :pro_id, :lead_id, :customer_id, :kind, :category, :amount, :currency, :charged_at,
    :reason, :details, :changed_zip, :changed_category, :channel, :reported_at, :filed_by,
    :deadline_at, :reported_at, 'review', 0, 0, 0);

-- name: set_assessment(report_id, recommendation, passes, unsures, fails)!
-- What the checks say of a report: the queue's summary.
UPDATE refunds.reports
SET recommendation = :recommendation, passes = :passes, unsures = :unsures, fails = :fails
WHERE report_id = :report_id;
