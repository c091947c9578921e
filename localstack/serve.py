#!/usr/bin/env python3
"""Runs LocalStack (SNS, SQS, EventBridge, Step Functions, IAM, STS) until told to stop, in Docker or from PyPI.

Prints one line on stdout once LocalStack answers requests: `ready http://127.0.0.1:PORT`.
Everything else goes to stderr and to `localstack.log` in the state folder.

SIGUSR1 freezes LocalStack: it accepts connections but answers nothing. SIGUSR2 lets it continue.
"""

import argparse
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import install

# The last tag that starts without an auth token. compose.yaml names the same.
IMAGE = "localstack/localstack:4.14.0"
SERVICES = "sns,sqs,iam,sts,events,stepfunctions"
READY_WITHIN_S = {"pip": 120, "docker": 600}  # Docker may have to pull the image first.
END_WITHIN_S = 5
# A harmless request for each service, since the health check is good seconds before the services answer.
QUESTIONS = {
    "sqs": "Action=ListQueues&Version=2012-11-05",
    "sns": "Action=ListTopics&Version=2010-03-31",
    "iam": "Action=ListPolicies&Version=2010-05-08&MaxItems=1",
}


def main():
    options = arguments()
    if options.check:
        sys.exit(0 if answers(options.port) else 1)
    if options.stop:
        stop(Path(options.state))
        return
    stopped = Stopped(watch_stdin=options.until_stdin_closes)
    state = Path(options.state or tempfile.mkdtemp(prefix="booking-localstack-")).absolute()
    state.mkdir(parents=True, exist_ok=True)
    try:
        serve(options, state, stopped)
    except install.Failed as why:
        sys.exit(f"localstack/serve.py: {why}")
    finally:
        if not options.state:
            shutil.rmtree(state, ignore_errors=True)


def serve(options, state, stopped):
    way = which_way()
    python = install.environment(state / "install.log", stopped) if way == "pip" else None
    port = options.port or free_port()
    if options.port and not is_free(port):
        raise install.Failed(f"port {port} is taken by another program; choose one with --port, or --port 0 for a free one")

    instance = Instance(way, python, port, state, keep=options.detach)
    try:
        instance.wait_until_ready(stopped)
        if stopped():
            return
        if options.detach:
            instance.leave_running()
        signal.signal(signal.SIGUSR1, lambda *_: instance.freeze())
        signal.signal(signal.SIGUSR2, lambda *_: instance.thaw())
        print(f"ready http://127.0.0.1:{port}", flush=True)
        while not options.detach and not stopped(wait_s=0.2):
            instance.must_be_alive()
    finally:
        if not instance.detached:
            instance.end()


class Instance:
    """One LocalStack, in a process group of its own, so that all its processes can be ended together."""

    def __init__(self, way, python, port, state, keep):
        self.way, self.port, self.state, self.detached = way, port, state, False
        self.container = f"booking-localstack-{port}" if way == "docker" else None
        self.log = state / "localstack.log"
        settings = {
            "SERVICES": SERVICES,
            "EAGER_SERVICE_LOADING": "1",
            # Makes queue URLs that need no DNS and that the Terraform provider accepts.
            "SQS_ENDPOINT_STRATEGY": "off",
            "LOCALSTACK_HOST": f"localhost:{port}",
            # LocalStack must not use the internet.
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
            "DNS_ADDRESS": "0",
        }
        # Without AWS_*: a profile or endpoint of the caller must not have any effect on LocalStack.
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON"))}
        if way == "docker":
            command = ["docker", "run", "--rm", "--name", self.container, "--publish", f"127.0.0.1:{port}:4566"]
            command += [part for k, v in settings.items() for part in ("--env", f"{k}={v}")] + [IMAGE]
        else:
            # It runs loopback.py, which runs LocalStack.
            command = [str(python), str(Path(__file__).resolve().parent / "eventbridge.py")]
            environ |= settings | {
                # In a container, LocalStack would believe that it runs in its own image, and would share
                # /var/lib/localstack with every other LocalStack.
                "OVERRIDE_IN_DOCKER": "0",
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "LOCALSTACK_VOLUME_DIR": str(state / "volume"),
                "FILESYSTEM_ROOT": str(state / "volume"),
            }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=None if keep else die_with_parent,
            )

    def wait_until_ready(self, stopped):
        deadline = time.monotonic() + READY_WITHIN_S[self.way]
        while not stopped(wait_s=0.1):
            self.must_be_alive()
            if answers(self.port):
                return
            if time.monotonic() > deadline:
                raise install.Failed(f"LocalStack did not answer within {READY_WITHIN_S[self.way]} s:\n{install.tail(self.log)}")

    def must_be_alive(self):
        code = self.process.poll()
        if code is not None:
            raise install.Failed(f"LocalStack ended by itself with code {code}:\n{install.tail(self.log)}")

    def leave_running(self):
        """Writes down the process and the container for `--stop`."""
        self.detached = True
        (self.state / "running.json").write_text(json.dumps({"pid": self.process.pid, "container": self.container}))
        print(f"LocalStack runs with pid {self.process.pid}, log {self.log}", file=sys.stderr)

    def freeze(self):
        self.pause("pause", signal.SIGSTOP)

    def thaw(self):
        self.pause("unpause", signal.SIGCONT)

    def pause(self, verb, number):
        if self.container:
            subprocess.run(["docker", verb, self.container], capture_output=True, check=False)
        else:
            os.killpg(self.process.pid, number)

    def end(self):
        end(self.process.pid, self.container, lambda: self.process.poll() is not None)


class Stopped:
    """Whether to end: a signal came or, if stdin is watched, it is at its end."""

    def __init__(self, watch_stdin):
        self.watch_stdin, self.yes = watch_stdin, False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: setattr(self, "yes", True))

    def __call__(self, wait_s=0.0):
        if self.yes:
            return True
        if not self.watch_stdin:
            time.sleep(wait_s)
        elif select.select([0], [], [], wait_s)[0] and os.read(0, 4096) == b"":
            self.yes = True
        return self.yes


def stop(state):
    """Ends the LocalStack that `--detach` left running, if there is one."""
    note = state / "running.json"
    if not note.exists():
        return
    running = json.loads(note.read_text())
    # After a restart of the machine, the pid may belong to another program.
    seen = subprocess.run(["ps", "-p", str(running["pid"]), "-o", "command="], capture_output=True, text=True).stdout
    if "localstack" in seen:
        end(running["pid"], running["container"], lambda: not group_exists(running["pid"]))
    note.unlink()


def end(group, container, ended):
    if container:
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, number)
            # A frozen process does not receive SIGTERM.
            os.killpg(group, signal.SIGCONT)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + END_WITHIN_S
        while not ended() and time.monotonic() < deadline:
            time.sleep(0.05)


def group_exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def die_with_parent():
    """On Linux, lets the kernel end LocalStack even if this program is killed with SIGKILL."""
    if sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answers(port):
    """Whether every service answers a request, over the HTTP that the SDKs use."""
    try:
        ask(f"http://127.0.0.1:{port}/_localstack/health")
        for service, question in QUESTIONS.items():
            scope = f"Credential=test/20250101/eu-central-1/{service}/aws4_request"
            ask(
                f"http://127.0.0.1:{port}/",
                data=question.encode(),
                headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"},
            )
    except OSError:
        return False
    return True


def ask(url, **request):
    # Without a proxy: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, **request), timeout=30).read()


def which_way():
    wanted = os.environ.get("BOOKING_LOCALSTACK", "")
    if wanted not in ("", "docker", "pip"):
        raise install.Failed(f"BOOKING_LOCALSTACK is {wanted!r}; it may be docker or pip")
    if wanted == "pip":
        return "pip"
    if docker_answers():
        return "docker"
    if wanted == "docker":
        raise install.Failed("BOOKING_LOCALSTACK is docker, but no Docker engine answers `docker info`")
    return "pip"


def docker_answers():
    # With a format, since some clients print half of `docker info` and succeed without an engine.
    try:
        info = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return info.returncode == 0 and info.stdout.strip() != ""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=4566, help="0 picks a free one; default 4566")
    parser.add_argument("--state", metavar="DIR", help="LocalStack's own folder; default a temporary one")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--until-stdin-closes", action="store_true", help="end when stdin does: LocalStack never outlives its caller")
    how.add_argument("--detach", action="store_true", help="leave it running; needs --state, and --stop ends it")
    how.add_argument("--stop", action="store_true", help="end what --detach left running; needs --state")
    how.add_argument("--check", action="store_true", help="exit 0 if LocalStack answers at --port, else 1")
    options = parser.parse_args()
    if (options.detach or options.stop) and not options.state:
        parser.error("--detach and --stop need --state DIR: how to end LocalStack is written there")
    return options


if __name__ == "__main__":
    main()
