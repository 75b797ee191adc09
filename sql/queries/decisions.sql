-- name: case_file(report_id)^
-- What a decision reads beside the locked report: the frozen facts, what was refunded on the charge, who stands
-- behind the charge's money, and the pro. Immutable, or guarded by a unique index.
SELECT
    s.facts,
    s.sha256,
    coalesce((
        SELECT sum(o.refunded_amount)
        FROM refunds.reports o
        WHERE o.charge_id = r.charge_id AND o.report_id <> r.report_id AND o.state = 'approved'
    ), 0) AS refunded_before,
    EXISTS (
        SELECT FROM refunds.ledger_transactions t
        WHERE t.kind = 'charge' AND t.source_id = r.charge_id
    ) AS charge_posted,
    ARRAY(
        SELECT behind.payment_id
        FROM refunds.ledger_transactions t
        JOIN refunds.lot_movements m USING (transaction_id)
        JOIN refunds.lots l USING (lot_id)
        CROSS JOIN unnest(l.payment_ids) AS behind (payment_id)
        WHERE t.kind = 'charge' AND t.source_id = r.charge_id
        GROUP BY behind.payment_id
        ORDER BY behind.payment_id
    ) AS payment_ids,
    coalesce(b.balance, 0) AS balance,
    p.name AS pro_name,
    p.email AS pro_email
FROM refunds.reports r
LEFT JOIN LATERAL (
    SELECT
        n.facts,
        n.sha256
    FROM refunds.snapshots n
    WHERE n.report_id = r.report_id
    ORDER BY n.round DESC
    LIMIT 1
) AS s ON true
LEFT JOIN marketplace.pros p ON p.pro_id = r.pro_id
LEFT JOIN refunds.balances b ON b.pro_id = r.pro_id AND b.currency = r.currency
WHERE r.report_id = :report_id;

-- name: by_key(idempotency_key)^
-- What an earlier try with this key did: a decision, or a proposal that waits for a second person.
SELECT
    d.report_id,
    d.decision,
    d.refund_amount,
    d.decision_id
FROM refunds.decisions d
WHERE d.idempotency_key = :idempotency_key
UNION ALL
SELECT
    p.report_id,
    'approve',
    p.refund_amount,
    NULL
FROM refunds.proposals p
WHERE p.idempotency_key = :idempotency_key;

-- name: decision(decision_id)^
-- One decision.
SELECT
    d.decision_id,
    d.report_id,
    d.round,
    d.decision,
    d.refund_amount,
    d.currency,
    d.note,
    d.decided_by,
    d.second_by,
    d.decided_at,
    coalesce(p.name, d.decided_by) AS decided_by_name
FROM refunds.decisions d
LEFT JOIN refunds.people p ON p.person_id = d.decided_by
WHERE d.decision_id = :decision_id;

-- name: standing_proposal(report_id, round)^
-- The approval that waits for a second person.
SELECT
    p.attempt,
    p.refund_amount,
    p.note,
    p.proposed_by,
    p.proposed_at,
    coalesce(q.name, p.proposed_by) AS proposed_by_name
FROM refunds.proposals p
LEFT JOIN refunds.people q ON q.person_id = p.proposed_by
WHERE p.report_id = :report_id AND p.round = :round
ORDER BY p.attempt DESC
LIMIT 1;

-- name: write_proposal(report_id, round, refund_amount, note, proposed_by, proposed_at, idempotency_key)!
-- An approval above the limit: kept, and the report waits for a second person.
WITH proposal AS (
    INSERT INTO refunds.proposals (
        report_id, round, attempt, refund_amount, note, proposed_by, proposed_at, idempotency_key)
    SELECT
        :report_id,
        :round,
        1 + count(*),
        :refund_amount,
        :note,
        :proposed_by,
        :proposed_at,
        :idempotency_key
    FROM refunds.proposals
    WHERE report_id = :report_id AND round = :round
    RETURNING report_id
)

UPDATE refunds.reports r
SET state = 'awaiting_second_approval', version = version + 1, holder = NULL, lease_until = NULL
FROM proposal
WHERE r.report_id = proposal.report_id;

-- name: write_decision(decision_id, report_id, round, decision, refund_amount, currency, note, decided_by, second_by, decided_at, policy_version, recommendation, overruled, checks, snapshot_sha256, idempotency_key, state)!
-- The decision and the report's new state, in one statement. The primary key refuses a second decision of a round.
WITH decision AS (
    INSERT INTO refunds.decisions (
        decision_id, report_id, round, decision, refund_amount, currency, note, decided_by, second_by,
        decided_at, policy_version, recommendation, overruled, checks, snapshot_sha256, idempotency_key)
    VALUES (
        :decision_id, :report_id, :round, :decision, :refund_amount, :currency, :note, :decided_by, :second_by,
        :decided_at, :policy_version, :recommendation, :overruled, CAST(:checks AS jsonb), :snapshot_sha256,
        :idempotency_key)
    RETURNING decision_id, report_id, refund_amount, decided_at
)

UPDATE refunds.reports r
SET
    state = :state,
    version = r.version + 1,
    standing_decision_id = decision.decision_id,
    refunded_amount = decision.refund_amount,
    decided_at = decision.decided_at,
    holder = NULL,
    lease_until = NULL
FROM decision
WHERE r.report_id = decision.report_id;

-- name: set_sent_back(report_id)!
-- The second person does not agree: the report is open again, in the same round.
UPDATE refunds.reports
SET state = 'open', version = version + 1, holder = NULL, lease_until = NULL
WHERE report_id = :report_id;

-- name: report(report_id)^
-- The same columns as the locked report, without the lock: for what only looks.
SELECT
    r.report_id,
    r.charge_id,
    r.pro_id,
    r.lead_id,
    r.amount,
    r.currency,
    r.charged_at,
    r.reason,
    r.reported_at,
    r.state,
    r.round,
    r.version,
    r.standing_decision_id,
    r.refunded_amount
FROM refunds.reports r
WHERE r.report_id = :report_id;
