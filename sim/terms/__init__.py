"""The words that every room shares: metrics, columns and statuses of the tables, shapes of a run's raw records."""
