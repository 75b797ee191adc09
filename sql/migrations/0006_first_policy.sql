-- The first policy version, in force from the beginning of time. The built-in policy
-- of the checks carry the same numbers; a test compares them.
INSERT INTO refunds.policy_versions (
    version, effective_from, window_days, job_changed_miles, sla_hours, card_refund_days,
    spend_order, approval_limit_minor, clauses, author, published_by, note)
VALUES (
    '2026-02', '0001-01-01T00:00:00Z', 30, 25.0, 48, 14, 'fifo', 3000, '{}', 'migration', 'migration',
    'The public refund policy as it stood when the desk was set up.');
