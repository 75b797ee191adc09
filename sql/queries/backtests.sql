-- name: begin(draft_id, revision, policy, since, until, asked_by, at)$
-- A backtest is asked for; its id.
INSERT INTO refunds.backtests (draft_id, revision, policy, since, until, asked_by, asked_at, seen_at)
VALUES (:draft_id, :revision, CAST(:policy AS jsonb), :since, :until, :asked_by, :at, :at)
RETURNING backtest_id;

-- name: backtest(backtest_id)^
-- One backtest.
SELECT
    b.backtest_id,
    b.draft_id,
    b.revision,
    b.policy,
    b.since,
    b.until,
    b.asked_at,
    coalesce(p.name, b.asked_by) AS asked_by_name,
    b.state,
    b.claims_judged,
    b.claims_total,
    b.seen_at,
    b.result,
    b.error
FROM refunds.backtests b
LEFT JOIN refunds.people p ON p.person_id = b.asked_by
WHERE b.backtest_id = :backtest_id;

-- name: newest(draft_id, limit)
-- The newest backtests of a draft.
SELECT
    b.backtest_id,
    b.revision,
    b.since,
    b.until,
    b.asked_at,
    b.state,
    b.claims_judged
FROM refunds.backtests b
WHERE b.draft_id = :draft_id
ORDER BY b.backtest_id DESC
LIMIT :limit;

-- name: go_on(backtest_id, claims_judged, claims_total, at)$
-- How far a running backtest is; nothing comes back when it was cancelled.
UPDATE refunds.backtests
SET claims_judged = :claims_judged, claims_total = :claims_total, seen_at = :at
WHERE backtest_id = :backtest_id AND state = 'running'
RETURNING backtest_id;

-- name: finish(backtest_id, state, result, error, at)!
-- A running backtest ends.
UPDATE refunds.backtests
SET state = :state, result = CAST(:result AS jsonb), error = :error, seen_at = :at
WHERE backtest_id = :backtest_id AND state = 'running';

-- name: parts(since, until, size)
-- The claims reported in a period, in parts of some size by their id.
SELECT
    min(n.report_id) AS first_id,
    max(n.report_id) AS last_id,
    count(*) AS claims
FROM (
    SELECT
        r.report_id,
        (row_number() OVER (ORDER BY r.report_id) - 1) / CAST(:size AS bigint) AS part
    FROM refunds.reports r
    WHERE r.reported_at >= :since AND r.reported_at < :until
) AS n
GROUP BY n.part
ORDER BY n.part;

-- name: claims(first_id, last_id, since, until)
-- The frozen facts of a part's claims, with the decision that stands.
SELECT
    s.facts,
    r.category,
    d.decision
FROM refunds.reports r
JOIN refunds.snapshots s ON s.report_id = r.report_id AND s.round = 1
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE
    r.report_id >= :first_id
    AND r.report_id <= :last_id
    AND r.reported_at >= :since
    AND r.reported_at < :until;

-- name: keep_flips(backtest_id, flips)!
-- The claims of a part whose recommendation differs.
INSERT INTO refunds.backtest_flips (
    backtest_id, report_id, reason, category, currency, amount, was, becomes, decision, changed)
SELECT
    :backtest_id,
    f.report_id,
    f.reason,
    f.category,
    f.currency,
    f.amount,
    f.was,
    f.becomes,
    f.decision,
    f.changed
FROM jsonb_to_recordset(CAST(:flips AS jsonb)) AS f (
    report_id text, reason text, category text, currency text, amount bigint,
    was text, becomes text, decision text, changed jsonb
);

-- name: flips(backtest_id, was, becomes, reason, category, after_id, limit)
-- A page of the claims whose recommendation differs; a filter that is NULL does not filter.
SELECT
    f.report_id,
    f.reason,
    f.category,
    f.currency,
    f.amount,
    f.was,
    f.becomes,
    f.decision,
    f.changed
FROM refunds.backtest_flips f
WHERE
    f.backtest_id = :backtest_id
    AND (CAST(:was AS text) IS NULL OR f.was = :was)
    AND (CAST(:becomes AS text) IS NULL OR f.becomes = :becomes)
    AND (CAST(:reason AS text) IS NULL OR f.reason = :reason)
    AND (CAST(:category AS text) IS NULL OR f.category = :category)
    AND f.report_id > :after_id
ORDER BY f.report_id
LIMIT :limit;

-- name: shadow_due(limit)
-- New reports that a draft in the shadow has not judged yet.
SELECT
    d.draft_id,
    d.revision,
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

-- name: keep_shadow(draft_id, revision, report_id, was, becomes, changed, at)!
-- What a draft in the shadow says of a new report.
INSERT INTO refunds.shadow_judgements (draft_id, revision, report_id, was, becomes, changed, judged_at)
VALUES (:draft_id, :revision, :report_id, :was, :becomes, CAST(:changed AS jsonb), :at)
ON CONFLICT DO NOTHING;

-- name: shadow_counts(draft_id, revision)
-- How a draft in the shadow compares so far.
SELECT
    j.was,
    j.becomes,
    count(*) AS claims
FROM refunds.shadow_judgements j
WHERE j.draft_id = :draft_id AND j.revision = :revision
GROUP BY j.was, j.becomes
ORDER BY j.was, j.becomes;

-- name: shadow_flips(draft_id, revision, limit)
-- The newest reports of which a draft in the shadow says something else.
SELECT
    j.report_id,
    r.reason,
    r.category,
    r.amount,
    r.currency,
    j.was,
    j.becomes,
    d.decision,
    j.changed
FROM refunds.shadow_judgements j
JOIN refunds.reports r USING (report_id)
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE j.draft_id = :draft_id AND j.revision = :revision AND j.was <> j.becomes
ORDER BY j.judged_at DESC, j.report_id
LIMIT :limit;
