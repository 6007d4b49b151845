"""Debian's Chromium without a window, spoken to over two pipes in its own protocol (CDP): no driver, no socket."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

REQUEST = "Network.requestWillBeSent"
PATIENCE = 60.0  # seconds for one answer
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
# Chromium reads fd 3 and writes fd 4
PIPES = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null'
WIDER_THAN_THE_PAGE = """
[...document.querySelectorAll('body *')]
  .filter(item => !item.closest('.scroll') || item.matches('.scroll'))
  .filter(item => !item.closest('svg') || item.matches('svg'))
  .filter(item => item.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(item => item.tagName + '.' + item.className)
"""


def chromium() -> str:
    """The browser's path; skips where there is none, but not in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and not os.environ.get("CI"):
        pytest.skip("no chromium: apt-get install chromium")
    assert found is not None, "CI has to install chromium"
    return found


@dataclass
class Seen:
    """What opening a page gave."""

    errors: list[str] = field(default_factory=list)  # console messages, warnings too, and uncaught exceptions
    requests: list[str] = field(default_factory=list)  # addresses other than the page's own
    too_wide: list[str] = field(default_factory=list)  # elements that stand out of the page on the right
    screenshot: bytes = b""


class Browser:
    """One running browser with one page."""

    def __init__(self) -> None:
        self.profile = TemporaryDirectory(ignore_cleanup_errors=True)
        command = ["sh", "-c", PIPES, "sh", chromium(), *FLAGS, f"--user-data-dir={self.profile.name}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.unread, self.number, self.events = b"", 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def open(self, page: Path, width: int = 1280, height: int = 900) -> Seen:
        """Open a file at a width and look at it."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        self.until("Page.loadEventFired")
        seen = Seen()
        seen.too_wide = self.ask("Runtime.evaluate", expression=WIDER_THAN_THE_PAGE, returnByValue=True)["result"][
            "value"
        ]
        seen.screenshot = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        for event in self.events:
            name, told = event["method"], event["params"]
            if name == "Runtime.consoleAPICalled":
                seen.errors.append(str(told["args"]))
            elif name == "Runtime.exceptionThrown":
                seen.errors.append(str(told["exceptionDetails"]))
            elif name == "Log.entryAdded":
                seen.errors.append(told["entry"]["text"])
            elif name == REQUEST:
                address = told["request"]["url"]
                if address != page.as_uri() and not address.startswith("data:"):
                    seen.requests.append(address)
        return seen

    def visit(self, address: str) -> None:
        """Open an address of a server."""
        self.events.clear()
        self.ask("Page.navigate", url=address)
        self.until("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the open page."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str, seconds: float = PATIENCE) -> Any:
        """The first value of an expression that counts as true."""
        until = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < until, f"in vain: {script}\n{self.run('document.body.innerText')}"
            time.sleep(0.1)
        return value

    def give_file(self, selector: str, path: Path) -> None:
        """Put a file into a field of the open page, as its file dialogue does."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def called(self) -> list[str]:
        """Every address that has been called since the page was opened."""
        found = [event["params"]["request"]["url"] for event in self.events if event["method"] == REQUEST]
        return [address for address in found if not address.startswith(("data:", "blob:"))]

    def print_pdf(self) -> bytes:
        """The open page on paper."""
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True)["data"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A call to the page."""
        return self.call(method, session=self.session, **parameters)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """A call and its answer; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        self.process.stdin.write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        self.process.stdin.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def until(self, event: str) -> None:
        """Wait for an event."""
        while not any(known["method"] == event for known in self.events):
            self.events.append(self._read())

    def close(self) -> None:
        """End the browser and everything it started."""
        try:
            self.call("Browser.close")
            self.process.wait(timeout=10)
        finally:
            with contextlib.suppress(ProcessLookupError):  # its crash handler outlives it otherwise
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.profile.cleanup()

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            assert more, "the browser says nothing more"
            self.unread += more
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)
