-- name: keep(sha256, media_type, content)!
-- A file's content, once.
INSERT INTO refunds.files (sha256, media_type, content)
VALUES (:sha256, :media_type, :content)
ON CONFLICT (sha256) DO NOTHING;

-- name: attach(report_id, sha256, name, added_by, added_at)!
-- A file beside a report, once.
INSERT INTO refunds.attachments (report_id, sha256, name, added_by, added_at)
VALUES (:report_id, :sha256, :name, :added_by, :added_at)
ON CONFLICT (report_id, sha256) DO NOTHING;

-- name: count(report_id)$
-- How many files lie beside a report.
SELECT count(*)
FROM refunds.attachments a
WHERE a.report_id = :report_id;

-- name: of_report(report_id)
-- What was handed in with a report, in the order it came.
SELECT
    a.sha256,
    a.name,
    f.media_type,
    octet_length(f.content) AS size_bytes,
    a.added_by,
    coalesce(p.name, a.added_by) AS added_by_name,
    a.added_at
FROM refunds.attachments a
JOIN refunds.files f USING (sha256)
LEFT JOIN refunds.people p ON p.person_id = a.added_by
WHERE a.report_id = :report_id
ORDER BY a.added_at, a.name;

-- name: attachment(report_id, sha256)^
-- One file of a report, with its content.
SELECT
    a.name,
    f.media_type,
    f.content
FROM refunds.attachments a
JOIN refunds.files f USING (sha256)
WHERE a.report_id = :report_id AND a.sha256 = :sha256;
