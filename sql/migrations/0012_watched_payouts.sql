-- Payouts are sent by us and watched until their outcome can no longer change.
ALTER TABLE refunds.payouts ADD COLUMN look_at timestamptz;
COMMENT ON COLUMN refunds.payouts.look_at IS 'when the processor is asked again; NULL when nothing can change any more';
CREATE INDEX payouts_to_look_at ON refunds.payouts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX payouts_processor_ref ON refunds.payouts (processor_ref) WHERE processor_ref IS NOT NULL;
