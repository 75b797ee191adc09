-- Runs of the policy lab: one at a time, a run begun again told apart from its first try, money counted once a charge.

-- Until now a charge that was reported several times was counted for each report. What was counted so is not shown
-- as a result any more; its process, where one still runs, finds its run ended.
UPDATE refunds.backtests
SET state = 'failed', result = NULL, error = 'It was counted by an older program, a charge once for each report on it.'
WHERE state IN ('running', 'done');

-- attempt: how often the run was begun; a process that began an earlier attempt can write no more.
-- flips_listed: of how many claims that would differ the list has the rows.
ALTER TABLE refunds.backtests
    ADD COLUMN attempt integer NOT NULL DEFAULT 0,
    ADD COLUMN flips_listed bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX one_running_backtest ON refunds.backtests (state) WHERE state = 'running';
CREATE INDEX backtests_draft ON refunds.backtests (draft_id, backtest_id);

-- moves_money: whether the charge is counted by this claim, its last in the period that was not withdrawn.
ALTER TABLE refunds.backtest_flips
    ADD COLUMN charge_id text NOT NULL DEFAULT '',
    ADD COLUMN is_withdrawn boolean NOT NULL DEFAULT false,
    ADD COLUMN moves_money boolean NOT NULL DEFAULT true;

-- shadow_since: when the shadow run was switched on that judged; another switch-on is another comparison.
ALTER TABLE refunds.shadow_judgements ADD COLUMN shadow_since timestamptz;
UPDATE refunds.shadow_judgements j
SET shadow_since = CASE WHEN j.judged_at >= d.shadow_since THEN d.shadow_since ELSE first.judged_at END
FROM
    refunds.policy_drafts d,
    (
        SELECT f.draft_id, f.revision, min(f.judged_at) AS judged_at
        FROM refunds.shadow_judgements f
        GROUP BY f.draft_id, f.revision
    ) first
WHERE d.draft_id = j.draft_id AND first.draft_id = j.draft_id AND first.revision = j.revision;
ALTER TABLE refunds.shadow_judgements ALTER COLUMN shadow_since SET NOT NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        -- A run begun again starts without the rows of its first try.
        GRANT DELETE ON refunds.backtest_flips TO refunds_app;
    END IF;
END $$;
