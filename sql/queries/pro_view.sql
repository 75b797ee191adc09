-- name: report(report_id)^
-- A report as its pro sees it, with the question that was asked last.
SELECT
    r.report_id,
    r.charge_id,
    r.lead_id,
    r.pro_id,
    coalesce(p.name, r.pro_id) AS pro_name,
    r.category,
    r.kind,
    r.reason,
    r.state,
    r.round,
    r.reported_at,
    r.charged_at,
    r.amount,
    r.currency,
    r.deadline_at,
    r.refunded_amount,
    r.standing_decision_id,
    coalesce(c.name, '') AS customer_name,
    (
        SELECT a.reason
        FROM refunds.audit a
        WHERE a.report_id = r.report_id AND a.action = 'asked_pro'
        ORDER BY a.audit_id DESC
        LIMIT 1
    ) AS question
FROM refunds.reports r
LEFT JOIN marketplace.pros p USING (pro_id)
LEFT JOIN marketplace.customers c USING (customer_id)
WHERE r.report_id = :report_id;

-- name: decisions(report_id)
-- Every decision of a report, first to last, with the checks it was made with.
SELECT
    d.decision_id,
    d.round,
    d.decision,
    d.decided_at,
    d.refund_amount,
    d.note,
    d.checks,
    d.decided_by,
    coalesce(p.name, d.decided_by) AS decided_by_name,
    coalesce(q.name, d.second_by) AS second_by_name
FROM refunds.decisions d
LEFT JOIN refunds.people p ON p.person_id = d.decided_by
LEFT JOIN refunds.people q ON q.person_id = d.second_by
WHERE d.report_id = :report_id
ORDER BY d.round;
