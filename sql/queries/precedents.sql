-- name: claim(report_id)^
-- What a claim is compared by.
SELECT
    r.report_id,
    r.reason,
    r.kind,
    r.category,
    r.recommendation,
    s.facts
FROM refunds.reports r
JOIN refunds.snapshots s ON s.report_id = r.report_id AND s.round = 1
WHERE r.report_id = :report_id;

-- name: nearest(report_id, reason, kind, category, recommendation, words, rows, limit)
-- Of the newest decided claims of a reason those most alike: by words first, then category, advice and kind.
WITH recent AS (
    SELECT
        r.report_id,
        r.kind,
        r.category,
        r.recommendation,
        r.amount,
        r.currency,
        r.decided_at,
        r.standing_decision_id
    FROM refunds.reports r
    WHERE r.reason = :reason AND r.state IN ('approved', 'denied') AND r.report_id <> :report_id
    ORDER BY r.decided_at DESC
    LIMIT :rows
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
    coalesce(p.name, d.decided_by) AS decided_by_name
FROM recent c
JOIN refunds.decisions d ON d.decision_id = c.standing_decision_id
JOIN refunds.report_words w ON w.report_id = c.report_id
LEFT JOIN refunds.people p ON p.person_id = d.decided_by
ORDER BY
    coalesce(ts_rank(w.words, to_tsquery('simple', :words), 1), 0) * 3
    + CASE WHEN c.category = :category THEN 0.2 ELSE 0 END
    + CASE WHEN c.recommendation = :recommendation THEN 0.2 ELSE 0 END
    + CASE WHEN c.kind = :kind THEN 0.1 ELSE 0 END DESC,
    c.decided_at DESC
LIMIT :limit;
