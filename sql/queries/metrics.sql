-- name: refund_rate(from_at, to_at, by, agent)
-- Charges made in the period, and those with a standing refund.
SELECT
    f.key,
    f.currency,
    count(*) AS n,
    count(*) FILTER (WHERE f.refunded > 0) AS k,
    sum(f.amount)::bigint AS amount_n,
    sum(f.refunded)::bigint AS amount_k
FROM (
    SELECT
        CASE :by
            WHEN 'category' THEN l.category
            WHEN 'kind' THEN l.kind
            WHEN 'region' THEN coalesce(z.state, 'unknown')
            WHEN 'pro' THEN c.pro_id
            WHEN 'month' THEN to_char(c.charged_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'week' THEN to_char(date_trunc('week', c.charged_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')
            WHEN 'day' THEN to_char(c.charged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS key,
        c.currency,
        c.amount,
        coalesce(r.refunded_amount, 0) AS refunded
    FROM marketplace.charges c
    JOIN marketplace.leads l USING (lead_id)
    LEFT JOIN refunds.reports r ON r.charge_id = c.charge_id AND r.state = 'approved'
    LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
    WHERE c.charged_at >= :from_at AND c.charged_at < :to_at AND CAST(:agent AS text) IS NULL
) AS f
GROUP BY f.key, f.currency
ORDER BY f.key, f.currency;

-- name: refund_activity(from_at, to_at, by, agent)
-- Decisions made in the period, and the approvals among them.
SELECT
    f.key,
    f.currency,
    count(*) AS n,
    count(*) FILTER (WHERE f.decision = 'approve') AS k,
    sum(f.amount)::bigint AS amount_n,
    sum(f.refund_amount)::bigint AS amount_k
FROM (
    SELECT
        CASE :by
            WHEN 'category' THEN r.category
            WHEN 'reason' THEN r.reason
            WHEN 'kind' THEN r.kind
            WHEN 'region' THEN coalesce(z.state, 'unknown')
            WHEN 'pro' THEN r.pro_id
            WHEN 'agent' THEN d.decided_by
            WHEN 'month' THEN to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'week' THEN to_char(date_trunc('week', d.decided_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')
            WHEN 'day' THEN to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS key,
        d.currency,
        d.decision,
        r.amount,
        d.refund_amount
    FROM refunds.decisions d
    JOIN refunds.reports r USING (report_id)
    LEFT JOIN marketplace.leads l USING (lead_id)
    LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
    WHERE
        d.decided_at >= :from_at
        AND d.decided_at < :to_at
        AND (CAST(:agent AS text) IS NULL OR d.decided_by = :agent)
) AS f
GROUP BY f.key, f.currency
ORDER BY f.key, f.currency;

-- name: overrule(from_at, to_at, by, agent)
-- Decisions made in the period, and those against an advice to approve or to deny.
SELECT
    f.key,
    f.currency,
    count(*) AS n,
    count(*) FILTER (WHERE f.overruled) AS k,
    sum(f.amount)::bigint AS amount_n,
    coalesce(sum(f.amount) FILTER (WHERE f.overruled), 0)::bigint AS amount_k
FROM (
    SELECT
        CASE :by
            WHEN 'category' THEN r.category
            WHEN 'reason' THEN r.reason
            WHEN 'kind' THEN r.kind
            WHEN 'region' THEN coalesce(z.state, 'unknown')
            WHEN 'pro' THEN r.pro_id
            WHEN 'agent' THEN d.decided_by
            WHEN 'month' THEN to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'week' THEN to_char(date_trunc('week', d.decided_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')
            WHEN 'day' THEN to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS key,
        d.currency,
        d.overruled,
        r.amount
    FROM refunds.decisions d
    JOIN refunds.reports r USING (report_id)
    LEFT JOIN marketplace.leads l USING (lead_id)
    LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
    WHERE
        d.decided_at >= :from_at
        AND d.decided_at < :to_at
        AND (CAST(:agent AS text) IS NULL OR d.decided_by = :agent)
) AS f
GROUP BY f.key, f.currency
ORDER BY f.key, f.currency;

-- name: sla(from_at, to_at, by, agent, now)
-- Reports whose deadline fell in the period, and those decided after it or still undecided past it. A report that
-- waits on its pro is never late; a withdrawn one is not late any more.
SELECT
    f.key,
    f.currency,
    count(*) AS n,
    count(*) FILTER (WHERE f.breached) AS k,
    sum(f.amount)::bigint AS amount_n,
    coalesce(sum(f.amount) FILTER (WHERE f.breached), 0)::bigint AS amount_k
FROM (
    SELECT
        CASE :by
            WHEN 'category' THEN r.category
            WHEN 'reason' THEN r.reason
            WHEN 'kind' THEN r.kind
            WHEN 'region' THEN coalesce(z.state, 'unknown')
            WHEN 'pro' THEN r.pro_id
            WHEN 'agent' THEN coalesce(d.decided_by, 'undecided')
            WHEN 'month' THEN to_char(r.deadline_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'week' THEN to_char(date_trunc('week', r.deadline_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')
            WHEN 'day' THEN to_char(r.deadline_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS key,
        r.currency,
        r.amount,
        coalesce(
            r.decided_at > r.deadline_at,
            r.state IN ('open', 'awaiting_second_approval') AND r.deadline_at < :now
        ) AS breached
    FROM refunds.reports r
    LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
    LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
    LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
    WHERE
        r.deadline_at >= :from_at
        AND r.deadline_at < :to_at
        AND (CAST(:agent AS text) IS NULL OR d.decided_by = :agent)
) AS f
GROUP BY f.key, f.currency
ORDER BY f.key, f.currency;

-- name: payout_reversals(from_at, to_at, by, agent)
-- Card refunds submitted in the period, and those that failed or were reversed.
SELECT
    f.key,
    f.currency,
    count(*) AS n,
    count(*) FILTER (WHERE f.returned > 0) AS k,
    sum(f.amount)::bigint AS amount_n,
    sum(f.returned)::bigint AS amount_k
FROM (
    SELECT
        CASE :by
            WHEN 'category' THEN r.category
            WHEN 'reason' THEN r.reason
            WHEN 'kind' THEN r.kind
            WHEN 'pro' THEN r.pro_id
            WHEN 'month' THEN to_char(c.submitted_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'week' THEN to_char(date_trunc('week', c.submitted_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')
            WHEN 'day' THEN to_char(c.submitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS key,
        c.currency,
        c.amount,
        c.returned_amount AS returned
    FROM refunds.card_refund_states c
    JOIN refunds.reports r USING (report_id)
    WHERE c.submitted_at >= :from_at AND c.submitted_at < :to_at AND CAST(:agent AS text) IS NULL
) AS f
GROUP BY f.key, f.currency
ORDER BY f.key, f.currency;

-- name: time_to_decision(from_at, to_at, by, agent)
-- Reports made in the period, those decided, and how long it took in hours: without the time in which the pro was
-- waited for, and with it. Undecided ones count in n and have no hours.
SELECT
    f.key,
    f.currency,
    count(*) AS n,
    count(f.hours) AS k,
    sum(f.amount)::bigint AS amount_n,
    coalesce(sum(f.amount) FILTER (WHERE f.hours IS NOT NULL), 0)::bigint AS amount_k,
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY f.hours))::numeric, 2)::double precision AS median_hours,
    round((percentile_cont(0.9) WITHIN GROUP (ORDER BY f.hours))::numeric, 2)::double precision AS p90_hours,
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY f.raw_hours))::numeric, 2)::double precision AS median_raw_hours
FROM (
    SELECT
        CASE :by
            WHEN 'category' THEN r.category
            WHEN 'reason' THEN r.reason
            WHEN 'kind' THEN r.kind
            WHEN 'pro' THEN r.pro_id
            WHEN 'agent' THEN coalesce(d.decided_by, 'undecided')
            WHEN 'month' THEN to_char(r.reported_at AT TIME ZONE 'UTC', 'YYYY-MM')
            WHEN 'week' THEN to_char(date_trunc('week', r.reported_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')
            WHEN 'day' THEN to_char(r.reported_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            ELSE 'all'
        END AS key,
        r.currency,
        r.amount,
        (extract(EPOCH FROM r.decided_at - r.opened_at) - r.paused_seconds) / 3600 AS hours,
        extract(EPOCH FROM r.decided_at - r.opened_at) / 3600 AS raw_hours
    FROM refunds.reports r
    LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
    WHERE
        r.reported_at >= :from_at
        AND r.reported_at < :to_at
        AND r.state <> 'withdrawn'
        AND (CAST(:agent AS text) IS NULL OR d.decided_by = :agent)
) AS f
GROUP BY f.key, f.currency
ORDER BY f.key, f.currency;

-- name: newest_month(now)$
-- The newest moment there is a charge of; the time now when there is none.
SELECT least(coalesce(max(c.charged_at), :now), :now)
FROM marketplace.charges c;
