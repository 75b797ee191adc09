-- name: page(state, now, soon_at, actor, reason, category, recommendation, whose, amount_from, amount_to, pattern, words, after_deadline, after_id, limit)
-- A page of undecided reports by time left: the partial index gives them in order, the limit comes before the joins.
-- A filter that is NULL does not filter. state: open, late, soon, waiting or second; whose: mine or free.
WITH page AS (
    SELECT r.*
    FROM refunds.reports r
    WHERE
        r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval')
        AND (
            CASE :state
                WHEN 'late' THEN r.state <> 'waiting_on_pro' AND r.deadline_at < :now
                WHEN 'soon' THEN r.state <> 'waiting_on_pro' AND r.deadline_at >= :now AND r.deadline_at < :soon_at
                WHEN 'waiting' THEN r.state = 'waiting_on_pro'
                WHEN 'second' THEN r.state = 'awaiting_second_approval'
                ELSE true
            END
        )
        AND (CAST(:reason AS text) IS NULL OR r.reason = :reason)
        AND (CAST(:category AS text) IS NULL OR r.category = :category)
        AND (CAST(:recommendation AS text) IS NULL OR r.recommendation = :recommendation)
        AND (CAST(:amount_from AS bigint) IS NULL OR r.amount >= :amount_from)
        AND (CAST(:amount_to AS bigint) IS NULL OR r.amount <= :amount_to)
        AND (
            CASE CAST(:whose AS text)
                WHEN 'mine' THEN r.holder = :actor AND r.lease_until > :now
                WHEN 'free' THEN r.holder IS NULL OR r.lease_until <= :now
                ELSE true
            END
        )
        AND (
            CAST(:pattern AS text) IS NULL
            OR r.report_id ILIKE :pattern
            OR r.charge_id ILIKE :pattern
            OR r.lead_id ILIKE :pattern
            OR r.pro_id ILIKE :pattern
            -- One value a row, and no EXISTS: a look-up by key each, where the planner would read whole tables at times.
            OR coalesce((
                SELECT p.name ILIKE :pattern OR p.email ILIKE :pattern
                FROM marketplace.pros p
                WHERE p.pro_id = r.pro_id
            ), false)
            OR coalesce((
                SELECT
                    c.name ILIKE :pattern
                    OR c.phone ILIKE :pattern
                    OR regexp_replace(c.phone, '\D', '', 'g') LIKE nullif('%%' || regexp_replace(:pattern, '\D', '', 'g') || '%%', '%%%%')
                FROM marketplace.customers c
                WHERE c.customer_id = r.customer_id
            ), false)
            OR coalesce((
                SELECT w.words @@ websearch_to_tsquery('simple', :words)
                FROM refunds.report_words w
                WHERE w.report_id = r.report_id
            ), false)
            OR EXISTS (
                SELECT FROM marketplace.messages m
                WHERE
                    m.lead_id = r.lead_id
                    AND m.pro_id = r.pro_id
                    AND m.sent_at > r.reported_at
                    AND to_tsvector('simple', m.body) @@ websearch_to_tsquery('simple', :words)
            )
        )
        AND (r.deadline_at, r.report_id) > (CAST(:after_deadline AS timestamptz), CAST(:after_id AS text))
    ORDER BY r.deadline_at, r.report_id
    LIMIT :limit
)

SELECT
    r.report_id,
    r.state,
    r.round,
    r.deadline_at,
    r.paused_at,
    r.reason,
    r.amount,
    r.currency,
    r.category,
    r.passes,
    r.unsures,
    r.fails,
    r.recommendation,
    r.reported_at,
    r.decided_at,
    r.pro_id,
    coalesce(p.name, r.pro_id) AS pro_name,
    CASE WHEN r.lease_until > :now THEN r.holder END AS holder,
    CASE WHEN r.lease_until > :now THEN coalesce(h.name, r.holder) END AS holder_name,
    (
        SELECT string_agg(coalesce(h.name, s.person_id), ', ' ORDER BY s.person_id)
        FROM refunds.presence s
        LEFT JOIN refunds.people h ON h.person_id = s.person_id
        WHERE s.report_id = r.report_id AND s.seen_at > :now - interval '45 seconds' AND s.person_id <> :actor
    ) AS seen_by
FROM page r
LEFT JOIN marketplace.pros p ON p.pro_id = r.pro_id
LEFT JOIN refunds.people h ON h.person_id = r.holder
ORDER BY r.deadline_at, r.report_id;

-- name: decided(after_decided, after_id, limit)
-- A page of decided reports, newest decision first.
WITH page AS (
    SELECT
        d.decision_id,
        d.report_id,
        d.decided_at
    FROM refunds.decisions d
    WHERE (d.decided_at, d.decision_id) < (CAST(:after_decided AS timestamptz), CAST(:after_id AS text))
    ORDER BY d.decided_at DESC, d.decision_id DESC
    LIMIT :limit
)

SELECT
    r.report_id,
    r.state,
    r.round,
    r.deadline_at,
    r.paused_at,
    r.reason,
    r.amount,
    r.currency,
    r.category,
    r.passes,
    r.unsures,
    r.fails,
    r.recommendation,
    r.reported_at,
    d.decided_at,
    d.decision_id,
    r.pro_id,
    coalesce(p.name, r.pro_id) AS pro_name,
    CAST(NULL AS text) AS holder,
    CAST(NULL AS text) AS holder_name,
    CAST(NULL AS text) AS seen_by
FROM page d
JOIN refunds.reports r USING (report_id)
LEFT JOIN marketplace.pros p ON p.pro_id = r.pro_id
ORDER BY d.decided_at DESC, d.decision_id DESC;

-- name: named(id, words, looked_at, limit)
-- Decided reports that carry this id exactly (report, charge, lead, pro or customer), or these words in their chat: the
-- newest of the first looked_at that have them, so that a common word costs no more than a rare one.
SELECT
    r.report_id,
    r.state,
    r.round,
    r.deadline_at,
    r.paused_at,
    r.reason,
    r.amount,
    r.currency,
    r.category,
    r.passes,
    r.unsures,
    r.fails,
    r.recommendation,
    r.reported_at,
    r.decided_at,
    r.pro_id,
    coalesce(p.name, r.pro_id) AS pro_name,
    CAST(NULL AS text) AS holder,
    CAST(NULL AS text) AS holder_name,
    CAST(NULL AS text) AS seen_by
FROM refunds.reports r
LEFT JOIN marketplace.pros p ON p.pro_id = r.pro_id
WHERE
    r.state IN ('approved', 'denied', 'withdrawn')
    AND r.report_id IN (
        SELECT report_id FROM refunds.reports WHERE report_id = :id
        UNION
        SELECT report_id FROM refunds.reports WHERE charge_id = :id
        UNION
        SELECT report_id FROM refunds.reports WHERE lead_id = :id
        UNION
        SELECT report_id FROM refunds.reports WHERE pro_id = :id
        UNION
        SELECT report_id FROM refunds.reports WHERE customer_id = :id
        UNION
        (
            SELECT w.report_id
            FROM refunds.report_words w
            WHERE w.words @@ websearch_to_tsquery('simple', :words)
            LIMIT :looked_at
        )
    )
ORDER BY r.reported_at DESC, r.report_id
LIMIT :limit;

-- name: counters(now, soon_at, actor)^
-- What stands above the queue: over the undecided reports only.
SELECT
    count(*) AS open,
    count(*) FILTER (WHERE r.state <> 'waiting_on_pro' AND r.deadline_at < :now) AS late,
    count(*) FILTER (
        WHERE r.state <> 'waiting_on_pro' AND r.deadline_at >= :now AND r.deadline_at < :soon_at
    ) AS soon,
    count(*) FILTER (WHERE r.state = 'waiting_on_pro') AS waiting,
    count(*) FILTER (WHERE r.state = 'awaiting_second_approval') AS second,
    count(*) FILTER (WHERE r.holder = :actor AND r.lease_until > :now) AS mine
FROM refunds.reports r
WHERE r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval');

-- name: categories()
-- The categories of the undecided reports, for the filter.
SELECT DISTINCT r.category
FROM refunds.reports r
WHERE r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval')
ORDER BY r.category;

-- name: look(person_id, report_id, now)!
-- Notes that somebody has a claim open.
INSERT INTO refunds.presence (person_id, report_id, seen_at)
VALUES (:person_id, :report_id, :now)
ON CONFLICT (person_id) DO UPDATE SET report_id = excluded.report_id, seen_at = excluded.seen_at;

-- name: lookers(person_id, report_id, now)
-- Who else has a claim open now.
SELECT coalesce(h.name, s.person_id) AS name
FROM refunds.presence s
LEFT JOIN refunds.people h ON h.person_id = s.person_id
WHERE s.report_id = :report_id AND s.person_id <> :person_id AND s.seen_at > :now - interval '45 seconds'
ORDER BY s.person_id;

-- name: saved_filters(person_id)
SELECT name, filters
FROM refunds.saved_filters
WHERE person_id = :person_id
ORDER BY name;

-- name: save_filter(person_id, name, filters)!
INSERT INTO refunds.saved_filters (person_id, name, filters)
VALUES (:person_id, :name, CAST(:filters AS jsonb))
ON CONFLICT (person_id, name) DO UPDATE SET filters = excluded.filters;

-- name: forget_filter(person_id, name)!
DELETE FROM refunds.saved_filters
WHERE person_id = :person_id AND name = :name;
