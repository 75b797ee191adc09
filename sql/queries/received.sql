-- name: page(state, before, limit)
-- Mails of pros in one state, the newest first.
SELECT m.*
FROM refunds.received_list m
WHERE m.state = :state AND m.received_id < :before
ORDER BY m.received_id DESC
LIMIT :limit;

-- name: waiting_page(after, limit)
-- Mails that wait for a person, who waits longest first, after one of them (0: from the first).
SELECT m.*
FROM refunds.received_list m
WHERE m.state IN ('proposed', 'unplaced') AND (m.received_at, m.received_id) > (
    coalesce(
        (SELECT a.received_at FROM refunds.received_mails a WHERE a.received_id = :after),
        CAST('-infinity' AS timestamptz)),
    :after)
ORDER BY m.received_at, m.received_id
LIMIT :limit;

-- name: waiting()^
-- How many mails wait for a person.
SELECT
    count(*) FILTER (WHERE m.state = 'proposed') AS proposed,
    count(*) FILTER (WHERE m.state = 'unplaced') AS unplaced
FROM refunds.received_mails m
WHERE m.state IN ('proposed', 'unplaced');

-- name: mail(received_id)^
-- One mail of a pro with its words.
SELECT
    m.received_id,
    m.mailbox,
    m.message_id,
    m.from_name,
    m.from_address,
    m.subject,
    m.body,
    m.sent_at,
    m.received_at,
    m.raw_sha256,
    m.left_out,
    m.state,
    m.why,
    m.pro_id,
    p.name AS pro_name,
    m.charge_id,
    m.reason,
    m.report_id,
    coalesce(w.name, m.handled_by) AS handled_by_name,
    m.handled_at
FROM refunds.received_mails m
LEFT JOIN marketplace.pros p USING (pro_id)
LEFT JOIN refunds.people w ON w.person_id = m.handled_by
WHERE m.received_id = :received_id;

-- name: files(received_id)
-- What a mail carried, without the content; the whole mail as it came is the last.
SELECT
    f.name,
    c.media_type,
    octet_length(c.content) AS size_bytes,
    f.sha256
FROM refunds.received_files f
JOIN refunds.files c USING (sha256)
WHERE f.received_id = :received_id
UNION ALL
SELECT
    'mail.eml',
    c.media_type,
    octet_length(c.content),
    c.sha256
FROM refunds.received_mails m
JOIN refunds.files c ON c.sha256 = m.raw_sha256
WHERE m.received_id = :received_id;

-- name: file(received_id, sha256)^
-- One file of a mail, or the whole mail, with its content.
SELECT
    coalesce(f.name, 'mail.eml') AS name,
    c.media_type,
    c.content
FROM refunds.received_mails m
JOIN refunds.files c ON c.sha256 = :sha256
LEFT JOIN refunds.received_files f ON f.received_id = m.received_id AND f.sha256 = c.sha256
WHERE m.received_id = :received_id AND (f.sha256 IS NOT NULL OR m.raw_sha256 = c.sha256);

-- name: lock(received_id)^
-- Locks one mail for a change.
SELECT
    m.received_id,
    m.state,
    m.report_id,
    m.pro_id,
    m.charge_id,
    m.received_at
FROM refunds.received_mails m
WHERE m.received_id = :received_id
FOR UPDATE;

-- name: set_handled(received_id, state, why, report_id, handled_by, handled_at)!
-- Somebody filed a mail, or put it aside.
UPDATE refunds.received_mails
SET
    state = :state,
    why = :why,
    report_id = :report_id,
    handled_by = :handled_by,
    handled_at = :handled_at
WHERE received_id = :received_id;

-- name: set_taken_up_again(received_id, why)!
-- A mail that was put aside waits again.
UPDATE refunds.received_mails
SET
    state = 'unplaced',
    why = :why,
    handled_by = NULL,
    handled_at = NULL
WHERE received_id = :received_id;

-- name: attach_files(received_id, report_id, added_by, added_at)!
-- What a mail carried, and the mail itself, beside the report it became.
INSERT INTO refunds.attachments (report_id, sha256, name, added_by, added_at)
SELECT
    :report_id,
    f.sha256,
    f.name,
    :added_by,
    :added_at
FROM refunds.received_files f
WHERE f.received_id = :received_id
UNION ALL
SELECT
    :report_id,
    m.raw_sha256,
    'mail.eml',
    :added_by,
    :added_at
FROM refunds.received_mails m
WHERE m.received_id = :received_id AND m.raw_sha256 IS NOT NULL
ON CONFLICT (report_id, sha256) DO NOTHING;
