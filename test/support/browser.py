"""A headless Chromium, driven through the pipe of its DevTools protocol: no package is needed."""

import itertools
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--remote-debugging-pipe"),
    "--autoplay-policy=no-user-gesture-required",
]
_SECONDS = 60


def find():
    """Path of a Chromium on this machine, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser of its own; use it in ``with``.

    Args:
        program: Path of Chromium.
        folder: For its profile, and in ``downloads`` what a page lets download.
    """

    def __init__(self, program, folder):
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        command_read, self._commands = os.pipe()
        self._answers, answer_write = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        wrapper = f'exec "$@" 3<&{command_read} 4>&{answer_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", wrapper, "bash", program, *OPTIONS, f"--user-data-dir={folder}/profile"],
            pass_fds=(command_read, answer_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        self._buffer, self._numbers, self._session = b"", itertools.count(1), None
        self.requests = []

    def __enter__(self):
        self._send(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads)
        )
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._send(f"{domain}.enable")
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, url):
        """Load a page, and wait until all of it is there."""
        self.run("window.isOld = true")
        self._send("Page.navigate", url=url)
        self.wait("!window.isOld && document.readyState === 'complete'")

    def run(self, script):
        """Value of a JavaScript expression; a promise is waited for."""
        found = self._send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition):
        """Wait until a JavaScript condition holds."""
        end = time.monotonic() + _SECONDS
        while not self.run(condition):
            assert time.monotonic() < end, f"not within {_SECONDS} s: {condition}"
            time.sleep(0.05)

    def press(self, key):
        """Press a key, as a user does."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self._send("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def downloaded(self, name):
        """Text of a file, once it is there."""
        path, end = self.downloads / name, time.monotonic() + _SECONDS
        while not path.is_file():
            assert time.monotonic() < end, f"no download {name}: {list(self.downloads.iterdir())}"
            time.sleep(0.05)
        return path.read_bytes().decode()

    def _send(self, method, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _receive(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], _SECONDS)
            assert ready, f"no answer from the browser for {_SECONDS} s"
            piece = os.read(self._answers, 1 << 16)
            assert piece, f"the browser has ended: {self._process.poll()}"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)
