-- name: is_empty()$
-- Whether nothing was loaded yet: no charge and no report. `refunds run` then loads the demo marketplace.
SELECT
    NOT EXISTS (SELECT FROM marketplace.charges)
    AND NOT EXISTS (SELECT FROM refunds.reports);

-- name: figures()^
-- What is in the database: counts, and sums in minor units over all currencies as they stand in the rows.
SELECT
    (SELECT count(*) FROM marketplace.pros) AS pros,
    (SELECT count(*) FROM marketplace.customers) AS customers,
    (SELECT count(*) FROM marketplace.leads) AS leads,
    (SELECT count(*) FROM marketplace.payments) AS payments,
    (SELECT count(*) FROM marketplace.charges) AS charges,
    (SELECT count(*) FROM marketplace.messages) AS messages,
    (SELECT count(*) FROM refunds.reports) AS reports,
    (SELECT count(*) FROM refunds.decisions) AS decisions,
    (SELECT count(*) FROM refunds.card_refunds) AS card_refunds,
    (
        SELECT count(*)
        FROM refunds.reports
        WHERE state IN ('open', 'waiting_on_pro', 'awaiting_second_approval')
    ) AS open_reports,
    (SELECT count(*) FROM refunds.reports WHERE state = 'approved') AS approved,
    (
        SELECT coalesce(sum(refunded_amount), 0)::bigint
        FROM refunds.reports
        WHERE state = 'approved'
    ) AS refunded_minor,
    (SELECT coalesce(sum(amount), 0)::bigint FROM marketplace.charges) AS charged_minor,
    (SELECT coalesce(sum(amount), 0)::bigint FROM marketplace.payments) AS paid_minor,
    (
        SELECT count(*)
        FROM refunds.card_refund_states
        WHERE state IN ('failed', 'reversed')
    ) AS card_refunds_failed_or_reversed,
    (SELECT coalesce(sum(succeeded_amount), 0)::bigint FROM refunds.card_refund_states) AS card_refunded_minor;

-- name: money_by_currency()
-- The same sums for each currency: money is never added across currencies.
SELECT
    c.currency,
    sum(c.charged_minor)::bigint AS charged_minor,
    sum(c.paid_minor)::bigint AS paid_minor,
    sum(c.refunded_minor)::bigint AS refunded_minor,
    sum(c.card_refunded_minor)::bigint AS card_refunded_minor
FROM (
    SELECT currency, sum(amount) AS charged_minor, 0 AS paid_minor, 0 AS refunded_minor, 0 AS card_refunded_minor
    FROM marketplace.charges
    GROUP BY currency
    UNION ALL
    SELECT currency, 0, sum(amount), 0, 0
    FROM marketplace.payments
    GROUP BY currency
    UNION ALL
    SELECT currency, 0, 0, sum(refunded_amount), 0
    FROM refunds.reports
    WHERE state = 'approved'
    GROUP BY currency
    UNION ALL
    SELECT currency, 0, 0, 0, sum(succeeded_amount)
    FROM refunds.card_refund_states
    GROUP BY currency
) AS c
GROUP BY c.currency
ORDER BY c.currency;
