-- A report the desk opens by itself, after the report of another pro of the lead was approved: nobody told it in a
-- chat, by mail or on the phone. The exchange format does not know the channel: no marketplace has such reports.
ALTER TABLE refunds.reports
    DROP CONSTRAINT reports_channel_check,
    ADD CONSTRAINT reports_channel_check CHECK (channel IN ('chat', 'email', 'phone', 'desk'));
