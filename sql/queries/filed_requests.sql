-- name: by_key(request_key)^
-- What an earlier request with this key filed.
SELECT
    f.request_sha256,
    f.report_id
FROM refunds.filed_requests f
WHERE f.request_key = :request_key;

-- name: keep(request_key, request_sha256, report_id, filed_at)!
-- What a request filed, in the same transaction.
INSERT INTO refunds.filed_requests (request_key, request_sha256, report_id, filed_at)
VALUES (:request_key, :request_sha256, :report_id, :filed_at);
