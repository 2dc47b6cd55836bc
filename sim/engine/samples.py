"""What a sample of the timeline holds of the data plane."""

from __future__ import annotations

import numpy as np

sample_dtype = np.dtype(
    [
        ("work", "f8"),  # CPU given to all guests so far, core-s
        ("memory", "f8"),  # bytes used on the host
        ("unused", "f8"),  # bytes promised to guests and not used by them
        ("arrived", "i8"),
        ("completed", "i8"),
        ("in_flight", "i8"),
        ("ready", "i8"),  # guests
        ("still", "f8"),  # s that all guests have stood still for want of budget so far
        ("peak", "f8"),  # most bytes in use at once since the last sample
    ],
    align=True,
)
