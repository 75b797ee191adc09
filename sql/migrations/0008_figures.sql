-- What the metrics count, and the daily sums they are read from.

-- The state of card refunds, as before, but so that a condition on the card refund is met before its payouts are read.
CREATE OR REPLACE VIEW refunds.card_refund_states AS
SELECT
    c.card_refund_id, c.report_id, c.lot_id, c.pro_id, c.amount, c.currency, c.requested_by, c.requested_at,
    c.submitted_at, s.state, s.settled_at, s.reversed_at, s.failure_reason, s.succeeded_amount, s.returned_amount
FROM refunds.card_refunds c
CROSS JOIN LATERAL (
    SELECT
        (ARRAY['unknown', 'requested', 'submitted', 'pending', 'reversed', 'failed', 'declined', 'succeeded'])[
            min(array_position(
                ARRAY['unknown', 'requested', 'submitted', 'pending', 'reversed', 'failed', 'declined', 'succeeded'],
                p.state))] AS state,
        max(p.settled_at) AS settled_at,
        max(p.reversed_at) AS reversed_at,
        max(p.failure_reason) AS failure_reason,
        coalesce(sum(p.amount) FILTER (WHERE p.state = 'succeeded'), 0)::bigint AS succeeded_amount,
        coalesce(sum(p.amount) FILTER (WHERE p.state IN ('failed', 'reversed')), 0)::bigint AS returned_amount
    FROM refunds.payouts p
    WHERE p.card_refund_id = c.card_refund_id
    HAVING count(*) > 0
) AS s;

CREATE FUNCTION refunds.utc_day(at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT (at AT TIME ZONE 'UTC')::date $$;

-- The hour in which a clock stands, counted from 1, as text.
CREATE FUNCTION refunds.hours_since(began_at timestamptz, at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CAST(greatest(1, ceil(extract(EPOCH FROM at - began_at) / 3600)) AS text)
$$;

-- One row a thing counted, for every metric; the one place where a metric is defined (docs/metrics.md).
-- at: the moment it counts by. hit: it is one of the k. pending: it can still become one as time goes by, and is
-- never rolled up; due_at, clock_from: from when it is late, since when its clock runs. other: what the metric is
-- broken down by beside the usual (see each branch). case_id: report, charge or card refund, the claim is report_id.
CREATE VIEW refunds.facts AS
SELECT
    'charges' AS source, 'refund_rate' AS metric, c.charged_at AS at,
    coalesce(l.category, 'unknown') AS category, '' AS reason, coalesce(l.kind, 'unknown') AS kind,
    coalesce(z.state, 'unknown') AS region, c.pro_id, '' AS agent, '' AS other, c.currency, c.amount,
    r.report_id IS NOT NULL AS hit, coalesce(r.refunded_amount, 0) AS hit_amount,
    false AS pending, CAST(NULL AS timestamptz) AS due_at, CAST(NULL AS timestamptz) AS clock_from,
    c.charge_id AS case_id, r.report_id
FROM marketplace.charges c
LEFT JOIN marketplace.leads l ON l.lead_id = c.lead_id
LEFT JOIN refunds.reports r ON r.charge_id = c.charge_id AND r.state = 'approved'
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
-- Decisions, later undone ones included. other: what makes claims alike, the reason and what we advised.
SELECT
    'decisions', 'refund_activity', d.decided_at, r.category, r.reason, r.kind, coalesce(z.state, 'unknown'),
    r.pro_id, d.decided_by, r.reason || '/' || d.recommendation, d.currency, r.amount,
    d.decision = 'approve', d.refund_amount, false, NULL, NULL, d.decision_id, d.report_id
FROM refunds.decisions d
JOIN refunds.reports r ON r.report_id = d.report_id
LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
SELECT
    'decisions', 'overrule', d.decided_at, r.category, r.reason, r.kind, coalesce(z.state, 'unknown'),
    r.pro_id, d.decided_by, '', d.currency, r.amount,
    d.overruled, CASE WHEN d.overruled THEN r.amount ELSE 0 END, false, NULL, NULL, d.decision_id, d.report_id
FROM refunds.decisions d
JOIN refunds.reports r ON r.report_id = d.report_id
LEFT JOIN marketplace.leads l ON l.lead_id = r.lead_id
LEFT JOIN refunds.zip_regions z ON z.zip = left(l.zip, 5)
UNION ALL
-- other: a check on which the advice rested: each failed one of a denial, the reason's own one of an approval.
SELECT
    'decisions', 'check_overrule', d.decided_at, r.category, r.reason, r.kind, '', r.pro_id, d.decided_by,
    k.id, d.currency, r.amount,
    d.overruled, CASE WHEN d.overruled THEN r.amount ELSE 0 END, false, NULL, NULL, d.decision_id, d.report_id
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
    CASE WHEN r.state IN ('open', 'awaiting_second_approval') THEN r.deadline_at END, NULL, r.report_id, r.report_id
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
    r.report_id, r.report_id
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
    CASE WHEN r.decided_at IS NULL THEN r.opened_at END, r.report_id, r.report_id
FROM refunds.reports r
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE r.state <> 'withdrawn'
UNION ALL
-- Card refunds by submission. other: what became of it.
SELECT
    'payouts', 'payout_reversals', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    CASE WHEN c.state IN ('submitted', 'unknown') THEN 'pending' ELSE c.state END, c.currency, c.amount,
    c.returned_amount > 0, c.returned_amount, false, NULL, NULL, c.card_refund_id, c.report_id
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
    c.returned_amount > 0, c.returned_amount, false, NULL, NULL, c.card_refund_id, c.report_id
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL
UNION ALL
-- Those that came back; other: how many days after submission, counted from 1.
SELECT
    'payouts', 'reversal_age', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    CAST(greatest(1, ceil(extract(EPOCH FROM coalesce(c.reversed_at, c.settled_at, c.submitted_at) - c.submitted_at) / 86400)) AS text),
    c.currency, c.amount, true, c.returned_amount, false, NULL, NULL, c.card_refund_id, c.report_id
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL AND c.returned_amount > 0
UNION ALL
-- Those that arrived; other: how many days after the request, counted from 1.
SELECT
    'payouts', 'time_to_money', c.submitted_at, r.category, r.reason, r.kind, '', r.pro_id, c.requested_by,
    CAST(greatest(1, ceil(extract(EPOCH FROM c.settled_at - c.requested_at) / 86400)) AS text),
    c.currency, c.amount, true, c.amount, false, NULL, NULL, c.card_refund_id, c.report_id
FROM refunds.card_refund_states c
JOIN refunds.reports r ON r.report_id = c.report_id
WHERE c.submitted_at IS NOT NULL AND c.state = 'succeeded' AND c.settled_at IS NOT NULL
UNION ALL
-- Approvals undone, denials reopened. other: which of the two.
SELECT
    'rework', 'rework', a.at, r.category, r.reason, r.kind, '', r.pro_id, a.actor, a.action, r.currency, r.amount,
    true, r.amount, false, NULL, NULL, CAST(a.audit_id AS text), a.report_id
FROM refunds.audit a
JOIN refunds.reports r ON r.report_id = a.report_id
WHERE a.action IN ('undone', 'reopened');

CREATE INDEX audit_rework ON refunds.audit (at) WHERE action IN ('undone', 'reopened');
CREATE INDEX audit_asked ON refunds.audit (at) WHERE action = 'asked_pro';
CREATE INDEX outbox_sent ON refunds.outbox (created_at) WHERE state = 'sent';
-- A report is updated in its life, and lies elsewhere after each: a BRIN index soon finds everything everywhere.
DROP INDEX refunds.reports_deadline;
DROP INDEX refunds.reports_decided;
CREATE INDEX reports_deadline ON refunds.reports (deadline_at);
CREATE INDEX reports_reported ON refunds.reports (reported_at);
CREATE INDEX ON refunds.reports (charge_id) WHERE state = 'approved';

-- Sums of facts by UTC day, without the pending ones. A metric's day is kept in several slices, each by the
-- dimensions it names and summed over the others, which are '': a figure is read from one slice.
CREATE TABLE refunds.rollup_days (
    source text NOT NULL,
    metric text NOT NULL,
    slice text NOT NULL CHECK (slice IN ('work', 'place', 'agent', 'other', 'agent_other', 'cube')),
    day date NOT NULL,
    category text NOT NULL,
    reason text NOT NULL,
    kind text NOT NULL,
    region text NOT NULL,
    agent text NOT NULL,
    other text NOT NULL,
    currency text NOT NULL,
    n bigint NOT NULL,
    k bigint NOT NULL,
    amount_n bigint NOT NULL,
    amount_k bigint NOT NULL
);
CREATE INDEX rollup_days_read ON refunds.rollup_days (metric, slice, day);
CREATE INDEX rollup_days_write ON refunds.rollup_days (source, day);

-- Charges and refunds by pro and UTC month: what compares pros.
CREATE TABLE refunds.rollup_pros (
    month date NOT NULL,
    pro_id text NOT NULL,
    currency text NOT NULL,
    n bigint NOT NULL,
    k bigint NOT NULL,
    amount_n bigint NOT NULL,
    amount_k bigint NOT NULL,
    PRIMARY KEY (month, pro_id, currency)
);

-- Days whose sums are no longer right, noted in the transaction that changed them. A queue and no watermark: a
-- transaction that commits late brings its note with it. pro_id for charges only.
CREATE TABLE refunds.rollup_marks (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    day date NOT NULL,
    pro_id text
);
CREATE INDEX rollup_marks_source ON refunds.rollup_marks (source, day);

-- The sums of some days as they should be.
CREATE FUNCTION refunds.roll_up(in_source text, in_from date, in_to date) RETURNS SETOF refunds.rollup_days
LANGUAGE sql STABLE AS $$
    SELECT
        in_source, f.metric,
        CASE grouping(f.category, f.reason, f.kind, f.region, f.agent, f.other)
            WHEN 7 THEN 'work' WHEN 27 THEN 'place' WHEN 45 THEN 'agent' WHEN 46 THEN 'other' WHEN 60 THEN 'agent_other'
            ELSE 'cube'
        END,
        f.day, coalesce(f.category, ''), coalesce(f.reason, ''), coalesce(f.kind, ''), coalesce(f.region, ''),
        coalesce(f.agent, ''), coalesce(f.other, ''), f.currency,
        count(*), count(*) FILTER (WHERE f.hit), sum(f.amount)::bigint, sum(f.hit_amount)::bigint
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

-- The sums of some months by pro as they should be; of one pro, or of all (NULL).
CREATE FUNCTION refunds.roll_up_pros(in_from date, in_to date, in_pro_id text) RETURNS SETOF refunds.rollup_pros
LANGUAGE sql STABLE AS $$
    SELECT
        date_trunc('month', c.charged_at AT TIME ZONE 'UTC')::date, c.pro_id, c.currency,
        count(*), count(r.report_id), sum(c.amount)::bigint, coalesce(sum(r.refunded_amount), 0)::bigint
    FROM marketplace.charges c
    LEFT JOIN refunds.reports r ON r.charge_id = c.charge_id AND r.state = 'approved'
    WHERE
        c.charged_at >= in_from::timestamp AT TIME ZONE 'UTC'
        AND c.charged_at < in_to::timestamp AT TIME ZONE 'UTC'
        AND (in_pro_id IS NULL OR c.pro_id = in_pro_id)
    GROUP BY 1, 2, 3
$$;

-- Who changes what is counted leaves a mark, in the same transaction, whoever it is.
CREATE FUNCTION refunds.mark_charges() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day, pro_id)
    SELECT DISTINCT 'charges', refunds.utc_day(t.occurred_at), t.pro_id
    FROM new_rows t
    WHERE t.kind = 'charge';
    RETURN NULL;
END $$;
CREATE TRIGGER mark_charges AFTER INSERT ON refunds.ledger_transactions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_charges();

CREATE FUNCTION refunds.mark_unposted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day, pro_id)
    SELECT DISTINCT 'charges', refunds.utc_day(c.charged_at), c.pro_id
    FROM new_rows t
    JOIN marketplace.charges c ON c.charge_id = t.source_id
    WHERE t.kind = 'charge';
    RETURN NULL;
END $$;
CREATE TRIGGER mark_unposted AFTER INSERT ON refunds.unposted
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_unposted();

CREATE FUNCTION refunds.mark_decisions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day)
    SELECT DISTINCT 'decisions', refunds.utc_day(d.decided_at) FROM new_rows d;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_decisions AFTER INSERT ON refunds.decisions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_decisions();

-- A report counts once it is settled, and again when it is opened anew.
CREATE FUNCTION refunds.mark_reports() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day, pro_id)
    SELECT DISTINCT m.source, m.day, m.pro_id
    FROM new_rows n
    JOIN old_rows o USING (report_id)
    CROSS JOIN LATERAL (
        VALUES
        ('charges', refunds.utc_day(n.charged_at), n.pro_id),
        ('deadlines', refunds.utc_day(o.deadline_at), NULL),
        ('deadlines', refunds.utc_day(n.deadline_at), NULL),
        ('arrivals', refunds.utc_day(n.reported_at), NULL)
    ) AS m (source, day, pro_id)
    WHERE
        (n.state, n.decided_at, n.refunded_amount) IS DISTINCT FROM (o.state, o.decided_at, o.refunded_amount)
        AND (n.state IN ('approved', 'denied', 'withdrawn') OR o.state IN ('approved', 'denied', 'withdrawn'));
    RETURN NULL;
END $$;
CREATE TRIGGER mark_reports AFTER UPDATE ON refunds.reports
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_reports();

CREATE FUNCTION refunds.mark_payouts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day)
    SELECT DISTINCT 'payouts', refunds.utc_day(c.submitted_at)
    FROM new_rows p
    JOIN refunds.card_refunds c USING (card_refund_id)
    WHERE c.submitted_at IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_new_payouts AFTER INSERT ON refunds.payouts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_payouts();
CREATE TRIGGER mark_payouts AFTER UPDATE ON refunds.payouts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_payouts();
CREATE TRIGGER mark_card_refunds AFTER UPDATE ON refunds.card_refunds
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_payouts();

CREATE FUNCTION refunds.mark_rework() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.rollup_marks (source, day)
    SELECT DISTINCT 'rework', refunds.utc_day(a.at) FROM new_rows a WHERE a.action IN ('undone', 'reopened');
    RETURN NULL;
END $$;
CREATE TRIGGER mark_rework AFTER INSERT ON refunds.audit
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.mark_rework();

-- What is there already.
INSERT INTO refunds.rollup_days
SELECT r.*
FROM unnest(ARRAY['charges', 'decisions', 'deadlines', 'arrivals', 'payouts', 'rework']) AS s (source)
CROSS JOIN LATERAL refunds.roll_up(s.source, '0001-01-01', '9999-01-01') AS r;
INSERT INTO refunds.rollup_pros SELECT * FROM refunds.roll_up_pros('0001-01-01', '9999-01-01', NULL);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT ON refunds.facts TO refunds_app;
        GRANT SELECT, INSERT, DELETE ON refunds.rollup_days, refunds.rollup_pros, refunds.rollup_marks TO refunds_app;
    END IF;
END $$;
