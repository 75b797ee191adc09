-- name: open_mailbox(mailbox)!
-- A mailbox that is read for the first time has been read up to nothing.
INSERT INTO refunds.mailboxes (mailbox, uid_validity, last_uid)
VALUES (:mailbox, 0, 0)
ON CONFLICT (mailbox) DO NOTHING;

-- name: position(mailbox)^
-- How far a mailbox was read.
SELECT
    b.uid_validity,
    b.last_uid
FROM refunds.mailboxes b
WHERE b.mailbox = :mailbox;

-- name: lock_position(mailbox)^
-- How far a mailbox was read, held until the transaction ends: of several readers one goes on.
SELECT
    b.uid_validity,
    b.last_uid
FROM refunds.mailboxes b
WHERE b.mailbox = :mailbox
FOR UPDATE;

-- name: advance(mailbox, uid_validity, last_uid)!
-- The mailbox is read up to a mail, in the transaction that keeps the mail.
UPDATE refunds.mailboxes
SET uid_validity = :uid_validity, last_uid = :last_uid
WHERE mailbox = :mailbox AND (uid_validity, last_uid) IS DISTINCT FROM (:uid_validity, :last_uid);

-- name: is_known(fingerprint)$
-- Whether a mail was read before, from this mailbox or another.
SELECT EXISTS (SELECT FROM refunds.received_mails m WHERE m.fingerprint = :fingerprint);

-- name: write_mail(fingerprint, mailbox, message_id, from_name, from_address, subject, body, sent_at, received_at, raw_sha256, left_out, state, why, pro_id, charge_id, reason, report_id, handled_by, handled_at)$
-- A mail as it was read, and where it was placed; its id, or nothing when another reader was first.
INSERT INTO refunds.received_mails (
    fingerprint, mailbox, message_id, from_name, from_address, subject, body, sent_at, received_at, raw_sha256,
    left_out, state, why, pro_id, charge_id, reason, report_id, handled_by, handled_at)
VALUES (
    :fingerprint, :mailbox, :message_id, :from_name, :from_address, :subject, :body, :sent_at, :received_at,
    :raw_sha256, :left_out, :state, :why, :pro_id, :charge_id, :reason, :report_id, :handled_by, :handled_at)
ON CONFLICT (fingerprint) DO NOTHING
RETURNING received_id;

-- name: write_file(received_id, sha256, name)!
-- A file the mail carried.
INSERT INTO refunds.received_files (received_id, sha256, name)
VALUES (:received_id, :sha256, :name)
ON CONFLICT (received_id, sha256) DO NOTHING;

-- name: pros(addresses, ids, limit)
-- Pros by their address, in small letters, or by their id.
SELECT
    p.pro_id,
    p.name,
    p.email
FROM marketplace.pros p
WHERE lower(p.email) = ANY(CAST(:addresses AS text[]))
UNION
SELECT
    p.pro_id,
    p.name,
    p.email
FROM marketplace.pros p
WHERE p.pro_id = ANY(CAST(:ids AS text[]))
ORDER BY pro_id
LIMIT :limit;

-- name: reports(message_ids, ids, limit)
-- Reports a mail answers, by the Message-IDs of our mails about them, or names.
WITH named AS (
    SELECT
        o.report_id,
        true AS is_thread
    FROM refunds.outbox o
    WHERE o.message_id = ANY(CAST(:message_ids AS text[]))
    UNION ALL
    SELECT
        r.report_id,
        false AS is_thread
    FROM refunds.reports r
    WHERE r.report_id = ANY(CAST(:ids AS text[]))
)

SELECT
    r.report_id,
    r.charge_id,
    r.pro_id,
    coalesce(p.name, r.pro_id) AS pro_name,
    r.state,
    bool_or(n.is_thread) AS is_thread
FROM named n
JOIN refunds.reports r USING (report_id)
LEFT JOIN marketplace.pros p ON p.pro_id = r.pro_id
GROUP BY r.report_id, p.name
ORDER BY r.report_id
LIMIT :limit;

-- name: candidates(ids, pro_ids, addresses, numbers, since, limit)
-- Charges a mail may be about: those it names by an id; of the pros it may be of, those of customers whose address
-- or number it has, and all since a moment. The newest first, each with its customer and its reports.
WITH named AS (
    SELECT c.charge_id
    FROM marketplace.charges c
    WHERE c.charge_id = ANY(CAST(:ids AS text[]))
    UNION
    SELECT c.charge_id
    FROM marketplace.charges c
    WHERE c.lead_id = ANY(CAST(:ids AS text[])) AND c.pro_id = ANY(CAST(:pro_ids AS text[]))
    UNION
    SELECT r.charge_id
    FROM refunds.reports r
    WHERE r.report_id = ANY(CAST(:ids AS text[])) AND r.pro_id = ANY(CAST(:pro_ids AS text[]))
), contacted AS (
    SELECT u.customer_id
    FROM marketplace.customers u
    WHERE lower(u.email) = ANY(CAST(:addresses AS text[]))
    UNION
    SELECT u.customer_id
    FROM marketplace.customers u
    WHERE refunds.digits(u.phone) = ANY(CAST(:numbers AS text[]))
), reached AS (
    SELECT c.charge_id
    FROM contacted u
    JOIN marketplace.leads l USING (customer_id)
    JOIN marketplace.charges c USING (lead_id)
    WHERE c.pro_id = ANY(CAST(:pro_ids AS text[]))
    LIMIT :limit
), recent AS (
    SELECT c.charge_id
    FROM marketplace.charges c
    WHERE c.pro_id = ANY(CAST(:pro_ids AS text[])) AND c.charged_at >= :since
    ORDER BY c.charged_at DESC
    LIMIT :limit
), chosen AS (
    SELECT charge_id, 1 AS rank FROM named
    UNION ALL
    SELECT charge_id, 2 AS rank FROM reached
    UNION ALL
    SELECT charge_id, 3 AS rank FROM recent
), once AS (
    SELECT
        charge_id,
        min(rank) AS rank
    FROM chosen
    GROUP BY charge_id
)

SELECT
    c.charge_id,
    c.lead_id,
    c.pro_id,
    coalesce(p.name, c.pro_id) AS pro_name,
    c.charged_at,
    l.category,
    u.name AS customer_name,
    u.email AS customer_email,
    u.phone AS customer_phone,
    s.open_report,
    s.refunded_report,
    s.denied_report
FROM once o
JOIN marketplace.charges c USING (charge_id)
JOIN marketplace.leads l USING (lead_id)
JOIN marketplace.customers u USING (customer_id)
LEFT JOIN marketplace.pros p ON p.pro_id = c.pro_id
CROSS JOIN LATERAL (
    SELECT
        min(r.report_id) FILTER (WHERE r.state IN ('open', 'waiting_on_pro', 'awaiting_second_approval'))
            AS open_report,
        min(r.report_id) FILTER (WHERE r.state = 'approved') AS refunded_report,
        max(r.report_id) FILTER (WHERE r.state = 'denied') AS denied_report
    FROM refunds.reports r
    WHERE r.charge_id = c.charge_id
) AS s
ORDER BY o.rank, c.charged_at DESC, c.charge_id
LIMIT :limit;

-- name: set_proposed(received_id, pro_id, charge_id, reason, why)!
-- Somebody placed a waiting mail by hand.
UPDATE refunds.received_mails
SET
    state = 'proposed',
    pro_id = :pro_id,
    charge_id = :charge_id,
    reason = :reason,
    why = :why
WHERE received_id = :received_id;
