-- Policies are written by one person and published by another: drafts, and the public page each clause comes from.

-- Clause to the address of the public page its text comes from.
ALTER TABLE refunds.policy_versions ADD COLUMN sources jsonb NOT NULL DEFAULT '{}';

-- A draft changes until it is published or dropped. revision counts its changes: whoever publishes has seen that one.
CREATE TABLE refunds.policy_drafts (
    draft_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version text NOT NULL CHECK (version <> ''),
    window_days integer NOT NULL CHECK (window_days > 0),
    job_changed_miles numeric(8, 2) NOT NULL CHECK (job_changed_miles > 0),
    sla_hours integer NOT NULL CHECK (sla_hours > 0),
    card_refund_days integer NOT NULL CHECK (card_refund_days > 0),
    spend_order text NOT NULL CHECK (spend_order IN ('fifo', 'refunds_first', 'refunds_last')),
    approval_limit_minor bigint NOT NULL CHECK (approval_limit_minor >= 0),
    clauses jsonb NOT NULL,
    sources jsonb NOT NULL,
    note text NOT NULL,
    state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'published', 'dropped')),
    shadow_since timestamptz,
    revision integer NOT NULL DEFAULT 1,
    written_by text[] NOT NULL CHECK (cardinality(written_by) > 0),
    written_at timestamptz NOT NULL
);
-- Two drafts of one name would become one version.
CREATE UNIQUE INDEX one_draft_a_version ON refunds.policy_drafts (version) WHERE state = 'draft';

-- A draft tried on history: what was asked, how far it is, and what came of it.
CREATE TABLE refunds.backtests (
    backtest_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    draft_id bigint NOT NULL REFERENCES refunds.policy_drafts,
    revision integer NOT NULL,
    policy jsonb NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until > since),
    asked_by text NOT NULL CHECK (asked_by <> ''),
    asked_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled', 'failed')),
    claims_judged bigint NOT NULL DEFAULT 0,
    claims_total bigint,
    seen_at timestamptz NOT NULL,
    result jsonb,
    error text NOT NULL DEFAULT '',
    CHECK ((state = 'done') = (result IS NOT NULL))
);

-- The claims whose recommendation differs, each with the checks that do.
CREATE TABLE refunds.backtest_flips (
    backtest_id bigint NOT NULL REFERENCES refunds.backtests,
    report_id text NOT NULL,
    reason text NOT NULL,
    category text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    was text NOT NULL,
    becomes text NOT NULL,
    decision text,
    changed jsonb NOT NULL,
    PRIMARY KEY (backtest_id, report_id)
);

-- What a draft that runs in the shadow said of a new report, beside the version in force.
CREATE TABLE refunds.shadow_judgements (
    draft_id bigint NOT NULL REFERENCES refunds.policy_drafts,
    revision integer NOT NULL,
    report_id text NOT NULL REFERENCES refunds.reports,
    was text NOT NULL,
    becomes text NOT NULL,
    changed jsonb NOT NULL,
    judged_at timestamptz NOT NULL,
    PRIMARY KEY (draft_id, revision, report_id)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT, INSERT, UPDATE ON refunds.policy_drafts, refunds.backtests TO refunds_app;
        GRANT SELECT, INSERT ON refunds.backtest_flips, refunds.shadow_judgements TO refunds_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA refunds TO refunds_app;
    END IF;
END $$;
