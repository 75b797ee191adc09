-- name: letter_facts(report_id)^
-- What every letter about a report may name, and whom it goes to. report_until is the last moment at which the
-- charge can be reported, by the policy in force when it was made.
SELECT
    r.report_id,
    r.charge_id,
    r.pro_id,
    r.lead_id,
    r.kind AS lead_kind,
    r.category,
    r.reason AS report_reason,
    r.amount AS charge_minor,
    r.currency,
    r.charged_at,
    r.reported_at,
    r.deadline_at,
    r.charged_at + make_interval(days => v.window_days) AS report_until,
    coalesce(p.name, r.pro_id) AS to_name,
    coalesce(p.email, '') AS to_address
FROM refunds.reports r
LEFT JOIN marketplace.pros p ON p.pro_id = r.pro_id
LEFT JOIN LATERAL (
    SELECT n.window_days
    FROM refunds.standing_policies n
    WHERE n.effective_from <= r.charged_at
    ORDER BY n.effective_from DESC
    LIMIT 1
) AS v ON true
WHERE r.report_id = :report_id;

-- name: enqueue(message_id, kind, report_id, decision_id, payout_id, to_name, to_address, subject, body, created_at)$
-- A mail that is due at once, in the transaction that causes it; its id.
INSERT INTO refunds.outbox (
    message_id, kind, report_id, decision_id, payout_id, to_name, to_address, subject, body,
    created_at, next_attempt_at)
VALUES (
    :message_id, :kind, :report_id, :decision_id, :payout_id, :to_name, :to_address, :subject, :body,
    :created_at, :created_at)
RETURNING mail_id;

-- name: claim(now, lease_until)^
-- One mail that is due goes to exactly one worker: the try is counted and the next one put off before the mail is
-- handed over, so a worker that dies leaves a mail that comes back when the lease ends.
WITH due AS (
    SELECT o.mail_id
    FROM refunds.outbox o
    WHERE o.state = 'queued' AND o.next_attempt_at <= :now
    ORDER BY o.next_attempt_at, o.mail_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)

UPDATE refunds.outbox o
SET attempts = o.attempts + 1, next_attempt_at = :lease_until
FROM due
WHERE o.mail_id = due.mail_id
RETURNING
    o.mail_id,
    o.message_id,
    o.to_name,
    o.to_address,
    o.subject,
    o.body,
    o.attempts;

-- name: set_sent(mail_id, at)!
-- The server accepted the mail; true whoever says it, so no guard but the state.
UPDATE refunds.outbox
SET state = 'sent', sent_at = :at, last_error = NULL
WHERE mail_id = :mail_id AND state = 'queued';

-- name: set_delayed(mail_id, attempts, next_attempt_at, last_error)!
-- The try failed for now; says nothing when another try was begun meanwhile.
UPDATE refunds.outbox
SET next_attempt_at = :next_attempt_at, last_error = :last_error
WHERE mail_id = :mail_id AND state = 'queued' AND attempts = :attempts;

-- name: set_refused(mail_id, attempts, last_error)!
-- The server will never take this mail, or it was tried often enough; says nothing when another try was begun.
UPDATE refunds.outbox
SET state = 'refused', last_error = :last_error
WHERE mail_id = :mail_id AND state = 'queued' AND attempts = :attempts;

-- name: newest(before, limit)
-- The newest mails, a page at a time.
SELECT
    o.mail_id,
    o.kind,
    o.report_id,
    o.to_name,
    o.to_address,
    o.subject,
    o.state,
    o.attempts,
    o.next_attempt_at,
    o.last_error,
    o.created_at,
    o.sent_at
FROM refunds.outbox o
WHERE o.mail_id < :before
ORDER BY o.mail_id DESC
LIMIT :limit;

-- name: newest_queued(before, limit)
-- The newest of the mails that wait; its own block, so that the index of what is due serves it.
SELECT
    o.mail_id,
    o.kind,
    o.report_id,
    o.to_name,
    o.to_address,
    o.subject,
    o.state,
    o.attempts,
    o.next_attempt_at,
    o.last_error,
    o.created_at,
    o.sent_at
FROM refunds.outbox o
WHERE o.state = 'queued' AND o.mail_id < :before
ORDER BY o.mail_id DESC
LIMIT :limit;

-- name: newest_in_state(state, before, limit)
-- The newest mails of one state.
SELECT
    o.mail_id,
    o.kind,
    o.report_id,
    o.to_name,
    o.to_address,
    o.subject,
    o.state,
    o.attempts,
    o.next_attempt_at,
    o.last_error,
    o.created_at,
    o.sent_at
FROM refunds.outbox o
WHERE o.state = :state AND o.mail_id < :before
ORDER BY o.mail_id DESC
LIMIT :limit;

-- name: of_report(report_id, state, before, limit)
-- The mails about one report, newest first, of one state or of all (NULL).
SELECT
    o.mail_id,
    o.kind,
    o.report_id,
    o.to_name,
    o.to_address,
    o.subject,
    o.state,
    o.attempts,
    o.next_attempt_at,
    o.last_error,
    o.created_at,
    o.sent_at
FROM refunds.outbox o
WHERE
    o.report_id = :report_id
    AND o.mail_id < :before
    AND (CAST(:state AS text) IS NULL OR o.state = :state)
ORDER BY o.mail_id DESC
LIMIT :limit;

-- name: mail(mail_id)^
-- One mail, with its words.
SELECT
    o.mail_id,
    o.message_id,
    o.kind,
    o.report_id,
    o.to_name,
    o.to_address,
    o.subject,
    o.body,
    o.state,
    o.attempts,
    o.next_attempt_at,
    o.last_error,
    o.created_at,
    o.sent_at
FROM refunds.outbox o
WHERE o.mail_id = :mail_id;

-- name: waiting(now)^
-- How many mails wait, how many of them are due, and since when the oldest does.
SELECT
    count(*) AS queued,
    count(*) FILTER (WHERE o.next_attempt_at <= :now) AS due,
    min(o.created_at) AS oldest_created_at
FROM refunds.outbox o
WHERE o.state = 'queued';
