-- name: credit_of(report_id)^
-- The credit a card refund of a report would come from: its standing approval's lot.
SELECT
    l.lot_id,
    l.amount,
    l.currency,
    l.remaining,
    l.card_until,
    l.payment_ids,
    l.opened_at
FROM refunds.reports r
JOIN refunds.lots l ON l.lot_id = 'refund:' || r.standing_decision_id
WHERE r.report_id = :report_id AND r.state = 'approved';

-- name: count_of(report_id)$
-- How many card refunds a report has had: numbers the next one.
SELECT count(*) FROM refunds.card_refunds WHERE report_id = :report_id;

-- name: write_card_refund(card_refund_id, report_id, lot_id, pro_id, amount, currency, requested_by, requested_at)!
-- A card refund, requested.
INSERT INTO refunds.card_refunds (
    card_refund_id, report_id, lot_id, pro_id, amount, currency, requested_by, requested_at)
VALUES (:card_refund_id, :report_id, :lot_id, :pro_id, :amount, :currency, :requested_by, :requested_at);

-- name: write_payout(payout_id, card_refund_id, payment_id, amount, currency)!
-- One part of a card refund, to one payment.
INSERT INTO refunds.payouts (payout_id, card_refund_id, payment_id, amount, currency, state)
VALUES (:payout_id, :card_refund_id, :payment_id, :amount, :currency, 'requested');

-- name: payout_owner(payout_id)^
-- Which report, pro and lot a payout belongs to: what must be locked before it changes.
SELECT
    c.card_refund_id,
    c.report_id,
    c.lot_id,
    c.pro_id,
    c.currency,
    c.requested_by
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
WHERE p.payout_id = :payout_id;

-- name: lock_payout(payout_id)^
-- One payout, for a change of its state.
SELECT
    p.payout_id,
    p.payment_id,
    p.amount,
    p.state,
    p.processor_ref,
    (SELECT b.state FROM refunds.batches b WHERE b.batch_id = p.batch_id) AS batch_state
FROM refunds.payouts p
WHERE p.payout_id = :payout_id
FOR UPDATE OF p;

-- name: set_payout(payout_id, state, processor_ref, settled_at, reversed_at, failure_reason, look_at)!
-- A payout's new state, when it is looked at again, and what came with it; what is not given stays.
UPDATE refunds.payouts
SET
    state = :state,
    look_at = :look_at,
    processor_ref = coalesce(CAST(:processor_ref AS text), processor_ref),
    settled_at = coalesce(CAST(:settled_at AS timestamptz), settled_at),
    reversed_at = coalesce(CAST(:reversed_at AS timestamptz), reversed_at),
    failure_reason = coalesce(CAST(:failure_reason AS text), failure_reason)
WHERE payout_id = :payout_id;

-- name: set_submitted(payout_id, card_refund_id, at)!
-- A payout is on its way; with the first one, so is its card refund.
WITH sent AS (
    UPDATE refunds.payouts
    SET sent_at = coalesce(sent_at, :at)
    WHERE payout_id = :payout_id
)

UPDATE refunds.card_refunds
SET submitted_at = coalesce(submitted_at, :at)
WHERE card_refund_id = :card_refund_id;

-- name: extend_right(lot_id, card_until)!
-- Money came back: the right to a card refund of it is open for longer.
UPDATE refunds.lots
SET card_until = greatest(card_until, :card_until)
WHERE lot_id = :lot_id;

-- name: order_of(payout_id)^
-- What the processor is asked for.
SELECT
    p.payout_id,
    p.card_refund_id,
    c.report_id,
    m.processor_ref AS payment_ref,
    p.amount AS amount_minor,
    p.currency,
    p.state,
    p.processor_ref,
    p.settled_at
FROM refunds.payouts p
JOIN refunds.card_refunds c USING (card_refund_id)
JOIN marketplace.payments m ON m.payment_id = p.payment_id
WHERE p.payout_id = :payout_id;

-- name: of_processor(payout_id, processor_ref)$
-- The payout a processor's news is of: by our id, else by its own.
SELECT p.payout_id
FROM refunds.payouts p
WHERE p.payout_id = :payout_id OR p.processor_ref = :processor_ref
ORDER BY p.payout_id = :payout_id DESC
LIMIT 1;

-- name: claim_look(now, lease_until)$
-- A payout whose look is due, put off meanwhile, so that nobody else takes it.
UPDATE refunds.payouts
SET look_at = :lease_until
WHERE payout_id = (
    SELECT payout_id
    FROM refunds.payouts
    WHERE look_at <= :now
    ORDER BY look_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING payout_id;

-- name: set_look(payout_id, look_at)!
-- When the processor is asked again.
UPDATE refunds.payouts
SET look_at = :look_at
WHERE payout_id = :payout_id;
