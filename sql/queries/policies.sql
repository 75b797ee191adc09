-- name: versions()
-- Every policy version, the latest in force first.
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
FROM refunds.policy_versions
ORDER BY effective_from DESC;

-- name: published()
-- Every policy version with who wrote and published it and why, the latest in force first.
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
    coalesce(a.name, v.author) AS author_name,
    coalesce(p.name, v.published_by) AS published_by_name,
    v.recorded_at
FROM refunds.policy_versions v
LEFT JOIN refunds.people a ON a.person_id = v.author
LEFT JOIN refunds.people p ON p.person_id = v.published_by
ORDER BY v.effective_from DESC;

-- name: drafts()
-- Drafts that are neither published nor dropped, the newest first.
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
    d.written_by,
    d.written_at,
    (
        SELECT string_agg(coalesce(p.name, w.person_id), ', ' ORDER BY w.turn)
        FROM unnest(d.written_by) WITH ORDINALITY AS w (person_id, turn)
        LEFT JOIN refunds.people p ON p.person_id = w.person_id
    ) AS author_names
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
    d.written_by
FROM refunds.policy_drafts d
WHERE d.draft_id = :draft_id
FOR UPDATE;

-- name: write_draft(version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor, clauses, sources, note, author, at)$
-- A new draft; its id.
INSERT INTO refunds.policy_drafts (
    version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor,
    clauses, sources, note, written_by, written_at)
VALUES (
    :version, :window_days, :job_changed_miles, :sla_hours, :card_refund_days, :spend_order,
    :approval_limit_minor, CAST(:clauses AS jsonb), CAST(:sources AS jsonb), :note, ARRAY[:author], :at)
RETURNING draft_id;

-- name: change_draft(draft_id, version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor, clauses, sources, note, author, at)!
-- A draft changes: its next revision, and who changed it is one of its authors.
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
    revision = revision + 1,
    written_by = CASE WHEN :author = ANY(written_by) THEN written_by ELSE written_by || ARRAY[:author] END,
    written_at = :at
WHERE draft_id = :draft_id;

-- name: set_draft_state(draft_id, state)!
-- A draft was published or dropped.
UPDATE refunds.policy_drafts
SET state = :state, shadow_since = NULL
WHERE draft_id = :draft_id;

-- name: set_shadow(draft_id, shadow_since)!
-- A draft judges new reports silently from a moment on, or no longer.
UPDATE refunds.policy_drafts
SET shadow_since = :shadow_since
WHERE draft_id = :draft_id;

-- name: latest_effective()^
-- The version that comes into force last, and the versions there are.
SELECT
    max(effective_from) AS effective_from,
    array_agg(version) AS versions
FROM refunds.policy_versions;

-- name: publish(version, effective_from, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor, clauses, sources, author, published_by, note)!
-- A new version, for good.
INSERT INTO refunds.policy_versions (
    version, effective_from, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order,
    approval_limit_minor, clauses, sources, author, published_by, note)
VALUES (
    :version, :effective_from, :window_days, :job_changed_miles, :sla_hours, :card_refund_days, :spend_order,
    :approval_limit_minor, CAST(:clauses AS jsonb), CAST(:sources AS jsonb), :author, :published_by, :note);
