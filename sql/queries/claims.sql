-- name: claim(report_id, now)^
-- A claim with everything there is one of: report, frozen facts, decision, proposal, who holds it, the credit.
SELECT
    r.report_id,
    r.charge_id,
    r.pro_id,
    r.lead_id,
    r.customer_id,
    r.kind,
    r.category,
    r.amount,
    r.currency,
    r.charged_at,
    r.reason,
    r.details,
    r.changed_zip,
    r.changed_category,
    r.number_tried,
    r.channel,
    r.reported_at,
    r.filed_by,
    coalesce(i.name, r.filed_by) AS filed_by_name,
    r.state,
    r.round,
    r.version,
    r.deadline_at,
    r.opened_at,
    r.paused_at,
    r.paused_seconds,
    r.refunded_amount,
    r.decided_at,
    r.standing_decision_id,
    CASE WHEN r.lease_until > :now THEN r.holder END AS holder,
    CASE WHEN r.lease_until > :now THEN coalesce(h.name, r.holder) END AS holder_name,
    s.facts,
    s.sha256,
    s.taken_at,
    d.decision,
    d.note AS decision_note,
    d.decided_by,
    coalesce(b.name, d.decided_by) AS decided_by_name,
    coalesce(e.name, d.second_by) AS second_by_name,
    d.policy_version,
    d.overruled,
    q.refund_amount AS proposed_amount,
    q.note AS proposal_note,
    q.proposed_by,
    coalesce(g.name, q.proposed_by) AS proposed_by_name,
    l.remaining AS credit_remaining,
    l.card_until
FROM refunds.reports r
LEFT JOIN LATERAL (
    SELECT
        n.facts,
        n.sha256,
        n.taken_at
    FROM refunds.snapshots n
    WHERE n.report_id = r.report_id
    ORDER BY n.round DESC
    LIMIT 1
) AS s ON true
LEFT JOIN LATERAL (
    SELECT *
    FROM refunds.proposals w
    WHERE w.report_id = r.report_id AND w.round = r.round AND r.state = 'awaiting_second_approval'
    ORDER BY w.attempt DESC
    LIMIT 1
) AS q ON true
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
LEFT JOIN refunds.lots l ON l.lot_id = 'refund:' || r.standing_decision_id
LEFT JOIN refunds.people h ON h.person_id = r.holder
LEFT JOIN refunds.people i ON i.person_id = r.filed_by
LEFT JOIN refunds.people b ON b.person_id = d.decided_by
LEFT JOIN refunds.people e ON e.person_id = d.second_by
LEFT JOIN refunds.people g ON g.person_id = q.proposed_by
WHERE r.report_id = :report_id;

-- name: conversation(lead_id, pro_id, limit)
-- A conversation in order, later messages included; the oldest are left out beyond the limit.
SELECT
    n.message_id,
    n.sender,
    n.body,
    n.sent_at
FROM (
    SELECT m.*
    FROM marketplace.messages m
    WHERE m.lead_id = :lead_id AND m.pro_id = :pro_id
    ORDER BY m.sent_at DESC, m.position DESC
    LIMIT :limit
) AS n
ORDER BY n.sent_at, n.position;

-- name: pro_history(pro_id, limit)^
-- How often a pro was charged and refunded, among the newest charges.
WITH charges AS (
    SELECT c.charge_id
    FROM marketplace.charges c
    WHERE c.pro_id = :pro_id
    ORDER BY c.charged_at DESC
    LIMIT :limit
), reports AS (
    SELECT
        r.charge_id,
        bool_or(r.state = 'approved') AS refunded
    FROM refunds.reports r
    WHERE r.pro_id = :pro_id
    GROUP BY r.charge_id
)

SELECT
    count(*) AS charges,
    count(r.charge_id) AS reported,
    count(*) FILTER (WHERE r.refunded) AS refunded
FROM charges c
LEFT JOIN reports r USING (charge_id);

-- name: pro_reports(pro_id, report_id, limit)
-- A pro's other reports, newest first.
SELECT
    r.report_id,
    r.state,
    r.reason,
    r.amount,
    r.currency,
    r.category,
    r.reported_at
FROM refunds.reports r
WHERE r.pro_id = :pro_id AND r.report_id <> :report_id
ORDER BY r.reported_at DESC
LIMIT :limit;

-- name: lead_charges(lead_id, limit)
-- Everybody who was charged for a lead, with their reports: a charge that was reported twice is there twice.
SELECT
    c.charge_id,
    c.pro_id,
    coalesce(p.name, c.pro_id) AS pro_name,
    c.amount,
    c.currency,
    c.charged_at,
    c.paid_with,
    r.report_id,
    r.state,
    r.reason
FROM marketplace.charges c
LEFT JOIN marketplace.pros p USING (pro_id)
LEFT JOIN refunds.reports r USING (charge_id)
WHERE c.lead_id = :lead_id
ORDER BY c.charged_at, c.charge_id, r.reported_at, r.report_id
LIMIT :limit;

-- name: customer_reports(customer_id, report_id, limit)
-- Other reports about the same customer, newest first.
SELECT
    r.report_id,
    r.state,
    r.reason,
    r.amount,
    r.currency,
    r.category,
    r.lead_id,
    r.reported_at,
    coalesce(p.name, r.pro_id) AS pro_name
FROM refunds.reports r
LEFT JOIN marketplace.pros p USING (pro_id)
WHERE r.customer_id = :customer_id AND r.report_id <> :report_id
ORDER BY r.reported_at DESC
LIMIT :limit;

-- name: timeline(report_id, limit)
-- Who did what to a claim, when, and what it changed.
SELECT
    a.at,
    a.actor,
    coalesce(p.name, a.actor) AS actor_name,
    a.action,
    a.reason,
    a.old,
    a.new
FROM refunds.audit a
LEFT JOIN refunds.people p ON p.person_id = a.actor
WHERE a.report_id = :report_id
ORDER BY a.at, a.audit_id
LIMIT :limit;

-- name: card_refunds(report_id)
-- The card refunds of a claim's credit.
SELECT
    s.card_refund_id,
    s.state,
    s.amount,
    s.currency,
    s.requested_at,
    s.submitted_at,
    s.settled_at,
    s.reversed_at,
    s.failure_reason
FROM refunds.card_refund_states s
WHERE s.report_id = :report_id
ORDER BY s.requested_at;

-- name: source_ids(report_id)
-- What the ledger knows of a claim: its charge, its decisions, its card refunds and payouts.
SELECT r.charge_id AS source_id FROM refunds.reports r WHERE r.report_id = :report_id
UNION
SELECT d.decision_id FROM refunds.decisions d WHERE d.report_id = :report_id
UNION
SELECT c.card_refund_id FROM refunds.card_refunds c WHERE c.report_id = :report_id
UNION
SELECT p.payout_id
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
WHERE c.report_id = :report_id;
