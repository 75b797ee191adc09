-- One standing decision a report, of its own and of its present round; an undecided report has none.
SELECT
    r.report_id,
    r.state,
    r.round,
    r.standing_decision_id,
    d.report_id AS decision_of,
    d.round AS decision_round
FROM refunds.reports r
LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id
WHERE
    (r.state IN ('approved', 'denied') AND (d.report_id, d.round) IS DISTINCT FROM (r.report_id, r.round))
    OR (r.state NOT IN ('approved', 'denied') AND r.standing_decision_id IS NOT NULL)
    OR (r.state = 'approved' AND d.refund_amount <> r.refunded_amount);
