-- name: find(id, email, digits, words, limit)
-- Pros and customers by id, mail address, the last ten digits of a number, or words of the name. NULL finds nothing.
(
    SELECT
        'pro' AS kind,
        p.pro_id AS id,
        p.name,
        p.email,
        p.phone
    FROM marketplace.pros p
    WHERE
        p.pro_id = :id
        OR lower(p.email) = :email
        OR refunds.digits(p.phone) = :digits
        OR to_tsvector('simple', p.name) @@ to_tsquery('simple', :words)
    LIMIT :limit
)
UNION ALL
(
    SELECT
        'customer',
        c.customer_id,
        c.name,
        c.email,
        c.phone
    FROM marketplace.customers c
    WHERE
        c.customer_id = :id
        OR lower(c.email) = :email
        OR refunds.digits(c.phone) = :digits
        OR to_tsvector('simple', c.name) @@ to_tsquery('simple', :words)
    LIMIT :limit
);

-- name: by_id(id)
-- The conversations an id names: of a lead, of a charge, of a report.
SELECT
    l.lead_id,
    NULL AS pro_id
FROM marketplace.leads l
WHERE l.lead_id = :id
UNION ALL
SELECT
    c.lead_id,
    c.pro_id
FROM marketplace.charges c
WHERE c.charge_id = :id
UNION ALL
SELECT
    r.lead_id,
    r.pro_id
FROM refunds.reports r
WHERE r.report_id = :id;

-- name: page(pro_id, customer_id, lead_id, rows, customer, category, kind, status, unread, since, until, after_at, after_id, limit)
-- Conversations of a pro, a customer or a lead, those with the newest message first. Looked at are the newest `rows`
-- messages and charges; a filter that is NULL does not filter. status: charged, free, reported or unreported.
WITH moments AS (
    (
        SELECT
            m.lead_id,
            m.pro_id,
            m.sent_at AS at,
            true AS is_message
        FROM marketplace.messages m
        WHERE m.pro_id = :pro_id
        ORDER BY m.sent_at DESC
        LIMIT :rows
    )
    UNION ALL
    (
        SELECT
            c.lead_id,
            c.pro_id,
            c.charged_at,
            false
        FROM marketplace.charges c
        WHERE c.pro_id = :pro_id
        ORDER BY c.charged_at DESC
        LIMIT :rows
    )
    UNION ALL
    (
        SELECT
            m.lead_id,
            m.pro_id,
            m.sent_at,
            true
        FROM marketplace.leads l
        JOIN marketplace.messages m USING (lead_id)
        WHERE l.customer_id = :customer_id OR l.lead_id = :lead_id
        ORDER BY m.sent_at DESC
        LIMIT :rows
    )
    UNION ALL
    (
        SELECT
            c.lead_id,
            c.pro_id,
            c.charged_at,
            false
        FROM marketplace.leads l
        JOIN marketplace.charges c USING (lead_id)
        WHERE l.customer_id = :customer_id OR l.lead_id = :lead_id
        ORDER BY c.charged_at DESC
        LIMIT :rows
    )
), pairs AS (
    SELECT
        w.lead_id,
        w.pro_id,
        max(w.at) AS last_at,
        max(w.at) FILTER (WHERE w.is_message) AS last_message_at
    FROM moments w
    GROUP BY w.lead_id, w.pro_id
), page AS (
    SELECT
        x.lead_id,
        x.pro_id,
        x.last_at,
        u.name AS customer_name,
        l.category,
        l.kind,
        c.charge_id,
        c.amount,
        c.currency,
        r.report_id,
        r.state,
        x.last_message_at > coalesce(d.read_until, '-infinity') AS is_unread
    FROM pairs x
    JOIN marketplace.leads l USING (lead_id)
    LEFT JOIN marketplace.customers u USING (customer_id)
    LEFT JOIN refunds.conversations_read d ON d.lead_id = x.lead_id AND d.pro_id = x.pro_id
    LEFT JOIN LATERAL (
        SELECT
            n.charge_id,
            n.amount,
            n.currency
        FROM marketplace.charges n
        WHERE n.lead_id = x.lead_id AND n.pro_id = x.pro_id
        ORDER BY n.charged_at DESC
        LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL (
        SELECT
            n.report_id,
            n.state
        FROM refunds.reports n
        WHERE n.charge_id = c.charge_id
        ORDER BY n.reported_at DESC
        LIMIT 1
    ) AS r ON true
    WHERE
        (CAST(:category AS text) IS NULL OR l.category = :category)
        AND (CAST(:kind AS text) IS NULL OR l.kind = :kind)
        AND (CAST(:customer AS text) IS NULL OR u.name ILIKE :customer OR u.email ILIKE :customer OR u.phone ILIKE :customer)
        AND (NOT :unread OR x.last_message_at > coalesce(d.read_until, '-infinity'))
        AND (CAST(:since AS timestamptz) IS NULL OR x.last_at >= :since)
        AND (CAST(:until AS timestamptz) IS NULL OR x.last_at < :until)
        AND (
            CASE CAST(:status AS text)
                WHEN 'charged' THEN c.charge_id IS NOT NULL
                WHEN 'free' THEN c.charge_id IS NULL
                WHEN 'reported' THEN r.report_id IS NOT NULL
                WHEN 'unreported' THEN c.charge_id IS NOT NULL AND r.report_id IS NULL
                ELSE true
            END
        )
        AND (x.last_at, x.lead_id || ' ' || x.pro_id) < (:after_at, :after_id)
    ORDER BY x.last_at DESC, x.lead_id || ' ' || x.pro_id DESC
    LIMIT :limit
)

SELECT
    g.*,
    coalesce(p.name, g.pro_id) AS pro_name,
    m.sender,
    left(m.body, 200) AS last_words
FROM page g
LEFT JOIN marketplace.pros p USING (pro_id)
LEFT JOIN LATERAL (
    SELECT
        n.sender,
        n.body
    FROM marketplace.messages n
    WHERE n.lead_id = g.lead_id AND n.pro_id = g.pro_id
    ORDER BY n.sent_at DESC, n.position DESC
    LIMIT 1
) AS m ON true
ORDER BY g.last_at DESC, g.lead_id || ' ' || g.pro_id DESC;

-- name: conversation(lead_id, pro_id)^
-- One conversation: the lead, whose it is, the charge and the newest report on it.
SELECT
    l.lead_id,
    p.pro_id,
    p.name AS pro_name,
    p.categories,
    l.kind,
    l.category,
    l.zip,
    l.description,
    l.created_at,
    l.customer_id,
    coalesce(u.name, '') AS customer_name,
    coalesce(u.phone, '') AS customer_phone,
    c.charge_id,
    c.amount,
    c.currency,
    c.charged_at,
    r.report_id,
    r.state
FROM marketplace.leads l
JOIN marketplace.pros p ON p.pro_id = :pro_id
LEFT JOIN marketplace.customers u USING (customer_id)
LEFT JOIN LATERAL (
    SELECT
        n.charge_id,
        n.amount,
        n.currency,
        n.charged_at
    FROM marketplace.charges n
    WHERE n.lead_id = l.lead_id AND n.pro_id = p.pro_id
    ORDER BY n.charged_at DESC
    LIMIT 1
) AS c ON true
LEFT JOIN LATERAL (
    SELECT
        n.report_id,
        n.state
    FROM refunds.reports n
    WHERE n.charge_id = c.charge_id
    ORDER BY n.reported_at DESC
    LIMIT 1
) AS r ON true
WHERE l.lead_id = :lead_id;

-- name: pro(pro_id)^
-- A pro's profile.
SELECT
    p.pro_id,
    p.name,
    p.email,
    p.phone,
    p.categories,
    p.zip
FROM marketplace.pros p
WHERE p.pro_id = :pro_id;

-- name: customer(customer_id)^
-- A customer.
SELECT
    c.customer_id,
    c.name,
    c.email,
    c.phone
FROM marketplace.customers c
WHERE c.customer_id = :customer_id;

-- name: set_read(lead_id, pro_id, read_until, read_by)!
-- Somebody of the desk read a conversation up to a moment; never backwards.
INSERT INTO refunds.conversations_read AS r (lead_id, pro_id, read_until, read_by)
VALUES (:lead_id, :pro_id, :read_until, :read_by)
ON CONFLICT (lead_id, pro_id) DO UPDATE
SET read_until = excluded.read_until, read_by = excluded.read_by
WHERE r.read_until < excluded.read_until;
