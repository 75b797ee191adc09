-- name: begin(draft_id, revision, policy, since, until, asked_by, at)$
-- A backtest is asked for; its id.
INSERT INTO refunds.backtests (draft_id, revision, policy, since, until, asked_by, asked_at, seen_at)
VALUES (:draft_id, :revision, CAST(:policy AS jsonb), :since, :until, :asked_by, :at, :at)
RETURNING backtest_id;

-- name: running()$
-- The backtest that runs now; there is one at most.
SELECT b.backtest_id
FROM refunds.backtests b
WHERE b.state = 'running';

-- name: draft(draft_id)^
-- One draft whatever became of it, with the name of the version it was published as.
SELECT
    d.draft_id,
    d.version,
    d.window_days,
    CAST(d.job_changed_miles AS double precision) AS job_changed_miles,
    d.revision,
    d.state,
    d.shadow_since
FROM refunds.policy_drafts d
WHERE d.draft_id = :draft_id;

-- name: runs(backtest_id, draft_id, version, limit)
-- Backtests with what became of their drafts, the newest first; a filter that is NULL does not filter.
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
    b.attempt,
    b.claims_judged,
    b.claims_total,
    b.seen_at,
    b.flips_listed,
    b.result,
    b.error,
    d.version,
    d.state AS draft_state,
    d.revision AS draft_revision,
    d.window_days AS draft_window_days,
    CAST(d.job_changed_miles AS double precision) AS draft_job_changed_miles
FROM refunds.backtests b
JOIN refunds.policy_drafts d ON d.draft_id = b.draft_id
LEFT JOIN refunds.people p ON p.person_id = b.asked_by
WHERE
    (CAST(:backtest_id AS bigint) IS NULL OR b.backtest_id = :backtest_id)
    AND (CAST(:draft_id AS bigint) IS NULL OR b.draft_id = :draft_id)
    AND (
        CAST(:version AS text) IS NULL
        OR b.draft_id = (SELECT v.draft_id FROM refunds.policy_versions v WHERE v.version = :version)
    )
ORDER BY b.backtest_id DESC
LIMIT :limit;

-- name: take(backtest_id, at)$
-- A process begins a running backtest, from its first claim on; the number of the attempt. Of one that has ended
-- nothing is touched.
WITH taken AS (
    UPDATE refunds.backtests
    SET attempt = attempt + 1, claims_judged = 0, flips_listed = 0, seen_at = :at
    WHERE backtest_id = :backtest_id AND state = 'running'
    RETURNING backtest_id, attempt
),
cleared AS (
    DELETE FROM refunds.backtest_flips f
    USING taken t
    WHERE f.backtest_id = t.backtest_id
)
SELECT t.attempt
FROM taken t;

-- name: go_on(backtest_id, attempt, claims_judged, claims_total, flips_listed, at)$
-- How far a running backtest is; nothing comes back when it was ended or begun again.
UPDATE refunds.backtests
SET
    claims_judged = :claims_judged,
    claims_total = :claims_total,
    flips_listed = :flips_listed,
    seen_at = :at
WHERE backtest_id = :backtest_id AND state = 'running' AND attempt = :attempt
RETURNING backtest_id;

-- name: finish(backtest_id, attempt, state, result, error, at)$
-- A running backtest ends; the state it was in, nothing when it had ended. An attempt that is NULL is any.
UPDATE refunds.backtests
SET state = :state, result = CAST(:result AS jsonb), error = :error, seen_at = :at
WHERE
    backtest_id = :backtest_id
    AND state = 'running'
    AND (CAST(:attempt AS integer) IS NULL OR attempt = :attempt)
RETURNING backtest_id;

-- name: end_silent(silent_since, error)!
-- A running backtest that gave no sign since a moment has failed; seen_at stays the last sign.
UPDATE refunds.backtests
SET state = 'failed', error = :error
WHERE state = 'running' AND seen_at < :silent_since;

-- name: claims_up_to(since, until, most)$
-- How many claims are reported in a period, counted no further than some number.
SELECT count(*)
FROM (
    SELECT
    FROM refunds.reports r
    WHERE r.reported_at >= :since AND r.reported_at < :until
    LIMIT :most
) AS n;

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
-- The frozen facts of a part's claims, with the decision that stands. A charge moves money once: by its last claim of
-- the period that was not withdrawn.
SELECT
    s.facts,
    r.category,
    d.decision,
    r.state = 'withdrawn' AS is_withdrawn,
    r.state <> 'withdrawn' AND NOT EXISTS (
        SELECT
        FROM refunds.reports later
        WHERE
            later.charge_id = r.charge_id
            AND later.state <> 'withdrawn'
            AND later.reported_at < :until
            AND (later.reported_at, later.report_id) > (r.reported_at, r.report_id)
    ) AS moves_money
FROM refunds.reports r
JOIN refunds.snapshots s ON s.report_id = r.report_id AND s.round = 1
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE
    r.report_id >= :first_id
    AND r.report_id <= :last_id
    AND r.reported_at >= :since
    AND r.reported_at < :until;

-- name: keep_flips(flips)!
-- The claims of a part whose recommendation differs: objects with the columns of the table.
INSERT INTO refunds.backtest_flips
SELECT f.*
FROM jsonb_populate_recordset(CAST(NULL AS refunds.backtest_flips), CAST(:flips AS jsonb)) AS f;

-- name: flips(backtest_id, report_id, was, becomes, reason, category, after_id, limit)
-- Claims whose recommendation differs, by id; a filter that is NULL does not filter.
SELECT
    f.report_id,
    f.charge_id,
    f.reason,
    f.category,
    f.currency,
    f.amount,
    f.was,
    f.becomes,
    f.decision,
    f.is_withdrawn,
    f.moves_money,
    f.changed
FROM refunds.backtest_flips f
WHERE
    f.backtest_id = :backtest_id
    AND (CAST(:report_id AS text) IS NULL OR f.report_id = :report_id)
    AND (CAST(:was AS text) IS NULL OR f.was = :was)
    AND (CAST(:becomes AS text) IS NULL OR f.becomes = :becomes)
    AND (CAST(:reason AS text) IS NULL OR f.reason = :reason)
    AND (CAST(:category AS text) IS NULL OR f.category = :category)
    AND f.report_id > :after_id
ORDER BY f.report_id
LIMIT :limit;
