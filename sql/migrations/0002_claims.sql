-- Reports, what was frozen with them, and what was decided.
CREATE SCHEMA refunds;

-- Refuses any change to an append-only table, whoever asks.
CREATE FUNCTION refunds.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TABLE refunds.people (
    person_id text PRIMARY KEY CHECK (person_id <> ''),
    name text NOT NULL,
    email text,
    roles text[] NOT NULL
        CHECK (roles <@ ARRAY['support', 'manager', 'finance', 'admin', 'viewer']),
    active boolean NOT NULL DEFAULT true,
    time_zone text NOT NULL DEFAULT 'UTC',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A version is immutable; the first is in force from the beginning of time.
CREATE TABLE refunds.policy_versions (
    version text PRIMARY KEY,
    effective_from timestamptz NOT NULL UNIQUE,
    window_days integer NOT NULL CHECK (window_days > 0),
    job_changed_miles numeric(8, 2) NOT NULL CHECK (job_changed_miles > 0),
    sla_hours integer NOT NULL CHECK (sla_hours > 0),
    card_refund_days integer NOT NULL CHECK (card_refund_days > 0),
    spend_order text NOT NULL CHECK (spend_order IN ('fifo', 'refunds_first', 'refunds_last')),
    approval_limit_minor bigint NOT NULL CHECK (approval_limit_minor >= 0),
    clauses jsonb NOT NULL,
    author text NOT NULL,
    published_by text NOT NULL,
    note text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.policy_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- A report carries a copy of the charge it is about (amount, currency, pro, lead), so that no lock
-- and no foreign key crosses into the marketplace. passes/unsures/fails and recommendation are what
-- the checks said at report time: what the queue shows.
CREATE TABLE refunds.reports (
    report_id text PRIMARY KEY,
    charge_id text NOT NULL,
    pro_id text NOT NULL,
    lead_id text NOT NULL,
    customer_id text NOT NULL,
    kind text NOT NULL,
    category text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    charged_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN
        ('job_changed', 'terms_violation', 'invalid_phone', 'clear_no', 'not_hired', 'other')),
    details text NOT NULL,
    changed_zip text,
    changed_category text,
    channel text NOT NULL CHECK (channel IN ('chat', 'email', 'phone')),
    reported_at timestamptz NOT NULL,
    filed_by text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN
        ('open', 'waiting_on_pro', 'awaiting_second_approval', 'approved', 'denied', 'withdrawn')),
    round integer NOT NULL DEFAULT 1 CHECK (round > 0),
    version integer NOT NULL DEFAULT 1,
    deadline_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    paused_at timestamptz,
    paused_seconds bigint NOT NULL DEFAULT 0 CHECK (paused_seconds >= 0),
    holder text,
    lease_until timestamptz,
    recommendation text NOT NULL CHECK (recommendation IN ('approve', 'deny', 'review')),
    passes smallint NOT NULL,
    unsures smallint NOT NULL,
    fails smallint NOT NULL,
    standing_decision_id text,
    refunded_amount bigint NOT NULL DEFAULT 0,
    decided_at timestamptz,
    CHECK ((state = 'waiting_on_pro') = (paused_at IS NOT NULL)),
    CHECK ((holder IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('approved', 'denied')) = (standing_decision_id IS NOT NULL)),
    CHECK ((state IN ('approved', 'denied')) = (decided_at IS NOT NULL)),
    CHECK ((state = 'approved') = (refunded_amount > 0)),
    CHECK (refunded_amount <= amount)
);
-- Invariant one_refund, held by the database: at most one approved report a charge.
CREATE UNIQUE INDEX one_refund_a_charge ON refunds.reports (charge_id) WHERE state = 'approved';
-- The queue: only what is still to be done, by time left.
CREATE INDEX queue_by_deadline ON refunds.reports (deadline_at, report_id)
    WHERE state IN ('open', 'waiting_on_pro', 'awaiting_second_approval');
CREATE INDEX reports_charge ON refunds.reports (charge_id);
CREATE INDEX reports_pro ON refunds.reports (pro_id, reported_at);
CREATE INDEX reports_lead ON refunds.reports (lead_id);
CREATE INDEX reports_customer ON refunds.reports (customer_id);
CREATE INDEX reports_decided ON refunds.reports USING brin (decided_at);
CREATE INDEX reports_deadline ON refunds.reports USING brin (deadline_at);

-- The facts as they were when the report arrived: canonical JSON (sorted keys, no spaces) and its hash.
CREATE TABLE refunds.snapshots (
    report_id text NOT NULL REFERENCES refunds.reports,
    round integer NOT NULL,
    facts text NOT NULL,
    sha256 text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (report_id, round),
    CHECK (sha256 = encode(sha256(convert_to(facts, 'UTF8')), 'hex'))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- One decision a round, by primary key: invariant one_decision. Which one stands is on the report.
CREATE TABLE refunds.decisions (
    decision_id text PRIMARY KEY,
    report_id text NOT NULL REFERENCES refunds.reports,
    round integer NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approve', 'deny')),
    refund_amount bigint NOT NULL,
    currency text NOT NULL,
    note text NOT NULL,
    decided_by text NOT NULL CHECK (decided_by <> ''),
    second_by text CHECK (second_by <> decided_by),
    decided_at timestamptz NOT NULL,
    policy_version text NOT NULL REFERENCES refunds.policy_versions,
    recommendation text NOT NULL CHECK (recommendation IN ('approve', 'deny', 'review')),
    overruled boolean NOT NULL,
    checks jsonb NOT NULL,
    snapshot_sha256 text NOT NULL,
    idempotency_key text UNIQUE,
    UNIQUE (report_id, round),
    CHECK ((decision = 'approve') = (refund_amount > 0))
);
CREATE INDEX decisions_decided ON refunds.decisions (decided_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

ALTER TABLE refunds.reports ADD CONSTRAINT standing_decision
    FOREIGN KEY (standing_decision_id) REFERENCES refunds.decisions DEFERRABLE INITIALLY DEFERRED;

-- An approval above the limit, until a second person releases it or sends it back.
CREATE TABLE refunds.proposals (
    report_id text NOT NULL REFERENCES refunds.reports,
    round integer NOT NULL,
    attempt integer NOT NULL,
    refund_amount bigint NOT NULL CHECK (refund_amount > 0),
    note text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    idempotency_key text UNIQUE,
    PRIMARY KEY (report_id, round, attempt)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.proposals
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- Who did what, when, and what it changed. The timeline of a claim is its audit rows.
CREATE TABLE refunds.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    roles text[] NOT NULL,
    action text NOT NULL,
    report_id text,
    subject text NOT NULL,
    reason text NOT NULL DEFAULT '',
    old jsonb,
    new jsonb,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_report ON refunds.audit (report_id, at);
CREATE INDEX audit_subject ON refunds.audit (subject);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.audit
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();
