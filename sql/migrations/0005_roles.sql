-- The app's role: it reads, inserts and makes the few updates it needs; the ledger only through
-- refunds.post. Where the server does not let us create roles, the triggers still stand.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        CREATE ROLE refunds_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role refunds_app cannot be created here: the app runs with the rights of its login';
    WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another database of this server created it at the same moment
END $$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA marketplace, refunds TO refunds_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA marketplace, refunds TO refunds_app;
    GRANT INSERT ON
        refunds.reports, refunds.snapshots, refunds.decisions, refunds.proposals, refunds.audit,
        refunds.card_refunds, refunds.payouts, refunds.outbox, refunds.watermarks, refunds.unposted,
        refunds.heartbeats, refunds.people, refunds.policy_versions, refunds.balances
        TO refunds_app;
    GRANT UPDATE ON
        refunds.reports, refunds.card_refunds, refunds.payouts, refunds.outbox, refunds.watermarks,
        refunds.unposted, refunds.heartbeats, refunds.people
        TO refunds_app;
    -- card_until only: a returned card refund gives the right to another one.
    GRANT UPDATE (card_until) ON refunds.lots TO refunds_app;
    -- Enough to lock the row; amounts change through refunds.post alone.
    GRANT UPDATE (pro_seq) ON refunds.balances TO refunds_app;
    GRANT DELETE ON refunds.unposted TO refunds_app;
    GRANT EXECUTE ON FUNCTION refunds.post TO refunds_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA refunds TO refunds_app;
END $$;
REVOKE EXECUTE ON FUNCTION refunds.post FROM public;
