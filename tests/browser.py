"""A real browser for tests: Debian's headless Chromium, driven by the W3C WebDriver protocol over loopback.

A hundred lines instead of a package with seven dependencies: a page is opened from a file, looked at, clicked, heard.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromedriver")
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
)


def missing() -> list[str]:
    """Programs that are not here: Debian's packages chromium and chromium-driver have them."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Browser:
    """One session. `log` has what the console said, `requests` every address that was asked for."""

    def __init__(self, address: str, session: str) -> None:
        self._at = f"{address}/session/{session}"

    def open(self, page: Path) -> None:
        """Open a file; what was said and asked for before is forgotten."""
        _ask("POST", f"{self._at}/url", {"url": "about:blank"})
        self.requests(), self.console()
        _ask("POST", f"{self._at}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        return _ask("POST", f"{self._at}/execute/sync", {"script": script, "args": list(arguments)})

    def cdp(self, command: str, **parameters: Any) -> Any:
        return _ask("POST", f"{self._at}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def keys(self, *keys: str) -> None:
        """Press keys, one after the other, where the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        _ask("POST", f"{self._at}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def until(self, script: str, seconds: float = 15.0) -> Any:
        """Wait for a script to give something true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {script}")):
            if time.monotonic() > end:
                raise TimeoutError(f"{script}: {self.console()}")
            time.sleep(0.05)
        return found

    def console(self) -> list[Mapping[str, Any]]:
        """What came to the console since it was last asked for."""
        found: list[Mapping[str, Any]] = _ask("POST", f"{self._at}/se/log", {"type": "browser"})
        return found

    def requests(self) -> list[str]:
        """Addresses that were asked for since it was last asked for, also those refused."""
        told = [
            json.loads(each["message"])["message"]
            for each in _ask("POST", f"{self._at}/se/log", {"type": "performance"})
        ]
        return [each["params"]["request"]["url"] for each in told if each["method"] == "Network.requestWillBeSent"]

    def look(self, width: int, height: int, **media: str) -> None:
        """Size of the window, and what the user prefers (`prefers-color-scheme="dark"` …)."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        kind = media.pop("media", "")
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.cdp("Emulation.setEmulatedMedia", media=kind, features=features)


@contextmanager
def browser(folder: Path, more: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    switches = [*_SWITCHES, f"--user-data-dir={folder / 'profile'}", *more]
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": switches},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    try:
        _until_up(address)
        session = _ask("POST", f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(address, session)
        finally:
            _ask("DELETE", f"{address}/session/{session}")
    finally:
        driver.terminate()
        driver.wait()


def _until_up(address: str) -> None:
    for _ in range(200):
        try:
            _ask("GET", f"{address}/status")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise TimeoutError("chromedriver does not answer")


def _ask(method: str, address: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["value"]["message"]) from None
