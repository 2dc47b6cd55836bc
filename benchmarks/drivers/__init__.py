"""One module a peer; each is a program that simulates the work W once and prints one JSON line."""
