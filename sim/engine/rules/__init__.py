"""The rules of the data plane as compiled code: sharing, budgets, memory, queueing, programs of requests."""
