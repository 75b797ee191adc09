-- name: hold()$
-- Waits for the postings under way; those that come now wait for the close.
SELECT pg_advisory_xact_lock(hashtext('refunds.close'));

-- name: closed_until()$
SELECT max(day)
FROM refunds.closes;

-- name: listing(limit)
-- The newest closes.
SELECT
    c.day,
    c.from_day,
    coalesce(p.name, c.signed_by) AS signed_by_name,
    c.signed_at,
    c.figures,
    c.sha256,
    (SELECT count(*) FROM refunds.late_postings l WHERE l.own_day BETWEEN c.from_day AND c.day) AS late
FROM refunds.closes c
LEFT JOIN refunds.people p ON p.person_id = c.signed_by
ORDER BY c.day DESC
LIMIT :limit;

-- name: journal_of(day)^
-- What was frozen with a close.
SELECT
    journal,
    sha256
FROM refunds.closes
WHERE day = :day;

-- name: decided_by(person_id, since, until)
-- Claims a person decided, or released, in a stretch of time.
SELECT d.report_id
FROM refunds.decisions d
WHERE
    d.decided_at >= :since
    AND d.decided_at < :until
    AND :person_id IN (d.decided_by, d.second_by)
ORDER BY d.decided_at
LIMIT 3;

-- name: movements(since, until)
-- What each kind of event did to our account at the processor, as it is booked.
SELECT
    e.currency,
    b.kind,
    count(*) AS postings,
    sum(e.amount)::bigint AS amount
FROM refunds.booked(:since, :until) AS b
JOIN refunds.ledger_entries e USING (transaction_id)
WHERE e.account = 'processor_clearing' AND b.kind <> 'charge'
GROUP BY e.currency, b.kind
ORDER BY e.currency, b.kind;

-- name: write(day, from_day, signed_by, signed_at, figures, journal)!
INSERT INTO refunds.closes (day, from_day, signed_by, signed_at, figures, journal, sha256)
VALUES (
    :day, :from_day, :signed_by, :signed_at, CAST(:figures AS jsonb), :journal,
    encode(sha256(convert_to(:journal, 'UTF8')), 'hex')
);

-- name: late(limit)
-- What came after its day was closed, the newest first, and where it is booked.
SELECT
    l.transaction_id,
    l.own_day,
    l.booked_on,
    t.kind,
    t.source_id,
    t.currency,
    x.amount,
    refunds.report_of(t.kind, t.source_id) AS report_id
FROM refunds.late_postings l
JOIN refunds.ledger_transactions t USING (transaction_id)
CROSS JOIN LATERAL (
    SELECT sum(e.amount)::bigint AS amount
    FROM refunds.ledger_entries e
    WHERE e.transaction_id = l.transaction_id AND e.amount > 0
) AS x
ORDER BY l.transaction_id DESC
LIMIT :limit;
