-- Ledger, lots' movements, audit, snapshots, decisions, proposals and policy versions carry the trigger that refuses
-- every change; frozen facts still have their hash; no number of a pro's postings is missing or doubled.
SELECT
    'table ' || t.name AS what,
    'its append-only trigger is missing or switched off' AS problem
FROM unnest(ARRAY[
    'ledger_transactions', 'ledger_entries', 'lot_movements', 'audit', 'snapshots', 'decisions', 'proposals',
    'policy_versions', 'policy_revocations', 'batch_payouts', 'processor_files', 'closes', 'late_postings'
]) AS t (name)
WHERE NOT EXISTS (
    SELECT FROM pg_trigger g
    WHERE
        g.tgrelid = to_regclass('refunds.' || t.name)
        AND g.tgname = 'append_only'
        AND g.tgenabled IN ('O', 'A')
)
UNION ALL
SELECT
    'snapshot of ' || s.report_id || ', round ' || s.round,
    'its facts do not have its hash'
FROM refunds.snapshots s
WHERE s.sha256 <> encode(sha256(convert_to(s.facts, 'UTF8')), 'hex')
UNION ALL
SELECT
    'decision ' || d.decision_id,
    'rests on facts that are not on file'
FROM refunds.decisions d
WHERE NOT EXISTS (
    SELECT FROM refunds.snapshots s
    WHERE s.report_id = d.report_id AND s.sha256 = d.snapshot_sha256
)
UNION ALL
SELECT
    'postings of ' || t.pro_id || ' in ' || t.currency,
    'are ' || count(*) || ', numbered to ' || max(t.pro_seq)
FROM refunds.ledger_transactions t
WHERE t.pro_id IS NOT NULL
GROUP BY t.pro_id, t.currency
HAVING count(*) <> max(t.pro_seq) OR count(DISTINCT t.pro_seq) <> count(*)
UNION ALL
SELECT
    'close of ' || c.day,
    'the trial balance is not the one that was signed'
FROM refunds.closes c
WHERE EXISTS (
    SELECT
    FROM refunds.trial_balance((c.day + 1)::timestamp AT TIME ZONE 'UTC') AS b
    FULL JOIN jsonb_to_recordset(c.figures -> 'trial_balance') AS f (account text, currency text, amount bigint)
        USING (account, currency)
    WHERE coalesce(b.debit - b.credit, 0) <> coalesce(f.amount, 0)
);
