"""The kinds of quantities of which a platform's parts are made."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from sim.reading.distribution import Distribution

# The second argument names the kind of quantity (quantities.KINDS) by which the catalogue's text is parsed.
Bytes = Annotated[float, "bytes"]
Cores = Annotated[float, "cores"]
Seconds = Annotated[float, "duration"]
CoreSeconds = Annotated[float, "work"]
Ratio = Annotated[float, "ratio"]
Factor = Annotated[float, "factor"]
Multiple = Annotated[float, "multiple"]
Count = Annotated[int, "count"]
Delay = Annotated[Distribution, "distribution"]


class Part(BaseModel):
    """A part of a platform: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
