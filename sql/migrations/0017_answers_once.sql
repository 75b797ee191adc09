-- What a request to answer carried, so that its key is not used for another answer.
ALTER TABLE refunds.answers ADD COLUMN request_sha256 text;
