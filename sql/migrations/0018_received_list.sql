-- A mail of a pro as the lists show it: without its words, with how many files it carried.
CREATE VIEW refunds.received_list AS
SELECT
    m.received_id,
    m.from_name,
    m.from_address,
    m.subject,
    m.sent_at,
    m.received_at,
    m.state,
    m.why,
    m.pro_id,
    p.name AS pro_name,
    m.charge_id,
    m.reason,
    m.report_id,
    m.handled_by,
    m.handled_at,
    (
        SELECT count(*)
        FROM refunds.received_files f
        WHERE f.received_id = m.received_id
    ) AS files
FROM refunds.received_mails m
LEFT JOIN marketplace.pros p USING (pro_id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT ON refunds.received_list TO refunds_app;
    END IF;
END $$;
