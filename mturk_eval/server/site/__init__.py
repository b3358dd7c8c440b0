"""The worker site: where people find, preview, accept, do, submit and return tasks."""
