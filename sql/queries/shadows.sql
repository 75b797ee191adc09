-- name: due(limit)
-- New reports that a draft in the shadow has not judged yet, each with the draft as it is in this moment.
SELECT
    d.draft_id,
    d.version,
    d.window_days,
    CAST(d.job_changed_miles AS double precision) AS job_changed_miles,
    d.sla_hours,
    d.card_refund_days,
    d.spend_order,
    d.approval_limit_minor,
    d.clauses,
    d.revision,
    d.shadow_since,
    r.report_id,
    s.facts
FROM refunds.policy_drafts d
JOIN refunds.reports r ON r.reported_at >= d.shadow_since
JOIN refunds.snapshots s ON s.report_id = r.report_id AND s.round = 1
WHERE
    d.state = 'draft'
    AND d.shadow_since IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM refunds.shadow_judgements j
        WHERE j.draft_id = d.draft_id AND j.revision = d.revision AND j.report_id = r.report_id
    )
ORDER BY d.draft_id, r.reported_at, r.report_id
LIMIT :limit;

-- name: keep(draft_id, revision, shadow_since, report_id, was, becomes, changed, at)!
-- What a draft in the shadow says of a new report.
INSERT INTO refunds.shadow_judgements (
    draft_id, revision, shadow_since, report_id, was, becomes, changed, judged_at)
VALUES (:draft_id, :revision, :shadow_since, :report_id, :was, :becomes, CAST(:changed AS jsonb), :at)
ON CONFLICT DO NOTHING;

-- name: compared(draft_id)^
-- Which comparison of a draft is shown: of an open one that of its revision since it was switched on, of a settled
-- one the last.
SELECT
    d.version,
    d.state = 'draft' AS is_on,
    coalesce(last.revision, d.revision) AS revision,
    coalesce(last.shadow_since, d.shadow_since) AS shadow_since
FROM refunds.policy_drafts d
LEFT JOIN LATERAL (
    SELECT
        j.revision,
        j.shadow_since
    FROM refunds.shadow_judgements j
    WHERE j.draft_id = d.draft_id AND d.state <> 'draft'
    ORDER BY j.judged_at DESC, j.revision DESC
    LIMIT 1
) AS last ON true
WHERE d.draft_id = :draft_id AND coalesce(last.shadow_since, d.shadow_since) IS NOT NULL;

-- name: moves(draft_id, revision, shadow_since)
-- What one comparison counts, by the same rules as a backtest: a charge once, withdrawn reports apart.
SELECT
    n.was,
    n.becomes,
    n.reason,
    n.category,
    n.currency,
    n.people,
    count(*) AS claims,
    count(*) FILTER (WHERE n.moves_money) AS charges,
    CAST(coalesce(sum(n.amount) FILTER (WHERE n.moves_money), 0) AS bigint) AS amount
FROM (
    SELECT
        j.was,
        j.becomes,
        r.reason,
        r.category,
        r.currency,
        r.amount,
        CASE
            WHEN r.state = 'withdrawn' THEN 'withdrawn'
            WHEN d.decision = 'approve' THEN 'refunded'
            WHEN d.decision = 'deny' THEN 'denied'
            ELSE 'undecided'
        END AS people,
        r.state <> 'withdrawn' AND row_number() OVER (
            PARTITION BY r.charge_id, r.state = 'withdrawn'
            ORDER BY r.reported_at DESC, r.report_id DESC
        ) = 1 AS moves_money
    FROM refunds.shadow_judgements j
    JOIN refunds.reports r USING (report_id)
    LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
    WHERE j.draft_id = :draft_id AND j.revision = :revision AND j.shadow_since = :shadow_since
) AS n
GROUP BY n.was, n.becomes, n.reason, n.category, n.currency, n.people
ORDER BY n.was, n.becomes, n.reason, n.category, n.currency, n.people;

-- name: flips(draft_id, revision, shadow_since, limit)
-- The newest reports of which a draft in the shadow says something else.
SELECT
    j.report_id,
    r.charge_id,
    r.reason,
    r.category,
    r.amount,
    r.currency,
    j.was,
    j.becomes,
    d.decision,
    r.state = 'withdrawn' AS is_withdrawn,
    j.changed
FROM refunds.shadow_judgements j
JOIN refunds.reports r USING (report_id)
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE
    j.draft_id = :draft_id
    AND j.revision = :revision
    AND j.shadow_since = :shadow_since
    AND j.was <> j.becomes
ORDER BY j.judged_at DESC, j.report_id
LIMIT :limit;
