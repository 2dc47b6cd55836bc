"""The data plane's memory: one structured array for each kind of thing, and the codes that they hold.

Records keep all fields of one guest (request, band …) within a cache line or two, which is what makes the cost
per request flat in the number of guests. ``-1`` means "none" in every index field.
Times are in s, work and demand in core-seconds, rates and capacities in cores, memory in bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.engine.samples import sample_dtype

# states of a guest
FREE, STARTING, READY, DRAINING = 0, 1, 2, 3
# routing rules
RANDOM, ROUND_ROBIN, LEAST_OUTSTANDING, POWER_OF_TWO, IDLE_LIFO = 0, 1, 2, 3, 4
# how a request ended
COMPLETED, REJECTED, TIMED_OUT, FAILED, IN_FLIGHT = 0, 1, 2, 3, 4
STATUS_NAMES = ("completed", "rejected", "timed-out", "failed", "in-flight")
# kinds of CPU work
WORK_REQUEST, WORK_BOOT, WORK_START = 0, 1, 2
# why `advance` returned
REACHED, TASK_DONE, GUEST_OOM, HOST_OOM, DRAINED, NEED_GUEST, WAITING, POOL_OOM, BECAME_IDLE, TRANSFERRED = range(10)
STANDSTILL, NEED_ARRIVALS, NEED_ROOM, NEED_STOCK, NEED_SLOTS, NEED_ALARMS, NEED_FLOWS = range(10, 17)
# what has ended in a guest, and is to have its consequences when all completions of the moment are done
FREED, BOOTED, MOVED = 1, 2, 3
# what a guest of a link is: no flow, a transfer of a request, or one that control has asked for
OF_REQUEST, OF_CONTROL = 1, 2
# operations of `entry`
ADVANCE, START_TASK, OPEN_GUEST, CLOSE_GUEST, KILL_GUEST, RELEASE_GUEST, BIND, SET_PAUSED, SET_SHARE = range(9)
SET_QUOTA, SET_MEMORY, SEND_AWAY, CHARGE_HOST, START_CLIENTS, SET_CAPACITY, END_RUN = range(9, 16)
START_FLOW, STOP_FLOW = 16, 17
BOOK_WORK, TAKE_SAMPLE = 18, 19
FREE_SLOTS, REBUILD_TREE, COUNT_ROWS, COUNT_BINS, SAMPLE_ON = range(20, 25)

# steps of a program
OP_STOP, OP_CPU, OP_WAIT, OP_MOVE, OP_CALL, OP_FORK, OP_BRANCH = range(7)
# what the time of a response is spent on
CPU, CONTENTION, WAIT, DISK, NETWORK, CALLS = range(6)
# what is to be done about a request at once, and when an alarm goes off
GO, ADMIT, TOLD_OK, TOLD_FAILED = range(4)
WAIT_ENDS, GIVE_UP = range(2)

word: Any = np.int64  # makes an index one type in compiled code, so that no function is compiled twice

TINY = 1e-9  # core-s, s and ratios that decide nothing
UNBOUNDED = np.iinfo(np.int32).max
NO_LEAF = np.iinfo(np.int64).max

guest_dtype = np.dtype(
    [
        ("v", "f8"),  # work given to each job in service since the guest was made
        ("mark", "f8"),  # band virtual time at which v was brought up to date
        ("time_mark", "f8"),  # clock up to which work is accounted
        ("work_mark", "f8"),  # band virtual time up to which work is accounted
        ("weight", "f8"),
        ("cap", "f8"),
        ("memory", "f8"),  # bytes charged to the host without requests in service
        ("extra", "f8"),  # core-s on top of each job of a request
        ("promised", "f8"),  # bytes that admission holds for it
        ("idle_since", "f8"),
        ("jobs", "i8"),  # base of its job heap
        ("service", "i4"),
        ("uid", "i4"),  # number over the whole run: slots are reused, uids are not
        ("profile", "i4"),  # base of its row in the table of bands
        ("levels", "i4"),  # length of that row: busy counts from here on share a band
        ("start_levels", "i4"),  # levels behind those, for start-up work in several threads
        ("band", "i4"),  # band it is in now
        ("pos", "i4"),  # position in the band's heap
        ("busy", "i4"),  # jobs in service: requests or one start-up task
        ("serving", "i4"),  # requests in service
        ("waiting", "i4"),
        ("head", "i4"),
        ("tail", "i4"),
        ("max_serving", "i4"),  # requests in service that its memory carries
        ("leaf", "i4"),  # position in its service's tree of outstanding counts
        ("idle_next", "i4"),
        ("idle_prev", "i4"),
        ("held", "i4"),  # the first of its requests in service, where they have programs
        ("site", "i4"),  # whose links its requests use: 0, this host's
        ("state", "i1"),
        ("task", "i1"),  # kind of work its jobs are
        ("paused", "i1"),
        ("away", "i1"),  # on another host: its memory and its CPU are none of this one's
        ("oom", "i1"),
        ("idle", "i1"),  # in the list of idle guests
        ("watched", "i1"),  # control waits for it to become idle
        ("flow", "i1"),  # it is a transfer over a link: OF_REQUEST, OF_CONTROL
        ("limited", "i1"),  # it has a quota: a row of `quotas`
        ("done", "i1"),  # what has ended at this moment: FREED, BOOTED
    ],
    align=True,
)

request_dtype = np.dtype(
    [
        ("arrival", "f8"),
        ("deadline", "f8"),  # when its client leaves
        ("start", "f8"),
        ("demand", "f8"),
        ("u1", "f8"),
        ("u2", "f8"),
        ("number", "i8"),
        ("service", "i4"),
        ("guest", "i4"),
        ("next", "i4"),
        ("loop", "i4"),  # closed loop whose client waits for its end, -1 once it has gone
    ],
    align=True,
)

service_dtype = np.dtype(
    [
        ("timeout", "f8"),
        ("overhead", "f8"),
        ("per_request", "f8"),  # bytes for each request in service
        ("work_request", "f8"),
        ("work_boot", "f8"),
        ("work_start", "f8"),
        ("work_away", "f8"),  # for requests, by guests on another host
        ("lacked", "f8"),  # core-s that its guests could have used and were not given
        ("still_time", "f8"),  # s that its guests stood still for want of budget
        ("periods", "i8"),  # that have ended, of its guests with a quota
        ("still_periods", "i8"),  # of those, at whose end the guest stood still
        ("arrived", "i8"),
        ("measured", "i8"),  # arrived since the start of the measured span
        ("called", "i8"),  # of the arrived, those that other services made
        ("measured_calls", "i8"),
        ("key", "u8"),  # of its requests' numbers
        ("turn", "i8"),  # round-robin counter
        ("ready", "i8"),  # base of the list of ready guests
        ("tree", "i8"),  # base of the tree of outstanding counts
        ("leaves", "i8"),  # number of its leaves (a power of two)
        ("concurrency", "i4"),
        ("threads", "i4"),  # requests that a guest runs at once
        ("start_threads", "i4"),
        ("queue", "i4"),
        ("backlog", "i4"),
        ("routing", "i4"),
        ("n_ready", "i4"),
        ("head", "i4"),
        ("tail", "i4"),
        ("waiting", "i4"),  # in the backlog
        ("idle_head", "i4"),
        ("in_flight", "i4"),
        ("loops", "i4"),  # the first of its closed loops
        ("n_loops", "i4"),
        ("clients", "i4"),  # of all its closed loops
        ("kinds", "i4"),  # the first of its kinds of requests
        ("n_kinds", "i4"),  # 0: its requests are one job each, of their demand
        ("notify", "i1"),  # stop when the backlog begins to fill
    ],
    align=True,
)

loop_dtype = np.dtype(
    [
        ("pause", "f8"),  # least time, s, that a client waits after a rejection
        ("stock", "i8"),  # base of its drawn numbers
        ("stock_n", "i8"),
        ("think_at", "i8"),  # next think time in the stock
        ("want_at", "i8"),  # next demand and routing numbers in it
        ("service", "i4"),
        ("clients", "i4"),
    ],
    align=True,
)

band_dtype = np.dtype(
    [
        ("rho", "f8"),  # cap-to-weight ratio min(cap, busy) / weight
        ("weight", "f8"),  # sum over its busy guests
        ("v", "f8"),  # virtual time when last brought up to date
        ("mark", "f8"),  # clock (saturated) or level time (not) at that moment
        ("key", "f8"),
        ("heap", "i8"),  # base of its heap of guests
        ("n", "i4"),
        ("pos", "i4"),  # position in the pool's heap of bands
        ("pool", "i4"),
        ("rank", "i4"),  # position in the pool's order by rho
        ("saturated", "i1"),
    ],
    align=True,
)

pool_dtype = np.dtype(
    [
        ("capacity", "f8"),  # cores it may hand out now
        ("cap", "f8"),  # cores it may hand out at most
        ("weight", "f8"),  # against other pools
        ("demand", "f8"),  # of its saturated bands
        ("unsaturated", "f8"),  # weight of its other bands
        ("level", "f8"),  # water level, cores per weight; inf when nobody is short
        ("u", "f8"),  # integral of the level: virtual time of the unsaturated
        ("mark", "f8"),  # clock when u was brought up to date
        ("order", "i8"),  # base of its bands by rho
        ("bands", "i4"),
        ("flow", "i4"),  # of a link: the first of its flows that are not in use
        ("n_flows", "i4"),
        ("twin", "i4"),  # of a link: the same link of the next site
        ("boundary", "i4"),  # bands of lower rank are saturated
        ("n_saturated", "i4"),
        ("n_unsaturated", "i4"),
        ("updates", "i4"),
        ("wanted", "f8"),  # cores its guests could use within its cap (storeys only)
        ("memory", "f8"),  # bytes charged for its guests (storeys only)
        ("memory_limit", "f8"),
        ("saturated_host", "i1"),  # it is given all it wants
        ("far", "i1"),  # of another host: it shares nothing with the other pools
        ("oom", "i1"),
        ("link", "i1"),  # a disk or a network: its capacity is in bytes/s, its guests are flows
    ],
    align=True,
)

out_dtype = np.dtype(
    [
        ("arrival", "f8"),
        ("demand", "f8"),
        ("start", "f8"),
        ("finish", "f8"),
        ("number", "i8"),
        ("service", "i4"),
        ("guest", "i4"),
        ("status", "i1"),
    ],
    align=True,
)

timer_dtype = np.dtype([("time", "f8"), ("number", "i8"), ("loop", "i4"), ("slot", "i4")], align=True)

quota_dtype = np.dtype(
    [
        ("budget", "f8"),  # core-s a period
        ("burst", "f8"),  # core-s that may be saved up
        ("period", "f8"),
        ("phase", "f8"),  # periods end at phase + n x period
        ("left", "f8"),  # core-s of the budget, as of the last accounting
        ("since", "f8"),  # when it came to stand still
        ("mark", "f8"),  # up to when its standing still is booked
        ("last", "i8"),  # n of the last end of a period
        ("still", "i1"),  # the budget is used up
        ("timer", "i1"),  # the end of the present period is in `ends`
        ("used", "i1"),  # it has been given CPU in the present period
        ("first", "i1"),  # the budget ends before the first job does
    ],
    align=True,
)

act_dtype = np.dtype(
    [
        ("mark", "f8"),  # when its step began
        ("work", "f8"),  # of its job
        ("key", "u8"),
        ("used", "i8"),  # numbers drawn so far
        ("stamp", "i8"),  # of this use of the slot; 0: in no use
        ("parent_stamp", "i8"),
        ("parent", "i4"),  # the request (or strand) that waits for it
        ("callee", "i4"),  # the last request that it made
        ("owner", "i4"),  # of a strand: the request (or strand) whose branch it is
        ("op", "i4"),  # its step
        ("times", "i4"),  # calls that are left of a step; -1: not begun
        ("tries", "i4"),
        ("strands", "i4"),  # that have not ended
        ("first_strand", "i4"),
        ("next_strand", "i4"),
        ("hold_next", "i4"),  # in the list of requests in service at its guest
        ("hold_prev", "i4"),
        ("flow", "i4"),  # its transfer
        ("failed", "i1"),  # a branch of it has failed
    ],
    align=True,
)

op_dtype = np.dtype(
    [
        ("a", "f8"),
        ("b", "f8"),
        ("where", "i4"),  # a service, a link, or the step that follows
        ("times", "i4"),
        ("tries", "i4"),
        ("kind", "i1"),
        ("law", "i1"),
        ("part", "i1"),
        ("raw", "i1"),  # without the platform's overhead
    ],
    align=True,
)

kind_dtype = np.dtype([("up_to", "f8"), ("op", "i4")], align=True)  # share of the kinds so far, first step

todo_dtype = np.dtype([("stamp", "i8"), ("slot", "i4"), ("what", "i4")], align=True)

alarm_dtype = np.dtype([("time", "f8"), ("order", "i8"), ("stamp", "i8"), ("slot", "i4"), ("what", "i4")], align=True)

member_dtype = np.dtype([("key", "f8"), ("guest", "i4")], align=True)  # a guest in its band's heap

job_dtype = np.dtype(
    [("tag", "f8"), ("slot", "i4")], align=True
)  # v at which the job ends; its request's slot, -1 for a start-up task

draw_dtype = np.dtype([("think", "f8"), ("demand", "f8"), ("u1", "f8"), ("u2", "f8")], align=True)

state_dtype = np.dtype(
    [
        ("now", "f8"),
        ("next", "f8"),  # nothing happens here before this, as far as `advance` knew
        ("measure_from", "f8"),
        ("memory", "f8"),  # bytes used on the host
        ("memory_limit", "f8"),
        ("memory_mark", "f8"),
        ("memory_integral", "f8"),  # byte-seconds
        ("memory_peak", "f8"),
        ("timer_mark", "f8"),  # time of the last timer of a closed-loop client
        ("at_once", "i8"),  # timers at that time so far
        ("most_at_once", "i8"),
        ("sampled", "i8"),  # samples taken by the last operation
        ("completed", "i8"),
        ("out", "i8"),
        ("room", "i8"),  # rows that must be free in `out` before going on
        ("arrival", "i8"),
        ("arrivals", "i8"),
        ("free", "i4"),  # head of the list of free request slots
        ("used", "i4"),
        ("stamps", "i8"),  # given to requests with programs so far
        ("alarmed", "i8"),  # alarms set so far
        ("alarms", "i4"),
        ("todo_head", "i4"),
        ("todo_n", "i4"),
        ("widest", "i4"),  # most request slots that one step takes
        ("held", "i4"),  # request that waits for control's word on a new guest
        ("subject", "i4"),
        ("pending", "i4"),
        ("done", "i4"),
        ("timers", "i4"),
        ("ends", "i4"),
        ("pools", "i4"),
        ("services", "i4"),
        ("in_flight", "i4"),
        ("exhausted", "i1"),
        ("host_oom", "i1"),
        ("pool_oom", "i1"),  # of some pool
        ("resume", "i1"),  # a backlog is to be routed on
    ],
    align=True,
)

# every array of the data plane, by the name that the kernel uses, with the type of its rows
ROWS: dict[str, np.dtype[Any]] = {
    "guests": guest_dtype,
    "requests": request_dtype,
    "services": service_dtype,
    "bands": band_dtype,
    "pools": pool_dtype,
    "state": state_dtype,  # one record: the scalars
    "sample": sample_dtype,  # by sample of the timeline
    **dict.fromkeys(("sample_time", "sample_work"), np.dtype("f8")),  # when; by sample and service, core-s
    "out": out_dtype,
    "arrival_time": np.dtype("f8"),  # the present chunk of arrivals, a column each
    "arrival_service": np.dtype("i4"),
    **dict.fromkeys(("arrival_demand", "arrival_u1", "arrival_u2"), np.dtype("f8")),
    "loops": loop_dtype,
    "acts": act_dtype,  # by request slot, of services with programs
    "spent": np.dtype("f8"),  # by request slot and part: s of its response so far
    "service_spent": np.dtype("f8"),  # by service and part: s of completed responses; behind them their number
    "ops": op_dtype,  # programs, one after the other
    "kinds": kind_dtype,  # by service: its programs
    "todo": todo_dtype,  # ring of what is to be done at once
    "alarms": alarm_dtype,  # heap of waits and deadlines of calls
    "quotas": quota_dtype,  # by guest
    "ends": alarm_dtype,  # heap of the ends of guests' periods: slot and number of the guest
    "timers": timer_dtype,  # heap of closed-loop clients by time
    "members": member_dtype,  # guests in band heaps
    "jobs": job_dtype,  # guests' job heaps
    "stock": draw_dtype,  # closed loop: drawn numbers
    "saturated": np.dtype("i4"),  # by pool: heap of bands by finishing time
    "unsaturated": np.dtype("i4"),  # by pool: heap of bands by level time
    "order": np.dtype("i4"),  # by pool: its bands by rho
    "profile": np.dtype("i4"),  # band by profile and busy count
    "ready": np.dtype("i4"),  # ready guests of each service, by number
    "tree": np.dtype("i8"),  # outstanding counts: (count << 32) | leaf, minimum on top
    "leaf": np.dtype("i4"),  # guest at a leaf
    "pending": np.dtype("i4"),  # guests out of memory, for control, first come first
    "done": np.dtype("i4"),  # guests in which something has ended at this moment
    **dict.fromkeys(("tally_values", "tally_sums"), np.dtype("f8")),  # of `tally`, which has a table of its own
    **dict.fromkeys(("tally_counts", "tally_bins", "tally_bits"), np.dtype("i8")),
    "tally_owners": np.dtype("i4"),
}
