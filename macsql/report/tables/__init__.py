"""Every table of a report, each built in one place from a comparison (macsql.report.table)."""
