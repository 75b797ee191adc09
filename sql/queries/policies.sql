-- name: versions()
-- Every policy version that counts, scheduled ones included and revoked ones not, the latest in force first.
SELECT
    version,
    effective_from,
    window_days,
    CAST(job_changed_miles AS double precision) AS job_changed_miles,
    sla_hours,
    card_refund_days,
    spend_order,
    approval_limit_minor,
    clauses
FROM refunds.standing_policies
ORDER BY effective_from DESC;

-- name: published()
-- Every policy version with who wrote and published it and why, and who revoked it, the latest in force first.
SELECT
    v.version,
    v.effective_from,
    v.window_days,
    CAST(v.job_changed_miles AS double precision) AS job_changed_miles,
    v.sla_hours,
    v.card_refund_days,
    v.spend_order,
    v.approval_limit_minor,
    v.clauses,
    v.sources,
    v.note,
    (
        SELECT string_agg(coalesce(a.name, w.person_id), ', ' ORDER BY w.turn)
        FROM unnest(string_to_array(v.author, ', ')) WITH ORDINALITY AS w (person_id, turn)
        LEFT JOIN refunds.people a ON a.person_id = w.person_id
    ) AS author_names,
    coalesce(p.name, v.published_by) AS published_by_name,
    v.recorded_at,
    coalesce(q.name, r.revoked_by) AS revoked_by_name,
    r.reason AS revoked_because,
    r.at AS revoked_at
FROM refunds.policy_versions v
LEFT JOIN refunds.people p ON p.person_id = v.published_by
LEFT JOIN refunds.policy_revocations r ON r.version = v.version
LEFT JOIN refunds.people q ON q.person_id = r.revoked_by
ORDER BY v.effective_from DESC, v.recorded_at DESC;

-- name: drafts()
-- Drafts that are neither published nor dropped, the newest first, with who changed each last.
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
    d.sources,
    d.note,
    d.shadow_since,
    d.revision,
    d.based_on,
    d.written_by,
    d.written_at,
    (
        SELECT string_agg(coalesce(p.name, w.person_id), ', ' ORDER BY w.turn)
        FROM unnest(d.written_by) WITH ORDINALITY AS w (person_id, turn)
        LEFT JOIN refunds.people p ON p.person_id = w.person_id
    ) AS author_names,
    (
        SELECT coalesce(p.name, a.actor)
        FROM refunds.audit a
        LEFT JOIN refunds.people p ON p.person_id = a.actor
        WHERE
            a.subject = 'policy:' || d.draft_id
            AND a.action IN ('policy_drafted', 'policy_changed', 'policy_taken_over')
        ORDER BY a.audit_id DESC
        LIMIT 1
    ) AS changed_by_name
FROM refunds.policy_drafts d
WHERE d.state = 'draft'
ORDER BY d.draft_id DESC;

-- name: lock_draft(draft_id)^
-- One draft, locked for a change.
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
    d.sources,
    d.note,
    d.state,
    d.shadow_since,
    d.revision,
    d.based_on,
    d.written_by
FROM refunds.policy_drafts d
WHERE d.draft_id = :draft_id
FOR UPDATE;

-- name: write_draft(version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor, clauses, sources, note, based_on, author, at)$
-- A new draft; its id.
INSERT INTO refunds.policy_drafts (
    version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor,
    clauses, sources, note, based_on, written_by, written_at)
VALUES (
    :version, :window_days, :job_changed_miles, :sla_hours, :card_refund_days, :spend_order,
    :approval_limit_minor, CAST(:clauses AS jsonb), CAST(:sources AS jsonb), :note, :based_on, ARRAY[:author], :at)
RETURNING draft_id;

-- name: change_draft(draft_id, version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor, clauses, sources, note, based_on, author, at)!
-- A draft changes: its next revision, and who changed it is one of its authors; nobody (null) when it only takes
-- over what a version says.
UPDATE refunds.policy_drafts
SET
    version = :version,
    window_days = :window_days,
    job_changed_miles = :job_changed_miles,
    sla_hours = :sla_hours,
    card_refund_days = :card_refund_days,
    spend_order = :spend_order,
    approval_limit_minor = :approval_limit_minor,
    clauses = CAST(:clauses AS jsonb),
    sources = CAST(:sources AS jsonb),
    note = :note,
    based_on = :based_on,
    revision = revision + 1,
    written_by = CASE
        WHEN CAST(:author AS text) IS NULL OR :author = ANY (written_by) THEN written_by
        ELSE written_by || ARRAY[CAST(:author AS text)]
    END,
    written_at = :at
WHERE draft_id = :draft_id;

-- name: drop_draft(draft_id)!
-- A draft is given up.
UPDATE refunds.policy_drafts
SET state = 'dropped', shadow_since = NULL
WHERE draft_id = :draft_id;

-- name: set_shadow(draft_id, shadow_since)!
-- A draft judges new reports silently from a moment on, or no longer.
UPDATE refunds.policy_drafts
SET shadow_since = :shadow_since
WHERE draft_id = :draft_id;

-- name: lock_policies()^
-- One version is published or revoked after the other, to the end of the transaction: each is judged by the ones
-- before it. The guards of the tables take the same lock.
SELECT pg_advisory_xact_lock(hashtext('refunds.policies')) IS NULL AS held;

-- name: publish(draft_id, effective_from, published_by)!
-- A draft becomes a version for good; the table's trigger settles the draft.
INSERT INTO refunds.policy_versions (
    version, effective_from, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order,
    approval_limit_minor, clauses, sources, author, published_by, note, draft_id)
SELECT
    d.version,
    :effective_from,
    d.window_days,
    d.job_changed_miles,
    d.sla_hours,
    d.card_refund_days,
    d.spend_order,
    d.approval_limit_minor,
    d.clauses,
    d.sources,
    array_to_string(d.written_by, ', '),
    :published_by,
    d.note,
    d.draft_id
FROM refunds.policy_drafts d
WHERE d.draft_id = :draft_id;

-- name: revoke(version, revoked_by, reason, at)!
-- A version that is not yet in force will never be.
INSERT INTO refunds.policy_revocations (version, revoked_by, reason, at)
VALUES (:version, :revoked_by, :reason, :at);
