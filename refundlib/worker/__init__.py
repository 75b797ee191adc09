"""The background process: one idempotent function a job."""
