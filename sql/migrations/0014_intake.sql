-- Intake: one open report a charge, the files handed in, what pros answer, their mails, the marketplace's requests,
-- and how people and conversations are found.

-- The number a pro tried, where it is not the one on the lead.
ALTER TABLE refunds.reports ADD COLUMN number_tried text;

-- One open report a charge. What a marketplace brings from before this desk is history: it may have two.
CREATE UNIQUE INDEX one_open_report_a_charge ON refunds.reports (charge_id)
    WHERE state IN ('open', 'waiting_on_pro', 'awaiting_second_approval') AND filed_by <> 'import';

-- Files by what is in them: handed in twice, kept once. Read by the desk alone; no server serves this by itself.
CREATE TABLE refunds.files (
    sha256 text PRIMARY KEY,
    media_type text NOT NULL
        CHECK (media_type IN ('application/pdf', 'image/jpeg', 'image/png', 'message/rfc822')),
    content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 26214400),
    CHECK (sha256 = encode(sha256(content), 'hex'))
);
-- Pictures and documents are packed already.
ALTER TABLE refunds.files ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.files
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- A mail a pro wrote, as it was read. fingerprint: the same mail, fetched again or by another way, is the same.
CREATE TABLE refunds.received_mails (
    received_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL UNIQUE,
    mailbox text NOT NULL,
    message_id text NOT NULL,
    from_name text NOT NULL,
    from_address text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    sent_at timestamptz,
    received_at timestamptz NOT NULL,
    raw_sha256 text REFERENCES refunds.files,
    left_out text[] NOT NULL DEFAULT '{}',
    state text NOT NULL CHECK (state IN ('proposed', 'unplaced', 'answer', 'filed', 'dismissed')),
    why text NOT NULL CHECK (why <> ''),
    pro_id text,
    charge_id text,
    reason text,
    report_id text REFERENCES refunds.reports,
    handled_by text,
    handled_at timestamptz,
    CHECK (state <> 'proposed' OR charge_id IS NOT NULL),
    CHECK ((state IN ('answer', 'filed')) = (report_id IS NOT NULL)),
    CHECK ((state IN ('answer', 'filed', 'dismissed')) = (handled_at IS NOT NULL))
);
CREATE INDEX received_waiting ON refunds.received_mails (received_at, received_id)
    WHERE state IN ('proposed', 'unplaced');
CREATE INDEX received_by_state ON refunds.received_mails (state, received_id DESC);
CREATE INDEX received_report ON refunds.received_mails (report_id) WHERE report_id IS NOT NULL;

-- What a received mail carried and could be taken.
CREATE TABLE refunds.received_files (
    received_id bigint NOT NULL REFERENCES refunds.received_mails,
    sha256 text NOT NULL REFERENCES refunds.files,
    name text NOT NULL CHECK (name <> ''),
    PRIMARY KEY (received_id, sha256)
);

-- How far a mailbox was read; written with the mail it tells of.
CREATE TABLE refunds.mailboxes (
    mailbox text PRIMARY KEY,
    uid_validity bigint NOT NULL,
    last_uid bigint NOT NULL
);

-- What was handed in with a report, or later as new evidence.
CREATE TABLE refunds.attachments (
    report_id text NOT NULL REFERENCES refunds.reports,
    sha256 text NOT NULL REFERENCES refunds.files,
    name text NOT NULL CHECK (name <> ''),
    added_by text NOT NULL CHECK (added_by <> ''),
    added_at timestamptz NOT NULL,
    PRIMARY KEY (report_id, sha256)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.attachments
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- What a pro answered outside the conversation about the lead. request_key: the same request again is the same answer.
CREATE TABLE refunds.answers (
    answer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id text NOT NULL REFERENCES refunds.reports,
    channel text NOT NULL CHECK (channel IN ('email', 'phone', 'api')),
    body text NOT NULL CHECK (body <> ''),
    answered_at timestamptz NOT NULL,
    recorded_by text NOT NULL CHECK (recorded_by <> ''),
    received_id bigint REFERENCES refunds.received_mails,
    request_key text UNIQUE
);
CREATE INDEX answers_report ON refunds.answers (report_id, answered_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.answers
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- What a request of the marketplace did: the same key again gives the same report.
CREATE TABLE refunds.filed_requests (
    request_key text PRIMARY KEY,
    request_sha256 text NOT NULL,
    report_id text NOT NULL REFERENCES refunds.reports,
    filed_at timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.filed_requests
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- Up to which message somebody of the desk has read a conversation.
CREATE TABLE refunds.conversations_read (
    lead_id text NOT NULL,
    pro_id text NOT NULL,
    read_until timestamptz NOT NULL,
    read_by text NOT NULL,
    PRIMARY KEY (lead_id, pro_id)
);

-- Finding people: by address, by the last ten digits of a number, by words of the name.
CREATE FUNCTION refunds.digits(phone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT right(regexp_replace(phone, '\D', '', 'g'), 10)
$$;
CREATE INDEX pros_email ON marketplace.pros (lower(email));
CREATE INDEX pros_digits ON marketplace.pros (refunds.digits(phone));
CREATE INDEX pros_words ON marketplace.pros USING gin (to_tsvector('simple', name));
CREATE INDEX customers_email ON marketplace.customers (lower(email));
CREATE INDEX customers_digits ON marketplace.customers (refunds.digits(phone));
CREATE INDEX customers_words ON marketplace.customers USING gin (to_tsvector('simple', name));
-- A pro's conversations, the newest first.
CREATE INDEX messages_pro ON marketplace.messages (pro_id, sent_at DESC) INCLUDE (lead_id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT, INSERT ON
            refunds.files, refunds.attachments, refunds.answers, refunds.filed_requests, refunds.received_files
            TO refunds_app;
        GRANT SELECT, INSERT, UPDATE ON
            refunds.received_mails, refunds.mailboxes, refunds.conversations_read
            TO refunds_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA refunds TO refunds_app;
    END IF;
END $$;
