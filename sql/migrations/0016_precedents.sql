-- Claims of one reason that were decided, the newest first: precedents of a claim that is open.
CREATE INDEX reports_decided_reason ON refunds.reports (reason, decided_at DESC)
    WHERE state IN ('approved', 'denied');
