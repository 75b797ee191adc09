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
