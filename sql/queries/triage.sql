-- name: take_next(actor, now, lease_until)^
-- The most urgent free claim goes to exactly one person: locked rows are skipped, a lease that ran out counts as free.
-- An appeal is not for the person who denied it.
WITH urgent AS (
    SELECT
        r.report_id,
        r.holder
    FROM refunds.reports r
    WHERE
        r.state = 'open'
        AND (r.holder IS NULL OR r.lease_until <= :now)
        AND (
            r.round = 1
            OR NOT EXISTS (
                SELECT FROM refunds.decisions d
                WHERE d.report_id = r.report_id AND d.decision = 'deny' AND d.decided_by = :actor
            )
        )
    ORDER BY r.deadline_at, r.report_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)

UPDATE refunds.reports r
SET holder = :actor, lease_until = :lease_until
FROM urgent
WHERE r.report_id = urgent.report_id
RETURNING r.report_id, urgent.holder AS old_holder;

-- name: held_by(actor, now)
-- The claims a person holds now, most urgent first.
SELECT
    r.report_id,
    r.lease_until
FROM refunds.reports r
WHERE
    r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval')
    AND r.holder = :actor
    AND r.lease_until > :now
ORDER BY r.deadline_at, r.report_id;

-- name: lock_report(report_id)^
-- Locks one report for a change: the first lock of every change to a claim.
SELECT
    r.report_id,
    r.charge_id,
    r.pro_id,
    r.amount,
    r.currency,
    r.charged_at,
    r.reason,
    r.reported_at,
    r.state,
    r.round,
    r.version,
    r.deadline_at,
    r.opened_at,
    r.paused_at,
    r.paused_seconds,
    r.holder,
    r.lease_until,
    r.standing_decision_id,
    r.refunded_amount
FROM refunds.reports r
WHERE r.report_id = :report_id
FOR UPDATE;

-- name: set_holder(report_id, holder, lease_until)!
-- Gives a claim to a person until the lease runs out, or frees it.
UPDATE refunds.reports
SET holder = :holder, lease_until = :lease_until
WHERE report_id = :report_id;

-- name: set_waiting(report_id, at)!
-- The clock stops: the pro was asked.
UPDATE refunds.reports
SET state = 'waiting_on_pro', paused_at = :at, version = version + 1, holder = NULL, lease_until = NULL
WHERE report_id = :report_id;

-- name: set_resumed(report_id, deadline_at, paused_seconds)!
-- The clock runs again: the deadline has moved by the pause.
UPDATE refunds.reports
SET
    state = 'open',
    paused_at = NULL,
    deadline_at = :deadline_at,
    paused_seconds = :paused_seconds,
    version = version + 1
WHERE report_id = :report_id;

-- name: set_withdrawn(report_id)!
-- The pro takes the report back.
UPDATE refunds.reports
SET state = 'withdrawn', paused_at = NULL, version = version + 1, holder = NULL, lease_until = NULL
WHERE report_id = :report_id;

-- name: set_open_again(report_id, opened_at, deadline_at)!
-- A new round, after a reopening or an undone approval, with its own deadline.
UPDATE refunds.reports
SET
    state = 'open',
    round = round + 1,
    version = version + 1,
    opened_at = :opened_at,
    deadline_at = :deadline_at,
    paused_seconds = 0,
    standing_decision_id = NULL,
    decided_at = NULL,
    refunded_amount = 0,
    holder = NULL,
    lease_until = NULL
WHERE report_id = :report_id;

-- name: denials(report_id)$
-- How often a report was denied.
SELECT count(*)
FROM refunds.decisions d
WHERE d.report_id = :report_id AND d.decision = 'deny';

-- name: other_report(report_id, charge_id)^
-- Another report on the same charge that is open or approved, if any.
SELECT
    r.report_id,
    r.state
FROM refunds.reports r
WHERE
    r.charge_id = :charge_id
    AND r.report_id <> :report_id
    AND r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval', 'approved')
LIMIT 1;

-- name: has_denied(report_id, person_id)$
-- Whether somebody denied an earlier round of a report.
SELECT EXISTS (
    SELECT FROM refunds.decisions d
    WHERE d.report_id = :report_id AND d.decision = 'deny' AND d.decided_by = :person_id
);

-- name: charge_of(report_id)$
-- The charge of a report.
SELECT r.charge_id
FROM refunds.reports r
WHERE r.report_id = :report_id;

-- name: set_answered(report_id)!
-- Something of the pro landed on the claim: who looked at it before looks again.
UPDATE refunds.reports
SET version = version + 1
WHERE report_id = :report_id;
