"""This machine's own numbers: real starts, limits, unpacking and the disk, measured; starts fitted and predicted.

`machine`, `cgroups` and `servers` look at the machine and run real processes on it; `recordings` keeps what they did,
`replay` makes a scenario of it, for `validation/` and the scorecard too; `runtimes` and `storm` start real
containers; `fit` makes the numbers of a platform from that, and asks the simulator for what it was not fitted to;
`platform_file` writes them down; `study` does all of it.
"""
