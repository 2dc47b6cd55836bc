"""A commented scenario from nothing."""

from __future__ import annotations

from typing import Final

STARTER: Final = """\
# A scenario: one host, the platforms to compare on it, the services and their traffic.
# `python -m sim validate FILE` checks it, `run FILE` compares the platforms, `fit FILE` asks how much the host carries.
name: shop
seed: 1                             # same seed, same numbers
duration: 3min
warmup: 30s                         # discarded before measuring
replications: 3                     # for the confidence intervals
host: {cores: 16, memory: 64GiB, disk: {read: 1.5GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [vm, container]          # each meets the very same traffic; `python -m sim platforms` shows all
services:
  web:
    image: {vm: 2.2GB, container: 200MB}
    memory: {base: 128MiB, per_request: 1MiB}        # what it uses; what it is promised is its size
    start_cpu: 1s                   # core-seconds before it can serve
    concurrency: 16                 # requests in service at once in one replica
    timeout: 5s                     # how long a client waits
    slo: {p99: 500ms, availability: 99.9%}
    request:                        # what serving one request takes
      - cpu: {lognormal: {mean: 5ms, cv: 1}}
      - call: database
      - send: 20KB
    size:
      vm: {cpu: 2, memory: 2GiB}
      container: {cpu: {request: 500m, limit: 2}, memory: {request: 256MiB, limit: 1GiB}}
    autoscale: {rule: hpa, min: 2, max: 10, target_cpu: 60%}     # or `replicas: 2`
    traffic: {rate: 100/s}          # or ramps, users, bursts, a recording
  database:
    image: {vm: 2.4GB, container: 400MB}
    memory: 512MiB
    start_cpu: 2s
    concurrency: 32
    request: [cpu: {exponential: 1ms}, reads: 1]
    size:
      vm: {cpu: 2, memory: 4GiB}
      container: {cpu: {request: 1, limit: 2}, memory: {request: 1GiB, limit: 2GiB}}
    replicas: 1
"""
"""What `init` writes when it is given no file."""
