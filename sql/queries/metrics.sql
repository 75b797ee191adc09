-- name: figures(sources, metric, slice, live_from, from_day, to_day, now, by, by_two, category, reason, kind, region, pro, agent, other)
-- The figures of a metric over UTC days (to_day exclusive), by up to two dimensions; a filter that is NULL does not
-- filter. Days before live_from come from the daily sums of a slice that has every dimension asked for; days since
-- then, days with a change that is not summed yet, and what is pending come from the facts themselves. slice NULL
-- reads nothing from the sums: then live_from is from_day.
WITH fresh AS (
    SELECT DISTINCT m.source, m.day
    FROM refunds.rollup_marks m
    WHERE m.source = ANY(:sources) AND m.day >= :from_day AND m.day < least(:to_day, :live_from)
), rolled AS (
    SELECT r.day, r.category, r.reason, r.kind, r.region, '' AS pro_id, r.agent, r.other, r.currency,
        r.n, r.k, 0 AS pending, r.amount_n, r.amount_k
    FROM refunds.rollup_days r
    WHERE
        r.metric = :metric
        AND r.slice = :slice
        AND r.day >= :from_day
        AND r.day < least(:to_day, :live_from)
        AND NOT EXISTS (SELECT FROM fresh f WHERE f.source = r.source AND f.day = r.day)
), facts AS (
    SELECT f.*
    FROM refunds.facts f
    WHERE
        f.metric = :metric
        AND NOT f.pending
        AND f.at >= CAST(greatest(:from_day, :live_from) AS timestamp) AT TIME ZONE 'UTC'
        AND f.at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC'
    UNION ALL
    SELECT f.*
    FROM fresh d
    CROSS JOIN LATERAL (
        SELECT *
        FROM refunds.facts
        WHERE
            source = d.source
            AND metric = :metric
            AND NOT pending
            AND at >= CAST(d.day AS timestamp) AT TIME ZONE 'UTC'
            AND at < CAST(d.day + 1 AS timestamp) AT TIME ZONE 'UTC'
        OFFSET 0 -- looked up for each day; joined to the days, all facts would be read first
    ) AS f
    UNION ALL
    SELECT f.*
    FROM refunds.facts f
    WHERE
        f.metric = :metric
        AND f.pending
        AND f.at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
        AND f.at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC'
), live AS (
    SELECT
        refunds.utc_day(f.at) AS day, f.category, f.reason, f.kind, f.region, f.pro_id, f.agent,
        CASE WHEN f.clock_from IS NULL THEN f.other ELSE refunds.hours_since(f.clock_from, :now) END AS other,
        f.currency, f.n, CAST(f.hit OR coalesce(f.due_at < :now, false) AS integer) AS k,
        CAST(f.pending AND NOT coalesce(f.due_at < :now, false) AS integer) AS pending, f.amount AS amount_n,
        CASE WHEN f.due_at < :now THEN f.amount ELSE f.hit_amount END AS amount_k
    FROM facts f
)

SELECT
    CASE :by
        WHEN 'category' THEN x.category WHEN 'reason' THEN x.reason WHEN 'kind' THEN x.kind
        WHEN 'region' THEN x.region WHEN 'pro' THEN x.pro_id WHEN 'agent' THEN x.agent WHEN 'other' THEN x.other
        WHEN 'month' THEN to_char(x.day, 'YYYY-MM') WHEN 'week' THEN to_char(date_trunc('week', x.day), 'YYYY-MM-DD')
        WHEN 'day' THEN to_char(x.day, 'YYYY-MM-DD') ELSE 'all'
    END AS key,
    CASE :by_two
        WHEN 'category' THEN x.category WHEN 'reason' THEN x.reason WHEN 'kind' THEN x.kind
        WHEN 'region' THEN x.region WHEN 'pro' THEN x.pro_id WHEN 'agent' THEN x.agent WHEN 'other' THEN x.other
        WHEN 'month' THEN to_char(x.day, 'YYYY-MM') WHEN 'week' THEN to_char(date_trunc('week', x.day), 'YYYY-MM-DD')
        WHEN 'day' THEN to_char(x.day, 'YYYY-MM-DD') ELSE 'all'
    END AS key_two,
    x.currency,
    sum(x.n)::bigint AS n,
    sum(x.k)::bigint AS k,
    sum(x.pending)::bigint AS pending,
    sum(x.amount_n)::bigint AS amount_n,
    sum(x.amount_k)::bigint AS amount_k
FROM (SELECT * FROM rolled UNION ALL SELECT * FROM live) AS x
WHERE
    (CAST(:category AS text) IS NULL OR x.category = :category)
    AND (CAST(:reason AS text) IS NULL OR x.reason = :reason)
    AND (CAST(:kind AS text) IS NULL OR x.kind = :kind)
    AND (CAST(:region AS text) IS NULL OR x.region = :region)
    AND (CAST(:pro AS text) IS NULL OR x.pro_id = :pro)
    AND (CAST(:agent AS text) IS NULL OR x.agent = :agent)
    AND (CAST(:other AS text) IS NULL OR x.other = :other)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- name: by_pro(from_day, to_day)
SELECT
    p.pro_id AS key, 'all' AS key_two, p.currency, sum(p.n)::bigint AS n, sum(p.k)::bigint AS k, 0 AS pending,
    sum(p.amount_n)::bigint AS amount_n, sum(p.amount_k)::bigint AS amount_k
FROM refunds.charges_by_pro(:from_day, :to_day) AS p
GROUP BY p.pro_id, p.currency
ORDER BY p.pro_id, p.currency;

-- name: spread_of_pros(from_day, to_day, deviations)
-- How pros spread over sizes and rates: those whose rate is more than so many standard errors from the rate of all, a row
-- each (pros 1), and the others by size: how many made n charges of which k were refunded, and one of them.
WITH pros AS (
    SELECT p.pro_id, sum(p.n)::bigint AS n, sum(p.k)::bigint AS k
    FROM refunds.charges_by_pro(:from_day, :to_day) AS p
    GROUP BY p.pro_id
), marked AS (
    SELECT
        p.pro_id, p.n, p.k, c.centre,
        abs(p.k / p.n::float - c.centre) > :deviations * sqrt(c.centre * (1 - c.centre) / p.n) AS outside
    FROM pros p
    CROSS JOIN (SELECT sum(k) / sum(n)::float AS centre FROM pros) AS c
)

SELECT min(m.pro_id) AS pro_id, count(*) AS pros, m.n, m.k, m.outside
FROM marked m
GROUP BY m.n, m.k, m.outside, CASE WHEN m.outside THEN m.pro_id END
ORDER BY m.n DESC, m.k DESC, pro_id;

-- name: cases(metric, from_day, to_day, now, hits, category, reason, kind, region, pro, agent, other, after_at, after_id, limit)
-- The things a figure counts, newest first, a page at a time. hits: only the k of them. A charge says itself whether it
-- was refunded.
SELECT
    f.at,
    f.case_id,
    coalesce(f.report_id, a.report_id) AS report_id,
    f.category,
    f.reason,
    f.kind,
    f.region,
    f.pro_id,
    coalesce(p.name, f.pro_id) AS pro_name,
    f.agent,
    f.currency,
    coalesce(c.amount, f.amount) AS amount,
    f.hit OR a.report_id IS NOT NULL OR coalesce(f.due_at < :now, false) AS hit,
    CASE WHEN f.due_at < :now THEN f.amount ELSE coalesce(a.refunded_amount, f.hit_amount) END AS hit_amount,
    r.state,
    r.reason AS report_reason,
    coalesce(r.lead_id, c.lead_id) AS lead_id
FROM (
    SELECT *
    FROM refunds.facts
    WHERE
        metric = :metric
        AND at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
        AND at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC'
        AND CASE WHEN :hits THEN hit OR coalesce(due_at < :now, false) ELSE n = 1 END
        AND (CAST(:category AS text) IS NULL OR category = :category)
        AND (CAST(:reason AS text) IS NULL OR reason = :reason)
        AND (CAST(:kind AS text) IS NULL OR kind = :kind)
        AND (CAST(:region AS text) IS NULL OR region = :region)
        AND (CAST(:pro AS text) IS NULL OR pro_id = :pro)
        AND (CAST(:agent AS text) IS NULL OR agent = :agent)
        AND (
            CAST(:other AS text) IS NULL
            OR CASE WHEN clock_from IS NULL THEN other ELSE refunds.hours_since(clock_from, :now) END = :other
        )
        AND (at, case_id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS text))
    ORDER BY at DESC, case_id DESC
    LIMIT :limit
) AS f
LEFT JOIN marketplace.pros p ON p.pro_id = f.pro_id
LEFT JOIN marketplace.charges c ON f.metric = 'refund_rate' AND c.charge_id = f.case_id
LEFT JOIN refunds.reports a ON a.charge_id = c.charge_id AND a.state = 'approved'
LEFT JOIN refunds.reports r ON r.report_id = coalesce(f.report_id, a.report_id)
ORDER BY f.at DESC, f.case_id DESC;

-- name: undecided(now, tonight)^
-- The undecided reports: how old the oldest is, and how much time is left, by bracket. One that waits has its pause.
SELECT
    count(*) AS open,
    min(r.opened_at) AS oldest_at,
    count(*) FILTER (WHERE r.state = 'waiting_on_pro') AS waiting,
    count(*) FILTER (WHERE r.state <> 'waiting_on_pro' AND r.deadline_at < :now) AS late,
    count(*) FILTER (
        WHERE r.state <> 'waiting_on_pro' AND r.deadline_at >= :now AND r.deadline_at < :now + interval '6 hours'
    ) AS under_6,
    count(*) FILTER (
        WHERE r.state <> 'waiting_on_pro'
        AND r.deadline_at >= :now + interval '6 hours' AND r.deadline_at < :now + interval '12 hours'
    ) AS under_12,
    count(*) FILTER (
        WHERE r.state <> 'waiting_on_pro'
        AND r.deadline_at >= :now + interval '12 hours' AND r.deadline_at < :now + interval '24 hours'
    ) AS under_24,
    count(*) FILTER (WHERE r.state <> 'waiting_on_pro' AND r.deadline_at >= :now + interval '24 hours') AS beyond,
    count(*) FILTER (WHERE r.state <> 'waiting_on_pro' AND r.deadline_at < :tonight) AS due_tonight
FROM refunds.reports r
WHERE r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval');

-- name: usual_arrivals(now, tonight, weeks)$
-- How many reports came on average between this time of day and midnight, on this weekday, in the last weeks.
SELECT count(r.report_id)::double precision / :weeks
FROM generate_series(1, :weeks) AS w (n)
LEFT JOIN refunds.reports r
    ON r.reported_at >= :now - w.n * interval '7 days'
    AND r.reported_at < :tonight - w.n * interval '7 days';

-- name: pauses(from_day, to_day)^
-- Questions to pros, and those whose pro had written since the report already: the answer may have been there.
SELECT
    count(*) AS n,
    count(*) FILTER (
        WHERE EXISTS (
            SELECT FROM marketplace.messages m
            WHERE
                m.lead_id = r.lead_id
                AND m.pro_id = r.pro_id
                AND m.sender = 'pro'
                AND m.sent_at > r.reported_at
                AND m.sent_at <= a.at
        )
    ) AS k
FROM refunds.audit a
JOIN refunds.reports r ON r.report_id = a.report_id
WHERE
    a.action = 'asked_pro'
    AND a.at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
    AND a.at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC';

-- name: mail_delay(from_day, to_day)^
-- Mails written in the period and sent: how many, and how many minutes it took half of them, and nine in ten.
SELECT
    count(*) AS n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(EPOCH FROM o.sent_at - o.created_at) / 60) AS median_minutes,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(EPOCH FROM o.sent_at - o.created_at) / 60) AS p90_minutes
FROM refunds.outbox o
WHERE
    o.state = 'sent'
    AND o.created_at >= CAST(:from_day AS timestamp) AT TIME ZONE 'UTC'
    AND o.created_at < CAST(:to_day AS timestamp) AT TIME ZONE 'UTC';

-- name: newest_day(today)$
-- Today, but when the last charge is older than a week, its UTC day: figures of a market that stopped end there.
SELECT CASE WHEN x.newest < CAST(:today AS date) - 7 THEN x.newest ELSE :today END
FROM (
    SELECT greatest(
        (SELECT max(r.day) FROM refunds.rollup_days r WHERE r.metric = 'refund_rate' AND r.slice = 'work'),
        (SELECT max(m.day) FROM refunds.rollup_marks m WHERE m.source = 'charges')
    ) AS newest
) AS x;
