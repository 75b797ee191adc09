-- name: lead(lead_id)^
-- A lead with its customer.
SELECT
    l.lead_id,
    l.kind,
    l.category,
    l.zip,
    l.description,
    l.created_at,
    l.customer_id,
    coalesce(c.name, '') AS customer_name,
    coalesce(c.email, '') AS customer_email,
    coalesce(c.phone, '') AS customer_phone
FROM marketplace.leads l
LEFT JOIN marketplace.customers c USING (customer_id)
WHERE l.lead_id = :lead_id;

-- name: pros_in_conversation(lead_id)
-- The pros who have a conversation about a lead.
SELECT
    m.pro_id,
    coalesce(p.name, m.pro_id) AS pro_name,
    count(*) AS messages
FROM marketplace.messages m
LEFT JOIN marketplace.pros p USING (pro_id)
WHERE m.lead_id = :lead_id
GROUP BY m.pro_id, p.name
ORDER BY min(m.sent_at);
