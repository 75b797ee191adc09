-- What the queue needs when there are many claims and many people: words of the chats, who looks at what, filters kept.

-- The words of each claim's conversation as it was frozen, and of what the pro reported; for search.
CREATE TABLE refunds.report_words (
    report_id text PRIMARY KEY REFERENCES refunds.reports,
    words tsvector NOT NULL
);
CREATE INDEX report_words_search ON refunds.report_words USING gin (words) WITH (fastupdate = off);

CREATE FUNCTION refunds.words_of(facts text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_tsvector('simple', concat_ws(' ', f.it #>> '{report,details}', (
        SELECT string_agg(m ->> 'body', ' ')
        FROM jsonb_array_elements(f.it -> 'messages') AS m
    )))
    FROM (SELECT facts::jsonb AS it) AS f
$$;

CREATE FUNCTION refunds.keep_words() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO refunds.report_words (report_id, words)
    SELECT n.report_id, refunds.words_of(n.facts)
    FROM new_rows n
    WHERE n.round = (SELECT max(o.round) FROM new_rows o WHERE o.report_id = n.report_id)
    ON CONFLICT (report_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_words AFTER INSERT ON refunds.snapshots
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refunds.keep_words();

INSERT INTO refunds.report_words (report_id, words)
SELECT DISTINCT ON (s.report_id) s.report_id, refunds.words_of(s.facts)
FROM refunds.snapshots s
ORDER BY s.report_id, s.round DESC;

-- Who has which claim open; a row that is not renewed says nothing any more.
CREATE UNLOGGED TABLE refunds.presence (
    person_id text PRIMARY KEY,
    report_id text NOT NULL,
    seen_at timestamptz NOT NULL
);
CREATE INDEX presence_report ON refunds.presence (report_id);

-- Filters of the queue somebody keeps under a name, as the address has them.
CREATE TABLE refunds.saved_filters (
    person_id text NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    filters jsonb NOT NULL,
    PRIMARY KEY (person_id, name)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'refunds_app') THEN
        GRANT SELECT ON refunds.report_words TO refunds_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON refunds.presence, refunds.saved_filters TO refunds_app;
    END IF;
END $$;
