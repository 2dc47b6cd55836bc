"""Where runs are executed; see `choice.executor_for`."""
