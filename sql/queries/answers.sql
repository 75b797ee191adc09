-- name: write_answer(report_id, channel, body, answered_at, recorded_by, received_id, request_key, request_sha256)!
-- What a pro answered outside the conversation.
INSERT INTO refunds.answers (
    report_id, channel, body, answered_at, recorded_by, received_id, request_key, request_sha256)
VALUES (
    :report_id, :channel, :body, :answered_at, :recorded_by, :received_id, :request_key, :request_sha256);

-- name: by_key(request_key)^
-- What an earlier request with this key answered.
SELECT
    a.report_id,
    a.request_sha256
FROM refunds.answers a
WHERE a.request_key = :request_key;

-- name: count(report_id)$
-- How many answers a report has.
SELECT count(*)
FROM refunds.answers a
WHERE a.report_id = :report_id;

-- name: of_report(report_id, limit)
-- What a pro answered outside the conversation, in order.
SELECT
    a.answer_id,
    a.channel,
    a.body,
    a.answered_at,
    a.recorded_by,
    a.received_id
FROM refunds.answers a
WHERE a.report_id = :report_id
ORDER BY a.answered_at, a.answer_id
LIMIT :limit;
