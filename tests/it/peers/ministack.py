"""Runs MiniStack on a free port of 127.0.0.1: its SES has version 2 of its API, and its Lambda runs the binary of a
function as a process, with event source mappings of SQS.

Usage: ministack.py. It prints its port when it listens, and ends when its stdin closes. Whatever it says itself goes
nowhere.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 60


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/ses/messages", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


port = free_port()
emulator = subprocess.Popen(
    [sys.executable, "-m", "ministack.app"],
    # The endpoint is where the functions find AWS.
    env=os.environ
    | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    },
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    deadline = time.monotonic() + PATIENCE_S
    while not answers(port):
        if emulator.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"ministack.py: MiniStack does not answer (it ended: {emulator.poll()})")
        time.sleep(0.1)
    print(port, flush=True)
    sys.stdin.read()
finally:
    emulator.kill()
    emulator.wait()
