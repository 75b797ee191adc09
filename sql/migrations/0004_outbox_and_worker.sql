-- Mail that is due, written in the transaction that causes it; the worker sends it.
CREATE TABLE refunds.outbox (
    mail_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN (
        'approved', 'denied', 'undone', 'card_refund_sent', 'card_refund_returned', 'question',
        'reopened', 'withdrawn')),
    report_id text NOT NULL REFERENCES refunds.reports,
    decision_id text REFERENCES refunds.decisions,
    payout_id text REFERENCES refunds.payouts,
    to_name text NOT NULL,
    to_address text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'refused', 'historic')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX outbox_due ON refunds.outbox (next_attempt_at) WHERE state = 'queued';
CREATE INDEX outbox_report ON refunds.outbox (report_id);
CREATE INDEX outbox_decision ON refunds.outbox (decision_id) WHERE decision_id IS NOT NULL;
CREATE INDEX outbox_payout ON refunds.outbox (payout_id) WHERE payout_id IS NOT NULL;

-- How far the worker has read the marketplace, by source.
CREATE TABLE refunds.watermarks (
    source text PRIMARY KEY,
    seen_until timestamptz NOT NULL
);

-- Marketplace rows that cannot be posted (a charge without cover): kept, shown, tried again.
CREATE TABLE refunds.unposted (
    kind text NOT NULL CHECK (kind IN ('payment', 'charge')),
    source_id text NOT NULL,
    why text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_tried_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, source_id)
);

-- The last sign of life of the background process.
CREATE TABLE refunds.heartbeats (
    process text PRIMARY KEY,
    at timestamptz NOT NULL
);

-- State of each zip: a lead's region in the metrics. Filled by the migration command from the
-- same zip table the checks use.
CREATE TABLE refunds.zip_regions (
    zip text PRIMARY KEY,
    state text NOT NULL
);

-- What the marketplace thinks its balances are; compared with the ledger, never posted.
CREATE TABLE refunds.marketplace_balances (
    pro_id text NOT NULL,
    currency text NOT NULL,
    balance bigint NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (pro_id, currency, as_of)
);
