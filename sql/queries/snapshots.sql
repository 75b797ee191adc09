-- name: facts_of(report_ids)
-- What the checks read of some reports, as it is now, but for the conversation. refunded_before counts approvals
-- of the same charge decided before the report came.
SELECT
    r.report_id,
    r.reason,
    r.details,
    r.reported_at,
    r.changed_zip,
    r.changed_category,
    r.number_tried,
    r.charge_id,
    r.amount,
    r.currency,
    r.charged_at,
    coalesce((
        SELECT sum(o.refunded_amount)
        FROM refunds.reports o
        WHERE
            o.charge_id = r.charge_id
            AND o.report_id <> r.report_id
            AND o.state = 'approved'
            AND o.decided_at <= r.reported_at
    ), 0)::bigint AS refunded_before,
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
    c.customer_id,
    c.name AS customer_name,
    c.email AS customer_email,
    c.phone AS customer_phone
FROM refunds.reports r
JOIN marketplace.leads l ON l.lead_id = r.lead_id
JOIN marketplace.pros p ON p.pro_id = r.pro_id
JOIN marketplace.customers c ON c.customer_id = r.customer_id
WHERE r.report_id = ANY(CAST(:report_ids AS text []));

-- name: conversations_of(report_ids)
-- The conversations behind some reports up to the moment of each report, in order.
SELECT
    r.report_id,
    m.message_id,
    m.sender,
    m.body,
    m.sent_at
FROM refunds.reports r
JOIN marketplace.messages m ON m.lead_id = r.lead_id AND m.pro_id = r.pro_id
WHERE r.report_id = ANY(CAST(:report_ids AS text [])) AND m.sent_at <= r.reported_at
ORDER BY r.report_id, m.sent_at, m.position;

-- name: conversation_until(lead_id, pro_id, until)
-- A conversation up to a moment, in order.
SELECT
    m.message_id,
    m.sender,
    m.body,
    m.sent_at
FROM marketplace.messages m
WHERE m.lead_id = :lead_id AND m.pro_id = :pro_id AND m.sent_at <= :until
ORDER BY m.sent_at, m.position;
