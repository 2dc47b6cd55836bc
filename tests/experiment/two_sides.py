"""A scenario whose two platforms are queues of theory.

A VM of two vCPUs whose requests cost half as much again, against a container of one core: M/M/2 against M/M/1.
"""

TWO_SIDES = """\
name: sides
seed: 2
duration: 200s
warmup: 60s
quota: fluid
replications: 5
host: {cores: 8, memory: 16GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: {vm: {cpu: {overhead: 1.5}}, container: {}}
services:
  api:
    image: {vm: 1GB, container: 100MB, cached: true}
    memory: {base: 100MiB}
    request_cpu: {exponential: {mean: 10ms}}
    concurrency: 2
    backlog: 0
    size:
      vm: {cpu: 2, memory: 1GiB}
      container: {cpu: {request: 1, limit: 1}, memory: 1GiB}
    replicas: 1
    traffic: {constant-arrival-rate: {rate: 40/s}}
"""
