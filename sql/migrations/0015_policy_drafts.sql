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
    shadow boolean NOT NULL DEFAULT false,
    revision integer NOT NULL DEFAULT 1,
    written_by text[] NOT NULL CHECK (cardinality(written_by) > 0),
    written_at timestamptz NOT NULL
);
-- Two drafts of one name would become one version.
CREATE UNIQUE INDEX one_draft_a_version ON refunds.policy_drafts (version) WHERE state = 'draft';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT, INSERT, UPDATE ON refunds.policy_drafts TO refunds_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA refunds TO refunds_app;
    END IF;
END $$;
