-- name: claim(report_id)^
-- What a claim is compared by; the facts as they were frozen last.
SELECT
    r.report_id,
    r.lead_id,
    r.reason,
    r.kind,
    r.category,
    r.recommendation,
    r.charged_at,
    r.reported_at - r.charged_at AS age,
    s.facts
FROM refunds.reports r
CROSS JOIN LATERAL (
    SELECT n.facts
    FROM refunds.snapshots n
    WHERE n.report_id = r.report_id
    ORDER BY n.round DESC
    LIMIT 1
) AS s
WHERE r.report_id = :report_id;

-- name: candidates(report_id, lead_id, reason, kind, category, recommendation, age, words, rows, limit)
-- Of the newest decided claims of a reason those that could be most alike, by what is at hand in the tables: about
-- the same lead, the words, category, advice, kind and days. With what is compared closely, and who decided and why.
WITH recent AS (
    SELECT
        r.report_id,
        r.lead_id,
        r.kind,
        r.category,
        r.recommendation,
        r.amount,
        r.currency,
        r.reported_at - r.charged_at AS age,
        r.decided_at,
        r.standing_decision_id
    FROM refunds.reports r
    WHERE r.reason = :reason AND r.state IN ('approved', 'denied') AND r.report_id <> :report_id
    ORDER BY r.decided_at DESC
    LIMIT :rows
),
nearest AS (
    SELECT c.*
    FROM recent c
    JOIN refunds.report_words w ON w.report_id = c.report_id
    ORDER BY
        -- ts_rank gives 0.06 for a claim that has each of the words once.
        coalesce(ts_rank(w.words, to_tsquery('simple', :words)), 0) * 16
        + CASE WHEN c.lead_id = :lead_id THEN 1 ELSE 0 END
        + CASE WHEN c.recommendation = :recommendation THEN 0.4 ELSE 0 END
        + CASE WHEN c.category = :category THEN 0.2 ELSE 0 END
        + CASE WHEN c.kind = :kind THEN 0.2 ELSE 0 END
        + CASE WHEN abs(extract(EPOCH FROM c.age - CAST(:age AS interval))) < 5 * 86400 THEN 0.2 ELSE 0 END DESC,
        c.decided_at DESC
    LIMIT :limit
)

SELECT
    c.report_id,
    c.category,
    c.amount,
    c.currency,
    c.decided_at,
    d.decision,
    d.refund_amount,
    d.note,
    d.overruled,
    coalesce(p.name, d.decided_by) AS decided_by_name,
    coalesce(q.name, d.second_by) AS second_by_name,
    (
        SELECT jsonb_object_agg(k.id, k.status)
        FROM jsonb_to_recordset(d.checks) AS k (id text, status text)
    ) AS statuses,
    s.facts
FROM nearest c
JOIN refunds.decisions d ON d.decision_id = c.standing_decision_id
CROSS JOIN LATERAL (
    SELECT n.facts
    FROM refunds.snapshots n
    WHERE n.report_id = c.report_id
    ORDER BY n.round DESC
    LIMIT 1
) AS s
LEFT JOIN refunds.people p ON p.person_id = d.decided_by
LEFT JOIN refunds.people q ON q.person_id = d.second_by
ORDER BY c.decided_at DESC, c.report_id;

-- name: siblings(lead_id, pro_id, reason, limit)
-- The charges of a lead's other pros, each with the report that stands in the way of another one for a reason, and
-- whether all that a report needs is still here. The same obstacles as intake.charge has; a test holds them equal.
SELECT
    c.charge_id,
    c.pro_id,
    coalesce(p.name, c.pro_id) AS pro_name,
    c.amount,
    c.currency,
    c.charged_at,
    p.pro_id IS NOT NULL AND u.customer_id IS NOT NULL AS is_here,
    o.report_id,
    o.state
FROM marketplace.charges c
LEFT JOIN marketplace.leads l ON l.lead_id = c.lead_id
LEFT JOIN marketplace.pros p ON p.pro_id = c.pro_id
LEFT JOIN marketplace.customers u ON u.customer_id = l.customer_id
LEFT JOIN LATERAL (
    SELECT
        r.report_id,
        r.state
    FROM refunds.reports r
    WHERE
        r.charge_id = c.charge_id
        AND r.state <> 'withdrawn'
        AND (r.state <> 'denied' OR r.reason = :reason)
    ORDER BY
        r.state = 'denied',
        r.state = 'approved',
        r.reported_at DESC
    LIMIT 1
) AS o ON true
WHERE c.lead_id = :lead_id AND c.pro_id <> :pro_id
ORDER BY c.charged_at, c.charge_id
LIMIT :limit;
