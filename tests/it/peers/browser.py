"""Drives a headless Chromium: reads a line of JSON for each step, and prints a line of JSON with what came of it.

Usage: browser.py AXE. AXE is the file of axe-core. It ends, and Chromium with it, when its stdin closes. Only the
standard library: it talks the DevTools protocol over two pipes, so no port is open and no driver is needed.
"""

import base64
import fcntl
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

PATIENCE_S = 60
NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]
HOW = "Chromium is needed: install it (Debian: apt-get install chromium), or BOOKING_TEST_SKIP=browser"
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Home": 36, "End": 35}


class Browser:
    def __init__(self, profile):
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        if not program:
            sys.exit(HOW)
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        # Chromium reads from 3 and writes to 4, so its ends must be out of the way of both.
        ends = [fcntl.fcntl(it, fcntl.F_DUPFD, 10) for it in (to_read, from_write)]

        def place():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        command = [
            program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}",
            "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
            "--disable-extensions", "--hide-scrollbars", "--force-color-profile=srgb", "--mute-audio",
        ]
        if os.geteuid() == 0:
            # Its sandbox does not start for root.
            command.append("--no-sandbox")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(3, 4), preexec_fn=place, start_new_session=True,
        )
        for it in (to_read, from_write, *ends):
            os.close(it)
        self.sends, self.reads = os.fdopen(to_write, "wb", buffering=0), os.fdopen(from_read, "rb", buffering=0)
        self.number, self.answers, self.loaded, self.problems = 0, {}, queue.Queue(), []
        self.session = None
        threading.Thread(target=self.read, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{part}.enable")

    def read(self):
        rest = b""
        while piece := self.reads.read(1 << 16):
            *whole, rest = (rest + piece).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" in message:
                    self.answers[message["id"]].put(message)
                else:
                    self.happened(message["method"], message.get("params", {}))
        for waiting in list(self.answers.values()):
            waiting.put({"error": {"message": "Chromium has ended"}})

    def happened(self, method, of):
        if method == "Page.loadEventFired":
            self.loaded.put(True)
        elif method == "Runtime.exceptionThrown":
            said = of["exceptionDetails"]
            self.problems.append(f"exception: {said.get('exception', {}).get('description', said['text'])}")
        elif method == "Runtime.consoleAPICalled" and of["type"] in ("error", "warning", "assert"):
            words = [str(it.get("value", it.get("description"))) for it in of["args"]]
            self.problems.append(f"console {of['type']}: {' '.join(words)}")
        elif method == "Log.entryAdded" and of["entry"]["level"] in ("error", "warning"):
            entry = of["entry"]
            self.problems.append(f"{entry['source']} {entry['level']}: {entry['text']} ({entry.get('url', '')})")
        elif method == "Audits.issueAdded" and of["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.problems.append(f"content security policy: {json.dumps(of['issue']['details'])}")

    def call(self, method, **params):
        self.number += 1
        number, answer = self.number, queue.Queue()
        self.answers[number] = answer
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.sends.write(json.dumps(message).encode() + b"\0")
        try:
            came = answer.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Failed(f"{method}: no answer within {PATIENCE_S} s") from None
        finally:
            del self.answers[number]
        if "error" in came:
            raise Failed(f"{method}: {came['error']['message']}")
        return came["result"]

    def evaluate(self, script):
        came = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in came:
            said = came["exceptionDetails"]
            raise Failed(f"{script}: {said.get('exception', {}).get('description', said['text'])}")
        return came["result"].get("value")

    def end(self):
        self.process.kill()
        self.process.wait()


class Failed(Exception):
    """A step that did not work; the text says which."""


def do(browser, step, axe):
    match step["do"]:
        case "open":
            while not browser.loaded.empty():
                browser.loaded.get()
            came = browser.call("Page.navigate", url=step["url"])
            if "errorText" in came:
                raise Failed(f"{step['url']}: {came['errorText']}")
            try:
                browser.loaded.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise Failed(f"{step['url']}: not loaded within {PATIENCE_S} s") from None
        case "run":
            return browser.evaluate(step["script"])
        case "look":
            width, height = step["width"], step["height"]
            browser.call(
                "Emulation.setDeviceMetricsOverride",
                width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
            )
            features = [{"name": f"prefers-{name}", "value": value} for name, value in step["prefers"].items()]
            browser.call("Emulation.setEmulatedMedia", features=features)
        case "scripts":
            browser.call("Emulation.setScriptExecutionDisabled", value=not step["on"])
        case "click":
            place = browser.evaluate(
                f"(() => {{ const it = document.querySelector({json.dumps(step['what'])});"
                " if (!it) return null; it.scrollIntoView({block: 'center', behavior: 'instant'});"
                " const box = it.getBoundingClientRect();"
                " return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()"
            )
            if not place:
                raise Failed(f"nothing to click: {step['what']}")
            for kind in ("mousePressed", "mouseReleased"):
                browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
        case "press":
            key = {"key": step["key"], "code": step["key"], "windowsVirtualKeyCode": KEYS[step["key"]]}
            text = {"text": "\r"} if step["key"] == "Enter" else {}
            browser.call("Input.dispatchKeyEvent", type="keyDown", **key, **text)
            browser.call("Input.dispatchKeyEvent", type="keyUp", **key)
        case "shot":
            size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
            with open(step["file"], "wb") as file:
                file.write(base64.b64decode(shot["data"]))
        case "problems":
            found, browser.problems = browser.problems, []
            return found
        case "axe":
            with open(axe, encoding="utf-8") as source:
                browser.evaluate(source.read() + "; true")
            return browser.evaluate(
                "axe.run(document, {resultTypes: ['violations']}).then(it => it.violations.map(({id, impact, help, nodes}) =>"
                " ({id, impact, help, where: nodes.map(it => it.target.join(' ') + ': ' + it.failureSummary)})))"
            )
        case other:
            raise Failed(f"there is no such step: {other}")
    return None


def main(axe):
    with tempfile.TemporaryDirectory(prefix="booking-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        print(json.dumps({"ready": True}), flush=True)
        try:
            for line in sys.stdin:
                try:
                    told = {"came": do(browser, json.loads(line), axe)}
                except Failed as why:
                    told = {"failed": str(why)}
                print(json.dumps(told), flush=True)
        finally:
            browser.end()


if __name__ == "__main__":
    main(sys.argv[1])
