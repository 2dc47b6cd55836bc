"""This machine's own numbers: real starts, limits, disk and boots are measured, fitted and predicted.

`machine`, `cgroups` and `servers` look at the machine and run real processes on it; `runtimes` and `storm` start real
containers; `fit` makes the numbers of a platform from that, and asks the simulator for what it was not fitted to;
`platform_file` writes them down; `study` does all of it.
"""
