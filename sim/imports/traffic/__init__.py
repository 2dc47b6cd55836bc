"""What was recorded of requests to a recording that a scenario replays: logs, tables, load tests, counts a minute."""
