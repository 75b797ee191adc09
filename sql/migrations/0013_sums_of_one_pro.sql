-- A pro's month is summed by the index of the pro's charges, and pros are compared without summing twice.

-- The sums of some months of one pro as they should be.
CREATE FUNCTION refunds.roll_up_pro(in_pro_id text, in_from date, in_to date) RETURNS SETOF refunds.rollup_pros
LANGUAGE sql STABLE AS $$
    SELECT
        date_trunc('month', c.charged_at AT TIME ZONE 'UTC')::date, c.pro_id, c.currency,
        count(*), count(r.report_id), sum(c.amount)::bigint, coalesce(sum(r.refunded_amount), 0)::bigint
    FROM marketplace.charges c
    LEFT JOIN refunds.reports r ON r.charge_id = c.charge_id AND r.state = 'approved'
    WHERE
        c.pro_id = in_pro_id
        AND c.charged_at >= in_from::timestamp AT TIME ZONE 'UTC'
        AND c.charged_at < in_to::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3
$$;

-- Charges made and refunded by pro over UTC days, several rows a pro and currency: whole months from the sums by pro; the
-- days before the first and after the last whole month, and pros' months with a change that is not summed yet, from
-- the rows.
CREATE OR REPLACE FUNCTION refunds.charges_by_pro(in_from date, in_to date)
RETURNS TABLE (pro_id text, currency text, n bigint, k bigint, amount_n bigint, amount_k bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH fresh AS (
        SELECT DISTINCT date_trunc('month', m.day::timestamp)::date AS month, m.pro_id
        FROM refunds.rollup_marks m
        WHERE
            m.source IN ('charges', 'refunds')
            AND m.day >= date_trunc('month', in_from::timestamp + interval '1 month - 1 day')
            AND m.day < date_trunc('month', in_to::timestamp)
    )

    SELECT p.pro_id, p.currency, p.n, p.k, p.amount_n, p.amount_k
    FROM refunds.rollup_pros p
    WHERE
        p.month >= date_trunc('month', in_from::timestamp + interval '1 month - 1 day')
        AND p.month < date_trunc('month', in_to::timestamp)
        AND NOT EXISTS (SELECT FROM fresh f WHERE f.month = p.month AND f.pro_id = p.pro_id)
    UNION ALL
    SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
    FROM fresh f
    CROSS JOIN LATERAL refunds.roll_up_pro(f.pro_id, f.month, (f.month + interval '1 month')::date) AS r
    UNION ALL
    SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
    FROM refunds.roll_up_pros(
        in_from, least(date_trunc('month', in_from::timestamp + interval '1 month - 1 day')::date, in_to), NULL
    ) AS r
    UNION ALL
    SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
    FROM refunds.roll_up_pros(
        greatest(
            date_trunc('month', in_to::timestamp)::date,
            date_trunc('month', in_from::timestamp + interval '1 month - 1 day')::date
        ),
        in_to, NULL
    ) AS r
$$;
