-- Finance: batches of card refunds, adjustments by two people, the processor's report and its matches, the daily close.

-- -- card refunds sent together ------------------------------------------------------------------------

CREATE SEQUENCE refunds.batch_numbers START 1001;
CREATE TABLE refunds.batches (
    batch_id text PRIMARY KEY,
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    needs_second boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'released', 'sent_back')),
    settled_by text,
    settled_at timestamptz,
    reason text NOT NULL DEFAULT '',
    idempotency_key text NOT NULL UNIQUE,
    CHECK ((state = 'waiting') = (settled_at IS NULL)),
    CHECK ((settled_by IS NULL) = (settled_at IS NULL)),
    CONSTRAINT batch_needs_two CHECK (state <> 'released' OR NOT needs_second OR settled_by <> made_by)
);
-- What a batch held when it was made, whatever became of it.
CREATE TABLE refunds.batch_payouts (
    batch_id text NOT NULL REFERENCES refunds.batches,
    payout_id text NOT NULL REFERENCES refunds.payouts,
    PRIMARY KEY (batch_id, payout_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.batch_payouts
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();
-- The batch it is in now; a payout whose batch was sent back is in none.
ALTER TABLE refunds.payouts ADD COLUMN batch_id text REFERENCES refunds.batches;
-- When the processor was first asked for it.
ALTER TABLE refunds.payouts ADD COLUMN sent_at timestamptz;
CREATE INDEX payouts_batch ON refunds.payouts (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX payouts_returned ON refunds.payouts (coalesce(reversed_at, settled_at), payout_id) WHERE state IN ('failed', 'reversed');
CREATE INDEX payouts_arrived ON refunds.payouts (settled_at, payout_id) WHERE state = 'succeeded';
-- What finance looks through: the newest card refunds first.
CREATE INDEX card_refunds_requested ON refunds.card_refunds (requested_at, card_refund_id);

-- -- adjustments: two people, a reason -----------------------------------------------------------------

CREATE SEQUENCE refunds.adjustment_numbers START 1001;
CREATE TABLE refunds.adjustments (
    adjustment_id text PRIMARY KEY,
    debit text NOT NULL,
    credit text NOT NULL CHECK (credit <> debit),
    pro_id text,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reason text NOT NULL CHECK (reason <> ''),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'posted', 'refused')),
    settled_by text,
    settled_at timestamptz,
    settled_why text NOT NULL DEFAULT '',
    idempotency_key text NOT NULL UNIQUE,
    CHECK ((pro_id IS NOT NULL) = ('pro_balance' IN (debit, credit))),
    CHECK ((state = 'waiting') = (settled_at IS NULL)),
    CHECK ((settled_by IS NULL) = (settled_at IS NULL)),
    CONSTRAINT adjustment_needs_two CHECK (state <> 'posted' OR settled_by <> proposed_by)
);
CREATE INDEX adjustments_waiting ON refunds.adjustments (proposed_at) WHERE state = 'waiting';
CREATE INDEX adjustments_proposed ON refunds.adjustments (proposed_at);

-- -- the processor's report ----------------------------------------------------------------------------

CREATE SEQUENCE refunds.processor_file_numbers START 1;
CREATE TABLE refunds.processor_files (
    file_id text PRIMARY KEY,
    sha256 text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('balance_change', 'payout_reconciliation')),
    -- The days it tells everything of; until is not one of them.
    from_day date NOT NULL,
    until_day date NOT NULL CHECK (until_day > from_day),
    -- Whether it does tell everything: a payout reconciliation knows only what is in its payouts.
    covers boolean NOT NULL,
    rows_read integer NOT NULL,
    rows_new integer NOT NULL,
    notes text[] NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL,
    UNIQUE (sha256, from_day, until_day, covers)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.processor_files
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- The days of which files tell everything.
CREATE VIEW refunds.covered_days AS
SELECT DISTINCT CAST(d AS date) AS day
FROM refunds.processor_files f
CROSS JOIN LATERAL generate_series(f.from_day, f.until_day - 1, interval '1 day') AS d
WHERE f.covers;

-- One movement on our balance at the processor, as it tells it. The amounts never change; what a shorter export
-- left out is filled in when a longer one brings it.
CREATE TABLE refunds.processor_lines (
    line_id text PRIMARY KEY,
    file_id text NOT NULL REFERENCES refunds.processor_files,
    created_at timestamptz NOT NULL,
    available_at timestamptz,
    currency text NOT NULL,
    gross bigint NOT NULL,
    fee bigint NOT NULL,
    net bigint NOT NULL,
    category text NOT NULL,
    description text NOT NULL,
    source_id text,
    charge_ref text,
    intent_ref text,
    payout_id text,
    bank_payout_ref text,
    other jsonb NOT NULL,
    CHECK (net = gross - fee)
);
CREATE INDEX processor_lines_created ON refunds.processor_lines (created_at, line_id);
CREATE INDEX processor_lines_file ON refunds.processor_lines (file_id);
CREATE INDEX processor_lines_payout ON refunds.processor_lines (payout_id) WHERE payout_id IS NOT NULL;
CREATE INDEX processor_lines_bank_payout ON refunds.processor_lines (bank_payout_ref) WHERE bank_payout_ref IS NOT NULL;
CREATE INDEX processor_lines_source ON refunds.processor_lines (source_id) WHERE source_id IS NOT NULL;
-- What a line may be about: the processor's id of a payment; else its amount, and about when it was paid.
CREATE INDEX payments_processor_ref ON marketplace.payments (processor_ref);
CREATE INDEX payments_amount ON marketplace.payments (amount, paid_at);

-- Which thing of ours a line is about. Undone ones stay as history and are not made again by themselves.
CREATE TABLE refunds.line_matches (
    match_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line_id text NOT NULL REFERENCES refunds.processor_lines,
    what text NOT NULL CHECK (what IN ('payment', 'payout', 'adjustment')),
    subject_id text NOT NULL,
    how text NOT NULL CHECK (how IN ('our_id', 'processor_id', 'confirmed')),
    -- Whether both sides have the same amount and currency; neither ever changes.
    agrees boolean NOT NULL,
    matched_by text NOT NULL,
    matched_at timestamptz NOT NULL,
    undone_by text,
    undone_at timestamptz,
    undone_why text,
    CHECK ((undone_by IS NULL) = (undone_at IS NULL))
);
CREATE UNIQUE INDEX one_match_a_line ON refunds.line_matches (line_id) WHERE undone_at IS NULL;
CREATE INDEX line_matches_line ON refunds.line_matches (line_id);
CREATE INDEX line_matches_wrong ON refunds.line_matches (line_id) WHERE NOT agrees AND undone_at IS NULL;
CREATE INDEX line_matches_subject ON refunds.line_matches (subject_id, what);

-- Who looks into a break, until when, and how it is explained. Breaks themselves are found by looking.
CREATE TABLE refunds.break_cases (
    break_key text PRIMARY KEY,
    owner text,
    due_on date,
    explanation text NOT NULL DEFAULT '',
    explained_by text,
    explained_at timestamptz,
    CHECK ((explanation <> '') = (explained_by IS NOT NULL)),
    CHECK ((explained_by IS NULL) = (explained_at IS NULL))
);

-- -- the daily close -----------------------------------------------------------------------------------

CREATE TABLE refunds.closes (
    day date PRIMARY KEY,
    from_day date NOT NULL CHECK (from_day <= day),
    signed_by text NOT NULL CHECK (signed_by <> ''),
    signed_at timestamptz NOT NULL,
    figures jsonb NOT NULL,
    journal text NOT NULL,
    sha256 text NOT NULL,
    CHECK (sha256 = encode(sha256(convert_to(journal, 'UTF8')), 'hex'))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.closes
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- What came after its day was closed, and the open day it is booked on.
CREATE TABLE refunds.late_postings (
    transaction_id bigint PRIMARY KEY REFERENCES refunds.ledger_transactions,
    own_day date NOT NULL,
    booked_on date NOT NULL CHECK (booked_on > own_day)
);
CREATE INDEX late_postings_booked ON refunds.late_postings (booked_on);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.late_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- A close waits for the postings under way, and they for it: none is between two days.
CREATE FUNCTION refunds.hold_days_open() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('refunds.close'));
    RETURN NULL;
END $$;
CREATE TRIGGER hold_days_open BEFORE INSERT ON refunds.ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.hold_days_open();

-- Closes follow one another without a gap, and none is written beside the postings under way.
CREATE FUNCTION refunds.close_in_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed_until date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('refunds.close'));
    SELECT max(day) INTO closed_until FROM refunds.closes;
    IF closed_until IS NOT NULL AND NEW.from_day <> closed_until + 1 THEN
        RAISE EXCEPTION 'a close begins on the day after the last one, %', closed_until + 1
            USING ERRCODE = 'check_violation', CONSTRAINT = 'close_in_order';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER close_in_order BEFORE INSERT ON refunds.closes
    FOR EACH ROW EXECUTE FUNCTION refunds.close_in_order();

-- Books late postings on the first open day, and marks the days whose sums change.
CREATE FUNCTION refunds.book_postings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed_until date;
BEGIN
    SELECT max(day) INTO closed_until FROM refunds.closes;
    IF closed_until IS NOT NULL THEN
        INSERT INTO refunds.late_postings (transaction_id, own_day, booked_on)
        SELECT n.transaction_id, refunds.utc_day(n.occurred_at), closed_until + 1
        FROM new_rows n
        WHERE refunds.utc_day(n.occurred_at) <= closed_until;
    END IF;
    INSERT INTO refunds.rollup_marks (source, day)
    SELECT DISTINCT 'ledger', greatest(refunds.utc_day(n.occurred_at), closed_until + 1)
    FROM new_rows n;
    RETURN NULL;
END $$;
CREATE TRIGGER book_postings AFTER INSERT ON refunds.ledger_transactions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.book_postings();

-- -- the journal and its sums --------------------------------------------------------------------------

-- Read by time and by page: a b-tree. History is imported pro by pro, which leaves a BRIN index nothing to skip.
DROP INDEX refunds.ledger_transactions_occurred;
CREATE INDEX ledger_transactions_occurred ON refunds.ledger_transactions (occurred_at, transaction_id);
-- Payments and charges are nine tenths of it: whoever looks for anything else does not wade through them.
CREATE INDEX ledger_transactions_rare ON refunds.ledger_transactions (occurred_at, transaction_id)
    WHERE kind NOT IN ('payment', 'charge');

-- The report a posting belongs to, if any: what an entry is traced to.
CREATE FUNCTION refunds.report_of(in_kind text, in_source_id text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN in_kind IN ('refund', 'refund_undone')
            THEN (SELECT d.report_id FROM refunds.decisions d WHERE d.decision_id = in_source_id)
        WHEN in_kind = 'card_refund_requested'
            THEN (SELECT c.report_id FROM refunds.card_refunds c WHERE c.card_refund_id = in_source_id)
        WHEN in_kind LIKE 'card_refund%'
            THEN (
                SELECT c.report_id
                FROM refunds.payouts p
                JOIN refunds.card_refunds c USING (card_refund_id)
                WHERE p.payout_id = in_source_id
            )
    END
$$;

-- Debits and credits of each account by UTC day, late postings on the day they are booked on.
CREATE TABLE refunds.ledger_days (
    day date NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    entries bigint NOT NULL,
    PRIMARY KEY (day, account, currency)
);

-- Transactions booked from one moment until another (not included): by their time, or late on an open day.
CREATE FUNCTION refunds.booked(in_from timestamptz, in_until timestamptz)
RETURNS TABLE (transaction_id bigint, kind text, source_id text, booked_at timestamptz, own_day date)
LANGUAGE sql STABLE AS $$
    SELECT t.transaction_id, t.kind, t.source_id, t.occurred_at, CAST(NULL AS date)
    FROM refunds.ledger_transactions t
    WHERE
        t.occurred_at >= in_from
        AND t.occurred_at < in_until
        AND NOT EXISTS (SELECT FROM refunds.late_postings l WHERE l.transaction_id = t.transaction_id)
    UNION ALL
    SELECT t.transaction_id, t.kind, t.source_id, l.booked_on::timestamp AT TIME ZONE 'UTC', l.own_day
    FROM refunds.late_postings l
    JOIN refunds.ledger_transactions t USING (transaction_id)
    WHERE
        l.booked_on::timestamp AT TIME ZONE 'UTC' >= in_from
        AND l.booked_on::timestamp AT TIME ZONE 'UTC' < in_until
$$;

-- The sums of what was booked from one moment until another, as they should be.
CREATE FUNCTION refunds.sum_ledger(in_from timestamptz, in_until timestamptz) RETURNS SETOF refunds.ledger_days
LANGUAGE sql STABLE AS $$
    SELECT
        refunds.utc_day(b.booked_at), e.account, e.currency,
        coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0)::bigint,
        coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0)::bigint,
        count(*)
    FROM refunds.booked(in_from, in_until) AS b
    JOIN refunds.ledger_entries e USING (transaction_id)
    GROUP BY 1, 2, 3
$$;

-- The trial balance at a moment (not included): kept days, and from the rows the moment's own day and the days that
-- changed since they were summed.
CREATE FUNCTION refunds.trial_balance(in_until timestamptz)
RETURNS TABLE (account text, currency text, debit bigint, credit bigint, entries bigint)
LANGUAGE sql STABLE AS $$
    WITH fresh AS (
        SELECT DISTINCT m.day
        FROM refunds.rollup_marks m
        WHERE m.source = 'ledger' AND m.day < refunds.utc_day(in_until)
    ), parts AS (
        SELECT d.*
        FROM refunds.ledger_days d
        WHERE
            d.day < refunds.utc_day(in_until)
            AND NOT EXISTS (SELECT FROM fresh f WHERE f.day = d.day)
        UNION ALL
        SELECT s.*
        FROM fresh f
        CROSS JOIN LATERAL refunds.sum_ledger(
            f.day::timestamp AT TIME ZONE 'UTC', (f.day + 1)::timestamp AT TIME ZONE 'UTC'
        ) AS s
        UNION ALL
        SELECT s.*
        FROM refunds.sum_ledger(refunds.utc_day(in_until)::timestamp AT TIME ZONE 'UTC', in_until) AS s
    )

    SELECT p.account, p.currency, sum(p.debit)::bigint, sum(p.credit)::bigint, sum(p.entries)::bigint
    FROM parts p
    GROUP BY p.account, p.currency
$$;

INSERT INTO refunds.ledger_days
SELECT * FROM refunds.sum_ledger('-infinity', 'infinity');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT, INSERT ON
            refunds.batches, refunds.batch_payouts, refunds.adjustments, refunds.processor_files,
            refunds.processor_lines, refunds.line_matches, refunds.break_cases, refunds.closes
            TO refunds_app;
        GRANT UPDATE (state, settled_by, settled_at, reason) ON refunds.batches TO refunds_app;
        GRANT UPDATE (state, settled_by, settled_at, settled_why) ON refunds.adjustments TO refunds_app;
        GRANT UPDATE (available_at, source_id, charge_ref, intent_ref, payout_id, bank_payout_ref, other)
            ON refunds.processor_lines TO refunds_app;
        GRANT UPDATE (undone_by, undone_at, undone_why) ON refunds.line_matches TO refunds_app;
        GRANT UPDATE ON refunds.break_cases TO refunds_app;
        GRANT SELECT ON refunds.late_postings, refunds.covered_days TO refunds_app;
        GRANT SELECT, INSERT, DELETE ON refunds.ledger_days TO refunds_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA refunds TO refunds_app;
    END IF;
END $$;
