-- -- the processor's files ------------------------------------------------------------------------------

-- name: next_file_id()$
SELECT 'PF-' || nextval('refunds.processor_file_numbers');

-- name: file_of(sha256, from_day, until_day, covers)^
-- The file with a hash, if it was imported and tells everything of these days already.
SELECT
    f.file_id,
    f.name,
    f.imported_at,
    coalesce(p.name, f.imported_by) AS imported_by_name
FROM refunds.processor_files f
LEFT JOIN refunds.people p ON p.person_id = f.imported_by
WHERE
    f.sha256 = :sha256
    AND f.from_day <= :from_day
    AND f.until_day >= :until_day
    AND (f.covers OR NOT CAST(:covers AS boolean))
ORDER BY f.imported_at
LIMIT 1;

-- name: lock_imports()$
-- One report at a time.
SELECT pg_advisory_xact_lock(hashtext('refunds.processor_files'));

-- name: stage()!
CREATE TEMPORARY TABLE staged_lines (LIKE refunds.processor_lines) ON COMMIT DROP;

-- name: contradictions(limit)
-- Staged lines that say something else than the same line said in an earlier file.
SELECT
    s.line_id,
    l.file_id,
    l.currency,
    l.gross,
    l.fee,
    l.category,
    s.currency AS new_currency,
    s.gross AS new_gross,
    s.fee AS new_fee,
    s.category AS new_category
FROM staged_lines s
JOIN refunds.processor_lines l USING (line_id)
WHERE (s.currency, s.gross, s.fee, s.category) IS DISTINCT FROM (l.currency, l.gross, l.fee, l.category)
ORDER BY s.line_id
LIMIT :limit;

-- name: write_file(file_id, sha256, name, kind, from_day, until_day, covers, rows_read, rows_new, notes, imported_by, imported_at)!
INSERT INTO refunds.processor_files (
    file_id, sha256, name, kind, from_day, until_day, covers, rows_read, rows_new, notes, imported_by, imported_at)
VALUES (
    :file_id, :sha256, :name, :kind, :from_day, :until_day, :covers, :rows_read, :rows_new, CAST(:notes AS text []),
    :imported_by, :imported_at);

-- name: count_new()$
-- How many staged lines were in no file before.
SELECT count(*)
FROM staged_lines s
WHERE NOT EXISTS (SELECT FROM refunds.processor_lines l WHERE l.line_id = s.line_id);

-- name: take_lines()!
-- New lines, and what a shorter export had left out of lines that are there already.
INSERT INTO refunds.processor_lines AS l (
    line_id, file_id, created_at, available_at, currency, gross, fee, net, category, description, source_id,
    charge_ref, intent_ref, payout_id, bank_payout_ref, other)
SELECT
    line_id, file_id, created_at, available_at, currency, gross, fee, net, category, description, source_id,
    charge_ref, intent_ref, payout_id, bank_payout_ref, other
FROM staged_lines
ORDER BY created_at, line_id
ON CONFLICT (line_id) DO UPDATE
SET
    available_at = coalesce(l.available_at, excluded.available_at),
    source_id = coalesce(l.source_id, excluded.source_id),
    charge_ref = coalesce(l.charge_ref, excluded.charge_ref),
    intent_ref = coalesce(l.intent_ref, excluded.intent_ref),
    payout_id = coalesce(l.payout_id, excluded.payout_id),
    bank_payout_ref = coalesce(l.bank_payout_ref, excluded.bank_payout_ref),
    other = excluded.other || l.other
WHERE
    (l.available_at IS NULL AND excluded.available_at IS NOT NULL)
    OR (l.source_id IS NULL AND excluded.source_id IS NOT NULL)
    OR (l.charge_ref IS NULL AND excluded.charge_ref IS NOT NULL)
    OR (l.intent_ref IS NULL AND excluded.intent_ref IS NOT NULL)
    OR (l.payout_id IS NULL AND excluded.payout_id IS NOT NULL)
    OR (l.bank_payout_ref IS NULL AND excluded.bank_payout_ref IS NOT NULL)
    OR NOT l.other @> excluded.other;

-- name: files(limit)
-- The newest files.
SELECT
    f.file_id,
    f.name,
    f.kind,
    f.from_day,
    f.until_day,
    f.covers,
    f.rows_read,
    f.rows_new,
    f.notes,
    f.imported_at,
    coalesce(p.name, f.imported_by) AS imported_by_name
FROM refunds.processor_files f
LEFT JOIN refunds.people p ON p.person_id = f.imported_by
ORDER BY f.imported_at DESC, f.file_id DESC
LIMIT :limit;

-- name: horizon(closed_days)^
-- From when on we look: the first day of any file, but not further back than some days before the last close; and the
-- days on which files tell of everything. NULL when there is no file, or none that does.
SELECT
    greatest(
        (SELECT min(f.from_day) FROM refunds.processor_files f),
        (SELECT max(day) - CAST(:closed_days AS integer) FROM refunds.closes)
    ) AS since,
    (SELECT max(day) + 1 FROM refunds.covered_days) AS until_day,
    (SELECT max(day) FROM refunds.closes) AS closed_until;

-- name: days_missing(from_day, until_day)
-- Days no file tells of.
SELECT CAST(d AS date) AS day
FROM generate_series(CAST(:from_day AS date), CAST(:until_day AS date) - 1, interval '1 day') AS d
WHERE CAST(d AS date) NOT IN (SELECT c.day FROM refunds.covered_days c)
ORDER BY day;

-- -- matching -------------------------------------------------------------------------------------------

-- name: match_by_our_id(since, actor, now, known)!
-- Lines that carry our id of a payout. Unknown categories too: what they are about is known, what they mean is not.
INSERT INTO refunds.line_matches (line_id, what, subject_id, how, matched_by, matched_at, agrees)
SELECT
    l.line_id, 'payout', p.payout_id, 'our_id', :actor, :now,
    l.category NOT IN ('refund', 'refund_failure')
    OR (
        l.currency = p.currency
        AND l.gross = CASE l.category WHEN 'refund' THEN -p.amount ELSE p.amount END
    )
FROM refunds.processor_lines l
JOIN refunds.payouts p USING (payout_id)
WHERE
    l.created_at >= :since
    AND (l.category IN ('refund', 'refund_failure') OR NOT l.category = ANY(CAST(:known AS text [])))
    AND NOT EXISTS (
        SELECT FROM refunds.line_matches m
        WHERE m.line_id = l.line_id AND (m.undone_at IS NULL OR (m.what, m.subject_id) = ('payout', p.payout_id))
    );

-- name: match_payouts_by_processor_id(since, actor, now)!
-- Lines about a refund whose id the processor gave us.
INSERT INTO refunds.line_matches (line_id, what, subject_id, how, matched_by, matched_at, agrees)
SELECT DISTINCT ON (l.line_id)
    l.line_id, 'payout', p.payout_id, 'processor_id', :actor, CAST(:now AS timestamptz),
    l.currency = p.currency AND l.gross = CASE l.category WHEN 'refund' THEN -p.amount ELSE p.amount END
FROM refunds.processor_lines l
JOIN refunds.payouts p ON p.processor_ref = l.source_id
WHERE
    l.created_at >= :since
    AND l.category IN ('refund', 'refund_failure')
    AND NOT EXISTS (
        SELECT FROM refunds.line_matches m
        WHERE m.line_id = l.line_id AND (m.undone_at IS NULL OR (m.what, m.subject_id) = ('payout', p.payout_id))
    )
ORDER BY l.line_id, p.payout_id;

-- name: match_payments_by_processor_id(since, actor, now)!
-- Lines about a payment, by the processor's id of its charge or payment intent.
INSERT INTO refunds.line_matches (line_id, what, subject_id, how, matched_by, matched_at, agrees)
SELECT DISTINCT ON (l.line_id)
    l.line_id, 'payment', p.payment_id, 'processor_id', :actor, CAST(:now AS timestamptz),
    (l.gross, l.currency) = (p.amount, p.currency)
FROM refunds.processor_lines l
CROSS JOIN LATERAL (VALUES (l.source_id), (l.charge_ref), (l.intent_ref)) AS r (ref)
JOIN marketplace.payments p ON p.processor_ref = r.ref
WHERE
    l.created_at >= :since
    AND l.category = 'charge'
    AND NOT EXISTS (
        SELECT FROM refunds.line_matches m
        WHERE m.line_id = l.line_id AND (m.undone_at IS NULL OR (m.what, m.subject_id) = ('payment', p.payment_id))
    )
ORDER BY l.line_id, p.payment_id;

-- name: proposals(since, days)
-- Lines without a match beside things of ours without a line: exactly the same amount, within some days. The oldest
-- 200 lines with three nearest things each: where many have one price, more would be millions of pairs.
WITH loose AS (
    SELECT l.line_id, l.created_at, l.category, l.currency, l.gross, l.description
    FROM refunds.processor_lines l
    WHERE
        l.created_at >= :since
        AND l.category NOT IN ('fee', 'payout', 'payout_reversal')
        AND NOT EXISTS (SELECT FROM refunds.line_matches m WHERE m.line_id = l.line_id AND m.undone_at IS NULL)
    ORDER BY l.created_at, l.line_id
    LIMIT 200
), ours AS (
    SELECT l.line_id, 'payout' AS what, p.payout_id AS subject_id, coalesce(p.sent_at, c.submitted_at) AS at, c.report_id
    FROM loose l
    JOIN refunds.payouts p ON p.amount = -l.gross AND p.currency = l.currency
    JOIN refunds.card_refunds c USING (card_refund_id)
    WHERE l.category = 'refund' AND p.state NOT IN ('requested', 'declined') AND c.submitted_at >= :since
    UNION ALL
    SELECT l.line_id, 'payout', p.payout_id, coalesce(p.reversed_at, p.settled_at), c.report_id
    FROM loose l
    JOIN refunds.payouts p ON p.amount = l.gross AND p.currency = l.currency
    JOIN refunds.card_refunds c USING (card_refund_id)
    WHERE
        l.category = 'refund_failure'
        AND p.state IN ('failed', 'reversed')
        AND coalesce(p.reversed_at, p.settled_at) >= :since
    UNION ALL
    SELECT l.line_id, 'payment', y.payment_id, y.paid_at, NULL
    FROM loose l
    JOIN marketplace.payments y ON y.amount = l.gross AND y.currency = l.currency
    WHERE
        l.category = 'charge'
        AND y.paid_at BETWEEN l.created_at - make_interval(days => :days) AND l.created_at + make_interval(days => :days)
    UNION ALL
    SELECT l.line_id, 'adjustment', a.adjustment_id, a.settled_at, NULL
    FROM loose l
    JOIN refunds.adjustments a
        ON a.currency = l.currency
        AND l.gross = CASE
            WHEN a.debit = 'processor_clearing' THEN a.amount
            WHEN a.credit = 'processor_clearing' THEN -a.amount
        END
    WHERE a.state = 'posted'
)

SELECT *
FROM (
    SELECT
        l.line_id,
        l.created_at,
        l.category,
        l.currency,
        l.gross,
        l.description,
        o.what,
        o.subject_id,
        o.at,
        o.report_id,
        row_number() OVER (
            PARTITION BY l.line_id
            ORDER BY abs(extract(EPOCH FROM o.at - l.created_at)), o.subject_id
        ) AS nth
    FROM loose l
    JOIN ours o USING (line_id)
    WHERE
        (o.what = 'adjustment' OR abs(extract(EPOCH FROM o.at - l.created_at)) <= :days * 86400)
        AND NOT EXISTS (
            SELECT FROM refunds.line_matches m
            JOIN refunds.processor_lines k USING (line_id)
            WHERE m.subject_id = o.subject_id AND m.what = o.what AND m.undone_at IS NULL AND k.category = l.category
        )
        AND NOT EXISTS (
            SELECT FROM refunds.line_matches m
            WHERE m.line_id = l.line_id AND m.subject_id = o.subject_id AND m.what = o.what
        )
) AS x
WHERE x.nth <= 3
ORDER BY x.created_at, x.line_id, x.nth;

-- name: lock_line(line_id)^
SELECT
    line_id,
    currency,
    gross,
    category
FROM refunds.processor_lines
WHERE line_id = :line_id
FOR UPDATE;

-- name: standing_match(line_id)^
-- What a line is matched with now.
SELECT
    match_id,
    what,
    subject_id
FROM refunds.line_matches
WHERE line_id = :line_id AND undone_at IS NULL;

-- name: amount_of(what, subject_id)^
-- What a thing of ours comes to on the processor's side: a payment in, a payout out, an adjustment as it was posted.
SELECT
    amount,
    currency
FROM marketplace.payments
WHERE :what = 'payment' AND payment_id = :subject_id
UNION ALL
SELECT
    -amount,
    currency
FROM refunds.payouts
WHERE :what = 'payout' AND payout_id = :subject_id
UNION ALL
SELECT
    CASE WHEN debit = 'processor_clearing' THEN amount ELSE -amount END,
    currency
FROM refunds.adjustments
WHERE
    :what = 'adjustment'
    AND adjustment_id = :subject_id
    AND state = 'posted'
    AND 'processor_clearing' IN (debit, credit);

-- name: line_beside(line_id, what, subject_id)$
-- Another line that is matched with a thing of ours already: of the same category, or any for an adjustment.
SELECT m.line_id
FROM refunds.line_matches m
JOIN refunds.processor_lines l USING (line_id)
WHERE
    m.what = :what
    AND m.subject_id = :subject_id
    AND m.undone_at IS NULL
    AND (:what = 'adjustment' OR l.category = (SELECT o.category FROM refunds.processor_lines o WHERE o.line_id = :line_id))
LIMIT 1;

-- name: write_refused(line_id, what, subject_id, actor, now, why)!
-- A proposal that a person says is not so: kept as a match that never stood, and not proposed again.
INSERT INTO refunds.line_matches (
    line_id, what, subject_id, how, matched_by, matched_at, agrees, undone_by, undone_at, undone_why)
VALUES (:line_id, :what, :subject_id, 'confirmed', :actor, :now, true, :actor, :now, :why);

-- name: write_confirmed(line_id, what, subject_id, actor, now)!
-- A match a person made, of exactly equal amounts.
INSERT INTO refunds.line_matches (line_id, what, subject_id, how, matched_by, matched_at, agrees)
VALUES (:line_id, :what, :subject_id, 'confirmed', :actor, :now, true);

-- name: undo_match(match_id, actor, now, why)!
UPDATE refunds.line_matches
SET undone_by = :actor, undone_at = :now, undone_why = :why
WHERE match_id = :match_id;

-- name: history_of(line_id)
-- Every match a line has had.
SELECT
    m.match_id,
    m.what,
    m.subject_id,
    m.how,
    coalesce(a.name, m.matched_by) AS matched_by_name,
    m.matched_at,
    coalesce(b.name, m.undone_by) AS undone_by_name,
    m.undone_at,
    m.undone_why
FROM refunds.line_matches m
LEFT JOIN refunds.people a ON a.person_id = m.matched_by
LEFT JOIN refunds.people b ON b.person_id = m.undone_by
WHERE m.line_id = :line_id
ORDER BY m.match_id;

-- name: line(line_id)^
SELECT *
FROM refunds.processor_lines
WHERE line_id = :line_id;

-- name: lines(category, before, before_id, limit)
-- Lines of the processor, the newest first; of a category, or all (NULL).
SELECT l.line_id
FROM refunds.processor_lines l
WHERE
    (l.created_at, l.line_id) < (CAST(:before AS timestamptz), CAST(:before_id AS text))
    AND (CAST(:category AS text) IS NULL OR l.category = :category)
ORDER BY l.created_at DESC, l.line_id DESC
LIMIT :limit;

-- name: lines_about(search, limit)
-- Lines that carry an id, of theirs or of ours, or are matched with it.
SELECT l.line_id
FROM (
    SELECT line_id FROM refunds.processor_lines WHERE line_id = :search
    UNION
    SELECT line_id FROM refunds.processor_lines WHERE source_id = :search
    UNION
    SELECT line_id FROM refunds.processor_lines WHERE payout_id = :search
    UNION
    SELECT line_id FROM refunds.processor_lines WHERE bank_payout_ref = :search
    UNION
    SELECT m.line_id
    FROM refunds.line_matches m
    WHERE m.subject_id = :search AND m.undone_at IS NULL
) AS l
LIMIT :limit;

-- name: lines_in_full(line_ids)
-- Lines with what they are matched with, or posted in, the newest first.
SELECT
    l.line_id,
    l.file_id,
    l.created_at,
    l.currency,
    l.gross,
    l.fee,
    l.net,
    l.category,
    l.description,
    l.source_id,
    l.other,
    m.match_id,
    m.what,
    m.subject_id,
    m.how,
    CASE WHEN m.what = 'payout' THEN refunds.report_of('card_refund_succeeded', m.subject_id) END AS report_id,
    (
        SELECT t.transaction_id
        FROM refunds.ledger_transactions t
        WHERE t.kind IN ('processor_fee', 'bank_payout') AND t.source_id = l.line_id
        LIMIT 1
    ) AS posted_in
FROM refunds.processor_lines l
LEFT JOIN refunds.line_matches m ON m.line_id = l.line_id AND m.undone_at IS NULL
WHERE l.line_id = ANY(CAST(:line_ids AS text []))
ORDER BY l.created_at DESC, l.line_id DESC;

-- name: lines_of_report(report_id)
-- The processor's lines about a report's card refunds: where a refund ends.
SELECT
    l.line_id,
    l.created_at,
    l.category,
    l.currency,
    l.gross,
    l.bank_payout_ref,
    m.subject_id AS payout_id
FROM refunds.card_refunds c
JOIN refunds.payouts p USING (card_refund_id)
JOIN refunds.line_matches m ON m.subject_id = p.payout_id AND m.what = 'payout' AND m.undone_at IS NULL
JOIN refunds.processor_lines l USING (line_id)
WHERE c.report_id = :report_id
ORDER BY l.created_at, l.line_id;

-- name: chain(payout_id)
-- A payout from its decision to the bank: decided, credited, requested, sent, what became of it, and the processor's lines.
WITH it AS (
    SELECT p.payout_id, p.card_refund_id, p.amount, p.currency, p.sent_at, c.submitted_at, c.report_id, l.source_id AS decision_id
    FROM refunds.payouts p
    JOIN refunds.card_refunds c USING (card_refund_id)
    JOIN refunds.lots l USING (lot_id)
    WHERE p.payout_id = :payout_id
)

SELECT x.at, x.step, x.id, x.amount, x.currency, x.who
FROM (
    SELECT d.decided_at AS at, 1 AS rank, 'approved' AS step, d.decision_id AS id, d.refund_amount AS amount, d.currency, d.decided_by AS who
    FROM it
    JOIN refunds.decisions d USING (decision_id)
    UNION ALL
    SELECT
        t.occurred_at,
        CASE t.kind WHEN 'refund' THEN 2 WHEN 'card_refund_requested' THEN 3 WHEN 'card_refund_succeeded' THEN 5 ELSE 6 END,
        t.kind,
        CAST(t.transaction_id AS text),
        e.amount,
        t.currency,
        t.actor
    FROM it
    JOIN refunds.ledger_transactions t ON (t.kind, t.source_id) IN (
        ('refund', it.decision_id), ('card_refund_requested', it.card_refund_id),
        ('card_refund_succeeded', it.payout_id), ('card_refund_failed', it.payout_id),
        ('card_refund_reversed', it.payout_id), ('card_refund_declined', it.payout_id))
    JOIN refunds.ledger_entries e ON e.transaction_id = t.transaction_id AND e.amount > 0
    UNION ALL
    SELECT coalesce(it.sent_at, it.submitted_at), 4, 'sent', it.payout_id, it.amount, it.currency, ''
    FROM it
    WHERE it.submitted_at IS NOT NULL
    UNION ALL
    SELECT l.created_at, 7, 'line', l.line_id, l.gross, l.currency, l.category
    FROM it
    JOIN refunds.line_matches m ON m.subject_id = it.payout_id AND m.what = 'payout' AND m.undone_at IS NULL
    JOIN refunds.processor_lines l USING (line_id)
) AS x
ORDER BY x.rank, x.at, x.id;

-- -- posting what only the processor knows ---------------------------------------------------------------

-- name: to_post(since, until)
-- Fees and payouts to our bank that the ledger does not have yet.
SELECT
    l.line_id,
    l.created_at,
    l.category,
    l.currency,
    l.gross,
    l.fee,
    l.description
FROM refunds.processor_lines l
WHERE
    l.created_at >= :since
    AND l.created_at < :until
    AND (
        (
            l.category IN ('payout', 'payout_reversal')
            AND l.gross <> 0
            AND NOT EXISTS (
                SELECT FROM refunds.ledger_transactions t WHERE t.kind = 'bank_payout' AND t.source_id = l.line_id
            )
        )
        OR (
            CASE WHEN l.category = 'fee' THEN l.fee - l.gross ELSE l.fee END <> 0
            AND NOT EXISTS (
                SELECT FROM refunds.ledger_transactions t WHERE t.kind = 'processor_fee' AND t.source_id = l.line_id
            )
        )
    )
ORDER BY l.created_at, l.line_id;

-- -- breaks ---------------------------------------------------------------------------------------------

-- name: breaks(since, now, known, requested_days)
-- What does not agree between decisions, ledger and processor, one row a thing. A thing of ours is due once files tell
-- of its day and of the days beside it, as the two clocks are not one; until then it is expected.
WITH covered AS (
    SELECT day
    FROM refunds.covered_days
), due AS (
    SELECT c.day
    FROM covered c
    WHERE
        EXISTS (SELECT FROM covered n WHERE n.day = c.day + 1)
        AND EXISTS (SELECT FROM covered p WHERE p.day = c.day - 1)
), fresh AS (
    SELECT m.what, m.subject_id, count(*) > count(DISTINCT l.category) AS repeats
    FROM refunds.processor_lines l
    JOIN refunds.line_matches m ON m.line_id = l.line_id AND m.undone_at IS NULL
    WHERE l.created_at >= :since
    GROUP BY m.what, m.subject_id
), watched AS (
    SELECT p.payout_id
    FROM refunds.card_refunds c
    JOIN refunds.payouts p USING (card_refund_id)
    WHERE c.submitted_at >= :since
    UNION
    SELECT f.subject_id FROM fresh f WHERE f.what = 'payout'
    UNION
    SELECT p.payout_id FROM refunds.payouts p WHERE p.state IN ('requested', 'submitted', 'unknown', 'pending')
    UNION
    SELECT p.payout_id
    FROM refunds.payouts p
    WHERE p.state IN ('failed', 'reversed') AND coalesce(p.reversed_at, p.settled_at) >= :since
), matched AS (
    SELECT
        l.line_id, l.created_at, l.category, l.currency, l.gross, m.what, m.subject_id,
        row_number() OVER (
            PARTITION BY m.what, m.subject_id, l.category
            ORDER BY l.source_id IS NOT DISTINCT FROM p.processor_ref DESC, l.created_at, l.line_id
        ) AS nth
    FROM (
        SELECT 'payout' AS what, w.payout_id AS subject_id FROM watched w
        UNION
        SELECT f.what, f.subject_id FROM fresh f WHERE f.repeats
    ) AS s
    JOIN refunds.line_matches m ON m.what = s.what AND m.subject_id = s.subject_id AND m.undone_at IS NULL
    JOIN refunds.processor_lines l USING (line_id)
    LEFT JOIN refunds.payouts p ON m.what = 'payout' AND p.payout_id = m.subject_id
), payouts AS (
    SELECT
        p.payout_id, p.state, p.amount, p.currency, p.settled_at, p.reversed_at, c.report_id, c.requested_at, c.pro_id,
        coalesce(p.sent_at, c.submitted_at) AS sent_at, coalesce(x.lines, 0) AS lines, coalesce(x.sent, 0) AS sent,
        coalesce(x.back, 0) AS back, x.back_at, x.sent_line_at
    FROM watched w
    JOIN refunds.payouts p USING (payout_id)
    JOIN refunds.card_refunds c USING (card_refund_id)
    LEFT JOIN (
        SELECT
            m.subject_id,
            count(*) AS lines,
            count(*) FILTER (WHERE m.category = 'refund') AS sent,
            count(*) FILTER (WHERE m.category = 'refund_failure') AS back,
            min(m.created_at) FILTER (WHERE m.category = 'refund_failure') AS back_at,
            min(m.created_at) FILTER (WHERE m.category = 'refund') AS sent_line_at
        FROM matched m
        WHERE m.what = 'payout'
        GROUP BY m.subject_id
    ) AS x ON x.subject_id = p.payout_id
), questionable AS (
    SELECT d.line_id, 'duplicate' AS class
    FROM matched d
    WHERE d.nth > 1 AND d.category IN ('refund', 'refund_failure', 'charge')
    UNION ALL
    SELECT m.line_id, 'amount_differs'
    FROM refunds.line_matches m
    LEFT JOIN matched d USING (line_id)
    WHERE NOT m.agrees AND m.undone_at IS NULL AND coalesce(d.nth, 1) = 1
), uncredited AS MATERIALIZED (
    SELECT t.transaction_id, t.source_id, t.occurred_at, t.currency, t.pro_id, t.kind
    FROM refunds.ledger_transactions t
    LEFT JOIN refunds.decisions d ON d.decision_id = t.source_id
    LEFT JOIN refunds.reports r ON r.report_id = d.report_id AND r.standing_decision_id = t.source_id AND r.state = 'approved'
    WHERE t.kind NOT IN ('payment', 'charge') AND t.kind = 'refund' AND t.occurred_at >= :since AND r.report_id IS NULL
), unmatched AS MATERIALIZED (
    SELECT t.transaction_id, t.source_id, t.occurred_at, t.pro_id, t.kind
    FROM refunds.ledger_transactions t
    WHERE
        t.kind IN ('payment', 'adjustment')
        AND t.occurred_at >= :since
        AND refunds.utc_day(t.occurred_at) IN (SELECT d.day FROM due d)
        AND NOT EXISTS (
            SELECT FROM refunds.line_matches m
            WHERE m.what = t.kind AND m.subject_id = t.source_id AND m.undone_at IS NULL
        )
), found AS (
    SELECT
        'requested_not_sent' AS class, p.payout_id AS subject_id, CAST(NULL AS text) AS line_id, p.requested_at AS at,
        p.amount, p.currency, CAST(NULL AS bigint) AS their_amount, p.report_id, p.pro_id, p.state AS detail
    FROM payouts p
    WHERE p.state = 'requested' AND p.lines = 0 AND p.requested_at < CAST(:now AS timestamptz) - make_interval(days => :requested_days)
    UNION ALL
    SELECT 'sent_not_found', p.payout_id, NULL, p.sent_at, p.amount, p.currency, NULL, p.report_id, p.pro_id, p.state
    FROM payouts p
    WHERE
        p.state IN ('submitted', 'unknown', 'pending', 'succeeded', 'reversed')
        AND p.lines = 0
        AND p.sent_at >= :since
        AND refunds.utc_day(p.sent_at) IN (SELECT d.day FROM due d)
    UNION ALL
    SELECT
        'failed_not_restored', p.payout_id, NULL, coalesce(p.back_at, p.reversed_at, p.settled_at), p.amount, p.currency,
        NULL, p.report_id, p.pro_id, p.state
    FROM payouts p
    WHERE
        (p.back > 0 AND p.state IN ('submitted', 'unknown', 'pending', 'succeeded'))
        OR (
            p.state IN ('failed', 'reversed')
            AND NOT EXISTS (
                SELECT FROM refunds.ledger_transactions t
                WHERE t.kind = 'card_refund_' || p.state AND t.source_id = p.payout_id
            )
        )
    UNION ALL
    SELECT
        'status_differs', p.payout_id, NULL, coalesce(p.reversed_at, p.settled_at, p.sent_line_at), p.amount, p.currency,
        NULL, p.report_id, p.pro_id, p.state
    FROM payouts p
    WHERE
        (p.state IN ('requested', 'declined') AND p.sent > p.back)
        OR (
            p.sent > 0
            AND p.back = 0
            AND p.state IN ('failed', 'reversed')
            AND refunds.utc_day(coalesce(p.reversed_at, p.settled_at)) IN (SELECT d.day FROM due d)
        )
    UNION ALL
    SELECT
        q.class, m.subject_id, l.line_id, l.created_at,
        CASE
            WHEN m.what = 'payment' THEN y.amount
            WHEN l.category = 'refund_failure' THEN p.amount
            ELSE -p.amount
        END,
        coalesce(y.currency, p.currency), l.gross, refunds.report_of('card_refund_succeeded', p.payout_id), y.pro_id,
        l.category || ', ' || l.currency
    FROM questionable q
    JOIN refunds.processor_lines l USING (line_id)
    JOIN refunds.line_matches m ON m.line_id = q.line_id AND m.undone_at IS NULL
    LEFT JOIN refunds.payouts p ON m.what = 'payout' AND p.payout_id = m.subject_id
    LEFT JOIN marketplace.payments y ON m.what = 'payment' AND y.payment_id = m.subject_id
    WHERE l.created_at >= :since
    UNION ALL
    -- A payout to our bank is the sum of what names it, where a payout reconciliation told of all of that.
    SELECT
        'amount_differs', l.source_id, l.line_id, l.created_at, -x.net, l.currency, l.gross, NULL, NULL, l.currency
    FROM refunds.processor_lines l
    CROSS JOIN LATERAL (
        SELECT sum(i.net)::bigint AS net
        FROM refunds.processor_lines i
        WHERE i.bank_payout_ref = l.source_id AND i.line_id <> l.line_id
    ) AS x
    WHERE
        l.category = 'payout'
        AND x.net <> -l.gross
        -- A balance change exported before the payout does not name it yet in every line.
        AND EXISTS (
            SELECT FROM refunds.processor_files f
            WHERE
                f.kind = 'payout_reconciliation'
                AND f.from_day <= refunds.utc_day(l.created_at)
                AND f.until_day > refunds.utc_day(l.created_at)
        )
    UNION ALL
    SELECT
        CASE WHEN l.category = ANY(CAST(:known AS text [])) THEN 'theirs_not_ours' ELSE 'unknown_category' END,
        l.line_id, l.line_id, l.created_at, NULL, l.currency, l.gross, refunds.report_of('card_refund_succeeded', m.subject_id),
        NULL, l.category
    FROM refunds.processor_lines l
    LEFT JOIN refunds.line_matches m ON m.line_id = l.line_id AND m.undone_at IS NULL
    WHERE
        l.created_at >= :since
        AND l.category NOT IN ('fee', 'payout', 'payout_reversal')
        AND (m.line_id IS NULL OR NOT l.category = ANY(CAST(:known AS text [])))
    UNION ALL
    -- The marketplace has the payment and the ledger does not: it waits to be posted, or cannot be.
    SELECT 'theirs_not_ours', l.line_id, l.line_id, l.created_at, NULL, l.currency, l.gross, NULL, NULL, 'not in the ledger'
    FROM refunds.processor_lines l
    JOIN refunds.line_matches m ON m.line_id = l.line_id AND m.undone_at IS NULL AND m.what = 'payment'
    WHERE
        l.created_at >= :since
        AND NOT EXISTS (
            SELECT FROM refunds.ledger_transactions t
            WHERE t.kind = 'payment' AND t.source_id = m.subject_id
        )
    UNION ALL
    SELECT 'ours_not_theirs', u.source_id, NULL, u.occurred_at, e.amount, e.currency, NULL, NULL, u.pro_id, u.kind
    FROM unmatched u
    JOIN refunds.ledger_entries e ON e.transaction_id = u.transaction_id AND e.account = 'processor_clearing'
    UNION ALL
    SELECT
        'late_failure_after_close', t.source_id, NULL, t.occurred_at, e.amount, t.currency, NULL,
        refunds.report_of(t.kind, t.source_id), t.pro_id, CAST(l.booked_on AS text)
    FROM refunds.late_postings l
    JOIN refunds.ledger_transactions t USING (transaction_id)
    JOIN refunds.ledger_entries e ON e.transaction_id = t.transaction_id AND e.amount > 0
    WHERE l.booked_on >= refunds.utc_day(:since) AND t.kind IN ('card_refund_failed', 'card_refund_reversed')
    UNION ALL
    SELECT
        'decided_not_credited', r.report_id, NULL, r.decided_at, r.refunded_amount, r.currency, NULL, r.report_id, r.pro_id,
        r.state
    FROM refunds.decisions d
    JOIN refunds.reports r ON r.report_id = d.report_id AND r.standing_decision_id = d.decision_id
    WHERE
        d.decided_at >= :since
        AND r.state = 'approved'
        AND NOT EXISTS (
            SELECT FROM refunds.ledger_transactions t
            WHERE t.kind = 'refund' AND t.source_id = d.decision_id
        )
    UNION ALL
    SELECT
        'credited_without_decision', u.source_id, NULL, u.occurred_at, e.amount, u.currency, NULL,
        refunds.report_of(u.kind, u.source_id), u.pro_id, u.kind
    FROM uncredited u
    JOIN refunds.ledger_entries e ON e.transaction_id = u.transaction_id AND e.account = 'refunds_given'
    WHERE NOT EXISTS (
        SELECT FROM refunds.ledger_transactions x
        WHERE x.kind = 'refund_undone' AND x.source_id = u.source_id
    )
)

SELECT
    f.class || ':' || coalesce(f.line_id, f.subject_id) AS break_key,
    f.class,
    f.subject_id,
    f.line_id,
    f.at,
    f.amount,
    f.currency,
    f.their_amount,
    f.report_id,
    f.pro_id,
    f.detail,
    c.owner,
    o.name AS owner_name,
    c.due_on,
    coalesce(c.explanation, '') AS explanation,
    coalesce(e.name, c.explained_by) AS explained_by_name,
    c.explained_at
FROM found f
LEFT JOIN refunds.break_cases c ON c.break_key = f.class || ':' || coalesce(f.line_id, f.subject_id)
LEFT JOIN refunds.people o ON o.person_id = c.owner
LEFT JOIN refunds.people e ON e.person_id = c.explained_by
ORDER BY f.at, break_key;

-- name: in_flight()
-- Card refunds the processor has, or is to have, whose outcome is still to come: expected, no break.
SELECT
    p.state,
    p.currency,
    count(*) AS payouts,
    sum(p.amount)::bigint AS amount
FROM refunds.payouts p
WHERE p.state IN ('submitted', 'unknown', 'pending')
GROUP BY p.state, p.currency
ORDER BY p.currency, p.state;

-- name: save_case(break_key, owner, due_on, explanation, explained_by, explained_at)!
INSERT INTO refunds.break_cases AS c (break_key, owner, due_on, explanation, explained_by, explained_at)
VALUES (:break_key, :owner, :due_on, :explanation, :explained_by, :explained_at)
ON CONFLICT (break_key) DO UPDATE
SET
    owner = excluded.owner,
    due_on = excluded.due_on,
    explanation = excluded.explanation,
    explained_by = CASE WHEN excluded.explanation = c.explanation THEN c.explained_by ELSE excluded.explained_by END,
    explained_at = CASE WHEN excluded.explanation = c.explanation THEN c.explained_at ELSE excluded.explained_at END;

-- name: case_of(break_key)^
SELECT
    owner,
    due_on,
    explanation
FROM refunds.break_cases
WHERE break_key = :break_key
FOR UPDATE;

-- -- the two sides of processor clearing -----------------------------------------------------------------

-- name: two_sides(since, until)
-- What our account at the processor did by the ledger and by the processor's lines, thing by thing; only the things on
-- which they differ by then. The differences of all things are the difference of the two sums.
WITH ours AS (
    SELECT
        CASE
            WHEN b.kind IN ('card_refund_succeeded', 'card_refund_reversed') THEN 'payout:' || b.source_id
            WHEN b.kind IN ('processor_fee', 'bank_payout') THEN 'line:' || b.source_id
            ELSE b.kind || ':' || b.source_id
        END AS thing,
        e.currency,
        sum(e.amount) AS amount
    FROM refunds.booked(:since, :until) AS b
    JOIN refunds.ledger_entries e USING (transaction_id)
    WHERE e.account = 'processor_clearing' AND b.kind <> 'charge'
    GROUP BY 1, 2
), theirs AS (
    SELECT x.thing, l.currency, sum(x.amount) AS amount
    FROM refunds.processor_lines l
    LEFT JOIN refunds.line_matches m ON m.line_id = l.line_id AND m.undone_at IS NULL
    CROSS JOIN LATERAL (
        VALUES
        (
            CASE
                WHEN l.category IN ('fee', 'payout', 'payout_reversal') THEN 'line:' || l.line_id
                WHEN m.line_id IS NULL THEN 'loose:' || l.line_id
                ELSE m.what || ':' || m.subject_id
            END,
            l.gross
        ),
        ('line:' || l.line_id, -l.fee)
    ) AS x (thing, amount)
    WHERE l.created_at >= :since AND l.created_at < :until AND x.amount <> 0
    GROUP BY 1, 2
)

SELECT
    currency,
    split_part(thing, ':', 1) AS kind,
    substr(thing, strpos(thing, ':') + 1) AS id,
    coalesce(o.amount, 0)::bigint AS ours,
    coalesce(t.amount, 0)::bigint AS theirs
FROM ours o
FULL JOIN theirs t USING (thing, currency)
WHERE coalesce(o.amount, 0) <> coalesce(t.amount, 0)
ORDER BY currency, kind, id;

-- name: activity(since, until)
-- The processor's lines of a stretch of time by category.
SELECT
    l.currency,
    l.category,
    count(*) AS lines,
    sum(l.gross)::bigint AS gross,
    sum(l.fee)::bigint AS fee,
    sum(l.net)::bigint AS net
FROM refunds.processor_lines l
WHERE l.created_at >= :since AND l.created_at < :until
GROUP BY l.currency, l.category
ORDER BY l.currency, l.category;

-- -- the marketplace's balances --------------------------------------------------------------------------

-- name: balances()
-- What the marketplace last thought each pro had, where the ledger had something else at that moment.
WITH theirs AS (
    SELECT DISTINCT ON (pro_id, currency)
        pro_id,
        currency,
        balance,
        as_of
    FROM refunds.marketplace_balances
    ORDER BY pro_id, currency, as_of DESC
), since AS (
    SELECT t.pro_id, t.currency, sum(e.amount) AS amount
    FROM theirs h
    JOIN refunds.ledger_transactions t ON t.pro_id = h.pro_id AND t.currency = h.currency AND t.occurred_at > h.as_of
    JOIN refunds.ledger_entries e ON e.transaction_id = t.transaction_id AND e.account = 'pro_balance'
    GROUP BY t.pro_id, t.currency
)

SELECT
    'balance:' || h.pro_id || ':' || h.currency || ':' || to_char(h.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') AS break_key,
    h.pro_id,
    m.name AS pro_name,
    h.currency,
    h.as_of,
    h.balance AS theirs,
    (coalesce(b.balance, 0) + coalesce(s.amount, 0))::bigint AS ours,
    coalesce(c.explanation, '') AS explanation,
    coalesce(e.name, c.explained_by) AS explained_by_name
FROM theirs h
LEFT JOIN refunds.balances b USING (pro_id, currency)
LEFT JOIN since s USING (pro_id, currency)
LEFT JOIN marketplace.pros m USING (pro_id)
LEFT JOIN refunds.break_cases c
    ON c.break_key = 'balance:' || h.pro_id || ':' || h.currency || ':' || to_char(h.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
LEFT JOIN refunds.people e ON e.person_id = c.explained_by
WHERE coalesce(b.balance, 0) + coalesce(s.amount, 0) <> h.balance
ORDER BY abs(coalesce(b.balance, 0) + coalesce(s.amount, 0) - h.balance) DESC, h.pro_id;

-- name: balances_compared()^
-- How many balances the marketplace told us, and as of when the last ones are.
SELECT
    count(DISTINCT (pro_id, currency)) AS pros,
    max(as_of) AS as_of
FROM refunds.marketplace_balances;

-- -- the demo's processor -------------------------------------------------------------------------------

-- name: demo_payments(since, until)
-- What the demo's processor took in.
SELECT
    processor_ref,
    amount,
    paid_at
FROM marketplace.payments
WHERE paid_at >= :since AND paid_at < :until
ORDER BY paid_at, payment_id;

-- name: demo_payouts(since, until)
-- What the demo's processor paid out, or got back.
SELECT
    p.payout_id,
    p.processor_ref,
    p.amount,
    p.state,
    coalesce(p.sent_at, c.submitted_at) AS sent_at,
    p.settled_at,
    p.reversed_at
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
WHERE
    (c.submitted_at >= :since AND c.submitted_at < :until)
    OR (p.state IN ('failed', 'reversed') AND coalesce(p.reversed_at, p.settled_at) >= :since AND coalesce(p.reversed_at, p.settled_at) < :until)
ORDER BY c.submitted_at, p.payout_id;

-- name: demo_credits(now, limit)
-- Credits of the last days that are wholly unspent and may still go to the card.
SELECT
    d.report_id,
    l.opened_at
FROM refunds.lots l
JOIN refunds.decisions d ON d.decision_id = l.source_id
WHERE l.kind = 'refund' AND l.remaining = l.amount AND l.card_until > :now
ORDER BY l.opened_at, l.lot_id
LIMIT :limit;
