-- A standing approval has one refund that was not undone, an audit row and a mail; a denial an audit row and a
-- mail; a card refund that the processor took, or that came back, a mail.
WITH standing AS (
    SELECT r.report_id, r.state, r.refunded_amount, d.decision_id, d.decision
    FROM refunds.reports r
    LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
    WHERE r.state IN ('approved', 'denied')
)

SELECT
    s.report_id,
    s.decision_id AS of_what,
    p.problem
FROM standing s
CROSS JOIN LATERAL (
    VALUES
    ('has no decision', s.decision_id IS NULL),
    ('is ' || s.state || ', its decision says ' || s.decision, (s.state = 'approved') <> (s.decision = 'approve')),
    (
        'has no refund in the ledger',
        s.state = 'approved'
        AND NOT EXISTS (
            SELECT FROM refunds.ledger_transactions t
            WHERE t.kind = 'refund' AND t.source_id = s.decision_id
        )
    ),
    (
        'is approved, its refund was undone',
        s.state = 'approved'
        AND EXISTS (
            SELECT FROM refunds.ledger_transactions t
            WHERE t.kind = 'refund_undone' AND t.source_id = s.decision_id
        )
    ),
    (
        'has no audit row',
        NOT EXISTS (
            SELECT FROM refunds.audit a
            WHERE a.subject = s.decision_id AND a.action = s.state
        )
    ),
    (
        'has no mail',
        NOT EXISTS (
            SELECT FROM refunds.outbox o
            WHERE o.decision_id = s.decision_id AND o.kind = s.state
        )
    )
) AS p (problem, is_so)
WHERE p.is_so
UNION ALL
SELECT
    d.report_id,
    t.source_id,
    'has a refund in the ledger that does not stand'
FROM refunds.ledger_transactions t
LEFT JOIN refunds.decisions d ON d.decision_id = t.source_id
WHERE
    t.kind = 'refund'
    AND NOT EXISTS (SELECT FROM refunds.reports r WHERE r.standing_decision_id = t.source_id AND r.state = 'approved')
    AND NOT EXISTS (
        SELECT FROM refunds.ledger_transactions u
        WHERE u.kind = 'refund_undone' AND u.source_id = t.source_id
    )
UNION ALL
SELECT
    c.report_id,
    p.payout_id,
    k.problem
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
CROSS JOIN LATERAL (
    VALUES
    ('was sent without a mail', 'card_refund_sent', p.state IN ('pending', 'succeeded', 'reversed')),
    ('came back without a mail', 'card_refund_returned', p.state IN ('failed', 'reversed'))
) AS k (problem, kind, is_due)
WHERE
    k.is_due
    AND NOT EXISTS (SELECT FROM refunds.outbox o WHERE o.payout_id = p.payout_id AND o.kind = k.kind);
