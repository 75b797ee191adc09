-- A second, blind look at decisions: a sample drawn by a stored seed, and what the second person would have decided.
CREATE TABLE refunds.samples (
    sample_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seed text NOT NULL,
    from_day date NOT NULL,
    to_day date NOT NULL,
    size integer NOT NULL CHECK (size BETWEEN 1 AND 1000),
    drawn_by text NOT NULL,
    drawn_at timestamptz NOT NULL
);
CREATE TABLE refunds.sampled_decisions (
    sample_id bigint NOT NULL REFERENCES refunds.samples,
    decision_id text NOT NULL REFERENCES refunds.decisions,
    PRIMARY KEY (sample_id, decision_id)
);
-- One look a decision, by somebody else than who decided it.
CREATE TABLE refunds.second_looks (
    decision_id text PRIMARY KEY REFERENCES refunds.decisions,
    looked_by text NOT NULL CHECK (looked_by <> ''),
    looked_at timestamptz NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approve', 'deny')),
    note text NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.second_looks
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT, INSERT ON refunds.samples, refunds.sampled_decisions, refunds.second_looks TO refunds_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA refunds TO refunds_app;
    END IF;
END $$;
