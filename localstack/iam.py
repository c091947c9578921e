#!/usr/bin/env python3
"""Runs moto from PyPI until told to stop: the services of AWS that are used here, enforcing IAM.

Prints one line on stdout once moto answers requests: `ready http://127.0.0.1:PORT`. Everything else goes
to stderr. iam_server.py says what is enforced and what is not. Nothing is kept.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import install
import serve

READY_WITHIN_S = 60
SKIP = "or leave its tests out: BOOKING_TEST_SKIP=iam"


def main():
    options = arguments()
    stopped = serve.Stopped(watch_stdin=options.until_stdin_closes)
    state = Path(tempfile.mkdtemp(prefix="booking-iam-"))
    try:
        run(options, state, stopped)
    except install.Failed as why:
        sys.exit(f"localstack/iam.py: {why}\n({SKIP})")
    finally:
        shutil.rmtree(state, ignore_errors=True)


def run(options, state, stopped):
    python = install.environment(state / "install.log", stopped, install.MOTO)
    port = options.port or serve.free_port()
    if options.port and not serve.is_free(port):
        raise install.Failed(f"port {port} is taken by another program; choose one with --port, or --port 0 for a free one")
    log = state / "moto.log"
    # Without AWS_* and MOTO_*: the settings of the caller must not have any effect on moto.
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_", "PYTHON"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), str(install.HERE / "iam_server.py"), str(port)], env=environ,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=serve.die_with_parent,
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not answers(port):
            must_be_alive(process, log)
            if stopped(wait_s=0.1):
                return
            if time.monotonic() > deadline:
                raise install.Failed(f"moto did not answer within {READY_WITHIN_S} s:\n{install.tail(log)}")
        print(f"ready http://127.0.0.1:{port}", flush=True)
        while not stopped(wait_s=0.2):
            must_be_alive(process, log)
    finally:
        serve.end(process.pid, None, lambda: process.poll() is not None)


def must_be_alive(process, log):
    code = process.poll()
    if code is not None:
        raise install.Failed(f"moto ended by itself with code {code}:\n{install.tail(log)}")


def answers(port):
    try:
        serve.ask(f"http://127.0.0.1:{port}/refused")
    except OSError:
        return False
    return True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=5000, help="0 picks a free one; default 5000")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when stdin does: it never outlives its caller")
    return parser.parse_args()


if __name__ == "__main__":
    main()
