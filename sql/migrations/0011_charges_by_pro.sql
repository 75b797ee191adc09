-- Charges made and refunded by pro over UTC days, for the list by pro and for how pros spread: whole months from the sums
-- by pro; the days before the first and after the last whole month, and pros' months with a change that is not summed
-- yet, from the rows.
CREATE FUNCTION refunds.charges_by_pro(in_from date, in_to date)
RETURNS TABLE (pro_id text, currency text, n bigint, k bigint, amount_n bigint, amount_k bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH whole AS (
        SELECT
            date_trunc('month', in_from::timestamp + interval '1 month - 1 day')::date AS first,
            date_trunc('month', in_to::timestamp)::date AS beyond
    ), ragged AS (
        SELECT in_from AS from_day, least(w.first, in_to) AS to_day FROM whole w
        UNION ALL
        SELECT w.beyond, in_to FROM whole w WHERE w.beyond >= w.first
    ), fresh AS (
        SELECT DISTINCT date_trunc('month', m.day)::date AS month, m.pro_id
        FROM refunds.rollup_marks m
        CROSS JOIN whole w
        WHERE m.source = 'charges' AND m.day >= w.first AND m.day < w.beyond
    ), parts AS (
        SELECT p.pro_id, p.currency, p.n, p.k, p.amount_n, p.amount_k
        FROM refunds.rollup_pros p
        CROSS JOIN whole w
        WHERE
            p.month >= w.first
            AND p.month < w.beyond
            AND NOT EXISTS (SELECT FROM fresh f WHERE f.month = p.month AND f.pro_id = p.pro_id)
        UNION ALL
        SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
        FROM fresh f
        CROSS JOIN LATERAL refunds.roll_up_pros(f.month, (f.month + interval '1 month')::date, f.pro_id) AS r
        UNION ALL
        SELECT r.pro_id, r.currency, r.n, r.k, r.amount_n, r.amount_k
        FROM ragged g
        CROSS JOIN LATERAL refunds.roll_up_pros(g.from_day, g.to_day, NULL) AS r
        WHERE g.from_day < g.to_day
    )

    SELECT
        p.pro_id, p.currency, sum(p.n)::bigint, sum(p.k)::bigint, sum(p.amount_n)::bigint, sum(p.amount_k)::bigint
    FROM parts p
    GROUP BY p.pro_id, p.currency
$$;
