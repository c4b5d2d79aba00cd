"""The report: one page with the scores of synthetic samples and figures of them beside real ones."""
