-- Refunds are summed apart from the charges they give back: a decision then sums a day's refunds anew and not its
-- charges, which are a hundred times as many.

CREATE INDEX reports_refunded ON refunds.reports (charged_at) WHERE state = 'approved';
DROP INDEX refunds.reports_charge_id_idx; -- the same as one_refund_a_charge
-- Charges are not in the order of time when history is imported: a BRIN index then finds every block.
DROP INDEX marketplace.charges_charged;
CREATE INDEX charges_charged ON marketplace.charges (charged_at);

-- One row a thing counted, for every metric; the one place where a metric is defined (docs/metrics.md).
-- at: the moment it counts by. hit: it is one of the k. pending: it can still become one as time goes by, and is
-- never rolled up; due_at, clock_from: from when it is late, since when its clock runs. other: what the metric is
-- broken down by beside the usual (see each branch). case_id: report, charge or card refund, the claim is report_id.
-- n: 1, but 0 for a hit of what another row counts.
CREATE OR REPLACE VIEW refunds.facts AS
SELECT
    'charges' AS source, 'refund_rate' AS metric, c.charged_at AS at,
    coalesce(l.category, 'unknown') AS category, '' AS reason, coalesce(l.kind, 'unknown') AS kind,
    coalesce(z.state, 'unknown') AS region, c.pro_id, '' AS agent, '' AS other, c.currency, c.amount,
    false AS hit, 0::bigint AS hit_amount,
    false AS pending, CAST(NULL AS timestamptz) AS due_at, CAST(NULL AS timestamptz) AS clock_from,
    c.charge_id AS case_id, CAST(NULL AS text) AS report_id, 1 AS n
FROM marketplace.charges c
LEFT JOIN marketplace.leads l ON l.lead_id = c.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
-- The refunded ones of these charges, counted among them already: a decision changes them and not the charges.
SELECT
    'refunds', 'refund_rate', r.charged_at, coalesce(l.category, 'unknown'), '', coalesce(l.kind, 'unknown'),
    coalesce(z.state, 'unknown'), r.pro_id, '', '', r.currency, 0,
    true, r.refunded_amount, false, NULL, NULL, r.charge_id, r.report_id, 0
FROM refunds.reports r
LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
WHERE r.state = 'approved'
UNION ALL
-- Decisions, later undone ones included. other: what makes claims alike, the reason and what we advised.
SELECT
    'decisions', 'refund_activity', d.decided_at, r.category, r.reason, r.kind, coalesce(z.state, 'unknown'),
    r.pro_id, d.decided_by, r.reason || '/' || d.recommendation, d.currency, r.amount,
    d.decision = 'approve', d.refund_amount, false, NULL, NULL, d.decision_id, d.report_id, 1
FROM refunds.decisions d
JOIN refunds.reports r ON r.report_id = d.report_id
LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
SELECT
    'decisions', 'overrule', d.decided_at, r.category, r.reason, r.kind, coalesce(z.state, 'unknown'),
    r.pro_id, d.decided_by, '', d.currency, r.amount,
    d.overruled, CASE WHEN d.overruled THEN r.amount ELSE 0 END, false, NULL, NULL, d.decision_id, d.report_id, 1
FROM refunds.decisions d
JOIN refunds.reports r ON r.report_id = d.report_id
LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
-- other: a check on which the advice rested: each failed one of a denial, the reason's own one of an approval.
SELECT
    'decisions', 'check_overrule', d.decided_at, r.category, r.reason, r.kind, '', r.pro_id, d.decided_by,
    k.id, d.currency, r.amount,
    d.overruled, CASE WHEN d.overruled THEN r.amount ELSE 0 END, false, NULL, NULL, d.decision_id, d.report_id, 1
FROM refunds.decisions d
JOIN refunds.reports r ON r.report_id = d.report_id
CROSS JOIN LATERAL jsonb_to_recordset(d.checks) AS k (id text, status text)
WHERE
    (d.recommendation = 'deny' AND k.status = 'fail')
    OR (
        d.recommendation = 'approve'
        AND k.status = 'pass'
        AND k.id IN ('job_changed', 'terms_violated', 'phone_invalid', 'first_response_clear_no')
    )
UNION ALL
-- Deadlines. other: weekday and hour of arrival (UTC), 1 09 for Monday after nine.
SELECT
    'deadlines', 'sla', r.deadline_at, r.category, r.reason, r.kind, coalesce(z.state, 'unknown'),
    r.pro_id, coalesce(d.decided_by, 'undecided'), to_char(r.opened_at AT TIME ZONE 'UTC', 'ID HH24'), r.currency,
    r.amount, coalesce(r.decided_at > r.deadline_at, false),
    CASE WHEN r.decided_at > r.deadline_at THEN r.amount ELSE 0 END,
    r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval'),
    CASE WHEN r.state IN ('open', 'awaiting_second_approval') THEN r.deadline_at END, NULL, r.report_id, r.report_id, 1
FROM refunds.reports r
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
-- Hours to the decision, pauses taken off. other: the hour in which it was decided, counted from 1.
SELECT
    'arrivals', 'time_to_decision', r.reported_at, r.category, r.reason, r.kind, '', r.pro_id,
    coalesce(d.decided_by, 'undecided'),
    coalesce(
        CAST(greatest(1, ceil((extract(EPOCH FROM coalesce(r.decided_at, r.paused_at) - r.opened_at) - r.paused_seconds) / 3600)) AS text),
        ''),
    r.currency, r.amount, r.decided_at IS NOT NULL, CASE WHEN r.decided_at IS NULL THEN 0 ELSE r.amount END,
    r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval'), NULL,
    CASE WHEN r.state IN ('open', 'awaiting_second_approval') THEN r.opened_at + make_interval(secs => r.paused_seconds) END,
    r.report_id, r.report_id, 1
FROM refunds.reports r
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE r.state <> 'withdrawn'
UNION ALL
-- The same, pauses counted.
SELECT
    'arrivals', 'raw_time_to_decision', r.reported_at, r.category, r.reason, r.kind, '', r.pro_id,
    coalesce(d.decided_by, 'undecided'),
    coalesce(CAST(greatest(1, ceil(extract(EPOCH FROM r.decided_at - r.opened_at) / 3600)) AS text), ''),
    r.currency, r.amount, r.decided_at IS NOT NULL, CASE WHEN r.decided_at IS NULL THEN 0 ELSE r.amount END,
    r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval'), NULL,
    CASE WHEN r.decided_at IS NULL THEN r.opened_at END, r.report_id, r.report_id, 1
FROM refunds.reports r
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE r.state <> 'withdrawn'
UNION ALL
-- Card refunds by submission. other: what became of it.
SELECT
    'payouts', 'payout_reversals', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    CASE WHEN c.state IN ('submitted', 'unknown') THEN 'pending' ELSE c.state END, c.currency, c.amount,
    c.returned_amount > 0, c.returned_amount, false, NULL, NULL, c.card_refund_id, c.report_id, 1
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL
UNION ALL
-- The same; other: the processor, by the shape of its id.
SELECT
    'payouts', 'payout_processor', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    coalesce((
        SELECT CASE WHEN p.processor_ref ~ '^(re|pyr)_' THEN 'stripe' ELSE 'another' END
        FROM refunds.payouts p
        WHERE p.card_refund_id = c.card_refund_id AND p.processor_ref IS NOT NULL
        ORDER BY p.payout_id
        LIMIT 1
    ), 'no id yet'), c.currency, c.amount,
    c.returned_amount > 0, c.returned_amount, false, NULL, NULL, c.card_refund_id, c.report_id, 1
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL
UNION ALL
-- Those that came back; other: how many days after submission, counted from 1.
SELECT
    'payouts', 'reversal_age', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    CAST(greatest(1, ceil(extract(EPOCH FROM coalesce(c.reversed_at, c.settled_at, c.submitted_at) - c.submitted_at) / 86400)) AS text),
    c.currency, c.amount, true, c.returned_amount, false, NULL, NULL, c.card_refund_id, c.report_id, 1
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL AND c.returned_amount > 0
UNION ALL
-- Those that arrived; other: how many days after the request, counted from 1.
SELECT
    'payouts', 'time_to_money', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    CAST(greatest(1, ceil(extract(EPOCH FROM c.settled_at - c.requested_at) / 86400)) AS text),
    c.currency, c.amount, true, c.amount, false, NULL, NULL, c.card_refund_id, c.report_id, 1
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL AND c.state = 'succeeded' AND c.settled_at IS NOT NULL
UNION ALL
-- Approvals undone, denials reopened. other: which of the two.
SELECT
    'rework', 'rework', a.at, r.category, r.reason, r.kind, '', r.pro_id, a.actor, a.action, r.currency, r.amount,
    true, r.amount, false, NULL, NULL, CAST(a.audit_id AS text), a.report_id, 1
FROM refunds.audit a
JOIN refunds.reports r ON r.report_id = a.report_id
WHERE a.action IN ('undone', 'reopened');

-- The sums of some days as they should be.
CREATE OR REPLACE FUNCTION refunds.roll_up(in_source text, in_from date, in_to date) RETURNS SETOF refunds.rollup_days
LANGUAGE sql STABLE AS $$
    SELECT
        in_source, f.metric,
        CASE grouping(f.category, f.reason, f.kind, f.region, f.agent, f.other)
            WHEN 7 THEN 'work' WHEN 27 THEN 'place' WHEN 45 THEN 'agent' WHEN 46 THEN 'other' WHEN 60 THEN 'agent_other'
            ELSE 'cube'
        END,
        f.day, coalesce(f.category, ''), coalesce(f.reason, ''), coalesce(f.kind, ''), coalesce(f.region, ''),
        coalesce(f.agent, ''), coalesce(f.other, ''), f.currency,
        sum(f.n)::bigint, count(*) FILTER (WHERE f.hit), sum(f.amount)::bigint, sum(f.hit_amount)::bigint
    FROM (
        SELECT *, (at AT TIME ZONE 'UTC')::date AS day
        FROM refunds.facts
        WHERE
            source = in_source
            AND NOT pending
            AND at >= in_from::timestamp AT TIME ZONE 'UTC'
            AND at < in_to::timestamp AT TIME ZONE 'UTC'
    ) AS f
    GROUP BY f.metric, f.day, f.currency, GROUPING SETS (
        (f.category, f.reason, f.kind), (f.region, f.category), (f.agent, f.reason), (f.other, f.reason), (f.agent, f.other),
        (f.category, f.reason, f.kind, f.region, f.agent))
    HAVING
        CASE grouping(f.category, f.reason, f.kind, f.region, f.agent, f.other)
            WHEN 7 THEN true
            WHEN 27 THEN true
            WHEN 60 THEN f.metric IN ('refund_activity', 'time_to_decision')
            WHEN 1 THEN f.metric IN ('refund_rate', 'refund_activity', 'overrule', 'sla')
            ELSE f.metric <> 'refund_rate'
        END
$$;

-- A report counts once it is settled, and again when it is opened anew; among the refunds only when it is approved.
CREATE OR REPLACE FUNCTION refunds.mark_reports() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day, pro_id)
    SELECT DISTINCT m.source, m.day, m.pro_id
    FROM new_rows n
    JOIN old_rows o USING (report_id)
    CROSS JOIN LATERAL (
        VALUES
        ('refunds', refunds.utc_day(n.charged_at), n.pro_id),
        ('deadlines', refunds.utc_day(o.deadline_at), NULL),
        ('deadlines', refunds.utc_day(n.deadline_at), NULL),
        ('arrivals', refunds.utc_day(n.reported_at), NULL)
    ) AS m (source, day, pro_id)
    WHERE
        (n.state, n.decided_at, n.refunded_amount) IS DISTINCT FROM (o.state, o.decided_at, o.refunded_amount)
        AND (n.state IN ('approved', 'denied', 'withdrawn') OR o.state IN ('approved', 'denied', 'withdrawn'))
        AND (m.source <> 'refunds' OR n.state = 'approved' OR o.state = 'approved');
    RETURN NULL;
END $$;

-- A pro's month is summed by the index of the pro's charges: a function of its own, which the planner can open.
DROP FUNCTION refunds.roll_up_pros(date, date, text);

-- The sums of some months by pro as they should be.
CREATE FUNCTION refunds.roll_up_pros(in_from date, in_to date) RETURNS SETOF refunds.rollup_pros
LANGUAGE sql STABLE AS $$
    SELECT
        date_trunc('month', c.charged_at AT TIME ZONE 'UTC')::date, c.pro_id, c.currency,
        count(*), count(r.report_id), sum(c.amount)::bigint, coalesce(sum(r.refunded_amount), 0)::bigint
    FROM marketplace.charges c
    LEFT JOIN refunds.reports r ON r.charge_id = c.charge_id AND r.state = 'approved'
    WHERE
        c.charged_at >= in_from::timestamp AT TIME ZONE 'UTC'
        AND c.charged_at < in_to::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3
$$;

-- The sums of some months of one pro as they should be.
CREATE FUNCTION refunds.roll_up_pro(in_pro_id text, in_from date, in_to date) RETURNS SETOF refunds.rollup_pros
LANGUAGE sql STABLE AS $$
    SELECT
        date_trunc('month', c.charged_at AT TIME ZONE 'UTC')::date, c.pro_id, c.currency,
        count(*), count(r.report_id), sum(c.amount)::bigint, coalesce(sum(r.refunded_amount), 0)::bigint
    FROM marketplace.charges c
    LEFT JOIN refunds.reports r ON r.charge_id = c.charge_id AND r.state = 'approved'
    WHERE
        c.pro_id = in_pro_id
        AND c.charged_at >= in_from::timestamp AT TIME ZONE 'UTC'
        AND c.charged_at < in_to::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3
$$;

-- Charges made and refunded by pro over UTC days, several rows a pro and currency: whole months from the sums by pro; the
-- days before the first and after the last whole month, and pros' months with a change that is not summed yet, from
-- the rows.
CREATE FUNCTION refunds.charges_by_pro(in_from date, in_to date)
RETURNS TABLE (pro_id text, currency text, n bigint, k bigint, amount_n bigint, amount_k bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH fresh AS (
        SELECT DISTINCT date_trunc('month', m.day::timestamp)::date AS month, m.pro_id
        FROM refunds.rollup_marks m
        WHERE
            m.source IN ('charges', 'refunds')
            AND m.day >= date_trunc('month', in_from::timestamp + interval '1 month - 1 day')
            AND m.day < date_trunc('month', in_to::timestamp)
    )

    SELECT p.pro_id, p.currency, p.n, p.k, p.amount_n, p.amount_k
    FROM refunds.rollup_pros p
    WHERE
        p.month >= date_trunc('month', in_from::timestamp + interval '1 month - 1 day')
        AND p.month < date_trunc('month', in_to::timestamp)
        AND NOT EXISTS (SELECT FROM fresh f WHERE f.month = p.month AND f.pro_id = p.pro_id)
    UNION ALL
    SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
    FROM fresh f
    CROSS JOIN LATERAL refunds.roll_up_pro(f.pro_id, f.month, (f.month + interval '1 month')::date) AS r
    UNION ALL
    SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
    FROM refunds.roll_up_pros(
        in_from, least(date_trunc('month', in_from::timestamp + interval '1 month - 1 day')::date, in_to)
    ) AS r
    UNION ALL
    SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
    FROM refunds.roll_up_pros(
        greatest(
            date_trunc('month', in_to::timestamp)::date,
            date_trunc('month', in_from::timestamp + interval '1 month - 1 day')::date
        ),
        in_to
    ) AS r
$$;

-- What is there already.
DELETE FROM refunds.rollup_days WHERE metric = 'refund_rate';
INSERT INTO refunds.rollup_days
SELECT r.*
FROM unnest(ARRAY['charges', 'refunds']) AS s (source)
CROSS JOIN LATERAL refunds.roll_up(s.source, '0001-01-01', '9999-01-01') AS r;
