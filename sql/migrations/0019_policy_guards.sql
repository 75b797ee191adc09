-- What a policy version promises is held by the database: its words in full, two persons, never for the past,
-- one after the other; a version that is not yet in force can be revoked, and that is kept beside it.

-- -- the words in full ------------------------------------------------------------------------------------
-- Until now a text that was left out fell back to the program's own, which a later program may change. Once, and
-- here only, published rows are completed with the words they were published with; the numbers are untouched.
ALTER TABLE refunds.policy_drafts
    ADD COLUMN based_on text REFERENCES refunds.policy_versions;
ALTER TABLE refunds.policy_versions
    ADD COLUMN draft_id bigint UNIQUE REFERENCES refunds.policy_drafts;

ALTER TABLE refunds.policy_versions DISABLE TRIGGER append_only;
WITH first_words AS (
    SELECT jsonb_build_object(
        'W1', 'The report must arrive within {window_days} days of the charge.',
        'W2', 'Keep the evidence, the conversation with the customer included.',
        'J1', 'Refundable: the job changed significantly from the request.',
        'T1', 'Refundable: the job or customer breaks the terms of service.',
        'P1', 'Refundable: the customer''s phone number is not valid.',
        'N1', 'Refundable, opportunities only: the customer''s first response to the quote is a clear no.',
        'H1', 'Never refundable because the customer did not hire the pro.',
        'D1', 'Other situations may be refunded at discretion: a person decides, with a written reason.',
        'S1', 'Reports are handled within {sla_hours} hours.',
        'S2', 'The pro gets an email when a refund is processed; denials are mailed too.',
        'B1', 'An approved refund appears in the account balance at once, to cover future leads.',
        'C1', 'A card refund must be requested within {card_refund_days} days of the refund credit.',
        'C2', 'Only credit that is still unspent can go back to the card.'
    ) AS words
),
completed AS (
    UPDATE refunds.policy_versions v
    SET
        clauses = f.words || v.clauses,
        draft_id = (
            SELECT d.draft_id
            FROM refunds.policy_drafts d
            WHERE d.version = v.version AND d.state = 'published'
        )
    FROM first_words f
    RETURNING v.version
)
UPDATE refunds.policy_drafts d
SET
    clauses = f.words || d.clauses,
    -- Until now a draft began as the version in force when it was first kept, which the audit tells. Without that
    -- it is the first version: then it is only asked to take over a newer one.
    based_on = coalesce(
        (
            SELECT v.version
            FROM refunds.policy_versions v
            WHERE v.effective_from <= (
                SELECT min(a.at)
                FROM refunds.audit a
                WHERE a.subject = 'policy:' || d.draft_id AND a.action = 'policy_drafted'
            )
            ORDER BY v.effective_from DESC
            LIMIT 1
        ),
        (SELECT v.version FROM refunds.policy_versions v ORDER BY v.effective_from LIMIT 1)
    ),
    -- Figures that no form could show, and no version can say from now on.
    window_days = least(d.window_days, 3650),
    job_changed_miles = least(greatest(d.job_changed_miles, 0.01), 5000),
    sla_hours = least(d.sla_hours, 8760),
    card_refund_days = least(d.card_refund_days, 3650),
    approval_limit_minor = least(d.approval_limit_minor, 1000000000)
FROM first_words f
WHERE d.state = 'draft';
ALTER TABLE refunds.policy_versions ENABLE TRIGGER append_only;

-- The figures' bounds are those of refundlib/domain/policy.py; a test holds them equal. Rows that were published
-- before are not asked.
ALTER TABLE refunds.policy_drafts
    ADD CONSTRAINT figures CHECK (
        state <> 'draft'
        OR window_days BETWEEN 1 AND 3650
        AND job_changed_miles BETWEEN 0.01 AND 5000
        AND sla_hours BETWEEN 1 AND 8760
        AND card_refund_days BETWEEN 1 AND 3650
        AND approval_limit_minor BETWEEN 0 AND 1000000000
    ),
    ADD CONSTRAINT all_clauses CHECK (
        state <> 'draft'
        OR clauses ?& ARRAY['W1', 'W2', 'J1', 'T1', 'P1', 'N1', 'H1', 'D1', 'S1', 'S2', 'B1', 'C1', 'C2']
    ),
    ADD CONSTRAINT begun_from_a_version CHECK (state <> 'draft' OR based_on IS NOT NULL);
ALTER TABLE refunds.policy_versions
    ADD CONSTRAINT figures CHECK (
        window_days BETWEEN 1 AND 3650
        AND job_changed_miles BETWEEN 0.01 AND 5000
        AND sla_hours BETWEEN 1 AND 8760
        AND card_refund_days BETWEEN 1 AND 3650
        AND approval_limit_minor BETWEEN 0 AND 1000000000
    ) NOT VALID,
    ADD CONSTRAINT all_clauses CHECK (
        clauses ?& ARRAY['W1', 'W2', 'J1', 'T1', 'P1', 'N1', 'H1', 'D1', 'S1', 'S2', 'B1', 'C1', 'C2']
    ),
    -- A revoked version leaves its moment free; the order of the others is held by refunds.guard_policy_version.
    DROP CONSTRAINT policy_versions_effective_from_key;

-- -- revoked before it came into force --------------------------------------------------------------------
CREATE TABLE refunds.policy_revocations (
    version text PRIMARY KEY REFERENCES refunds.policy_versions,
    revoked_by text NOT NULL CHECK (revoked_by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refunds.policy_revocations
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- The versions that count, scheduled ones included: whoever asks which version counts reads these.
CREATE VIEW refunds.standing_policies AS
SELECT v.*
FROM refunds.policy_versions v
WHERE NOT EXISTS (SELECT FROM refunds.policy_revocations r WHERE r.version = v.version);

-- -- the guards -------------------------------------------------------------------------------------------
-- The time as the guards below have it. The tests, whose desk lives in another year, replace it on their own
-- databases; only the owner can.
CREATE FUNCTION refunds.policy_clock() RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT clock_timestamp() $$;

-- One version after the other, each from a draft as it stands, published by somebody who wrote none of it, and
-- never for the past. Five minutes are for clocks that do not agree.
CREATE FUNCTION refunds.guard_policy_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    draft refunds.policy_drafts;
    newest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('refunds.policies'));
    SELECT d.* INTO draft FROM refunds.policy_drafts d WHERE d.draft_id = NEW.draft_id FOR UPDATE;
    IF draft.state IS DISTINCT FROM 'draft'
        OR (draft.version, draft.window_days, draft.job_changed_miles, draft.sla_hours, draft.card_refund_days)
            <> (NEW.version, NEW.window_days, NEW.job_changed_miles, NEW.sla_hours, NEW.card_refund_days)
        OR (draft.spend_order, draft.approval_limit_minor, draft.clauses, draft.sources, draft.note)
            <> (NEW.spend_order, NEW.approval_limit_minor, NEW.clauses, NEW.sources, NEW.note)
    THEN
        RAISE EXCEPTION 'policy % is not an open draft as it stands', NEW.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_of_a_draft';
    END IF;
    IF NEW.published_by = '' OR NEW.published_by = ANY (draft.written_by) THEN
        RAISE EXCEPTION 'policy % is published by %, who wrote a part of it', NEW.version, NEW.published_by
            USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_by_two';
    END IF;
    SELECT max(s.effective_from) INTO newest FROM refunds.standing_policies s;
    IF NEW.effective_from <= newest OR NEW.effective_from < refunds.policy_clock() - interval '5 minutes' THEN
        RAISE EXCEPTION 'policy % would come into force at %, in the past or before another', NEW.version,
            NEW.effective_from USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_in_order';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_policy_version BEFORE INSERT ON refunds.policy_versions
    FOR EACH ROW EXECUTE FUNCTION refunds.guard_policy_version();

-- The draft is settled in the statement that makes it a version.
CREATE FUNCTION refunds.settle_draft() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE refunds.policy_drafts SET state = 'published', shadow_since = NULL WHERE draft_id = NEW.draft_id;
    RETURN NULL;
END $$;
CREATE TRIGGER settle_draft AFTER INSERT ON refunds.policy_versions
    FOR EACH ROW EXECUTE FUNCTION refunds.settle_draft();

-- A settled draft stays as it is; of an open one the authors only become more and the revisions go up.
CREATE FUNCTION refunds.guard_policy_draft() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.state <> 'draft' THEN
        RAISE EXCEPTION 'the draft % was % and stays as it is', OLD.version, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.draft_id <> OLD.draft_id OR NEW.revision < OLD.revision
        OR NEW.written_by[1:cardinality(OLD.written_by)] <> OLD.written_by
        OR NEW.revision = OLD.revision AND (NEW.version, NEW.window_days, NEW.job_changed_miles, NEW.sla_hours,
            NEW.card_refund_days, NEW.spend_order, NEW.approval_limit_minor, NEW.clauses, NEW.sources, NEW.note,
            NEW.based_on) IS DISTINCT FROM (OLD.version, OLD.window_days, OLD.job_changed_miles, OLD.sla_hours,
            OLD.card_refund_days, OLD.spend_order, OLD.approval_limit_minor, OLD.clauses, OLD.sources, OLD.note,
            OLD.based_on)
    THEN
        RAISE EXCEPTION 'the draft % cannot lose an author, go back, or change within a revision', OLD.version
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'published'
        AND NOT EXISTS (SELECT FROM refunds.policy_versions v WHERE v.draft_id = NEW.draft_id)
    THEN
        RAISE EXCEPTION 'the draft % is not published: there is no such version', NEW.version
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_policy_draft BEFORE UPDATE ON refunds.policy_drafts
    FOR EACH ROW EXECUTE FUNCTION refunds.guard_policy_draft();
CREATE TRIGGER keep BEFORE DELETE OR TRUNCATE ON refunds.policy_drafts
    FOR EACH STATEMENT EXECUTE FUNCTION refunds.refuse_change();

-- What is in force, or was, is not revoked.
CREATE FUNCTION refunds.guard_policy_revocation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('refunds.policies'));
    IF NOT EXISTS (
        SELECT
        FROM refunds.policy_versions v
        WHERE v.version = NEW.version AND v.effective_from > greatest(NEW.at, refunds.policy_clock())
    ) THEN
        RAISE EXCEPTION 'policy % is in force and cannot be revoked', NEW.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_not_yet_in_force';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_policy_revocation BEFORE INSERT ON refunds.policy_revocations
    FOR EACH ROW EXECUTE FUNCTION refunds.guard_policy_revocation();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT, INSERT ON refunds.policy_revocations TO refunds_app;
        GRANT SELECT ON refunds.standing_policies TO refunds_app;
        -- Everything of a draft but its number; that it is published only the version itself says.
        REVOKE UPDATE ON refunds.policy_drafts FROM refunds_app;
        GRANT UPDATE (
            version, window_days, job_changed_miles, sla_hours, card_refund_days, spend_order, approval_limit_minor,
            clauses, sources, note, state, shadow_since, revision, written_by, written_at, based_on
        ) ON refunds.policy_drafts TO refunds_app;
    END IF;
END $$;
