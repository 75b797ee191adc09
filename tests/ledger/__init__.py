"""The ledger: worked examples, the stateful model, concurrency, and what the database refuses."""
