-- Numbers of reports filed at the desk: R-1001, R-1002 …
CREATE SEQUENCE refunds.report_numbers START 1001;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT USAGE ON SEQUENCE refunds.report_numbers TO refunds_app;
    END IF;
END $$;
