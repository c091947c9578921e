"""The virtual environment `.venv` with LocalStack in it, made from requirements.txt when needed."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
VENV = HERE / ".venv"
# Written last: an environment without it was never finished.
STAMP = VENV / "requirements.sha256"
LOG_LINES = 30


class Failed(Exception):
    """What was wrong and what to do, in words for the terminal."""


def environment(log, stopped):
    """The environment's Python. Two processes may race for it: one installs, the other waits."""
    python = VENV / "bin" / "python"
    with REQUIREMENTS.open("rb") as requirements:
        fcntl.flock(requirements, fcntl.LOCK_EX)
        wanted = hashlib.sha256(requirements.read()).hexdigest()
        if STAMP.exists() and STAMP.read_text() == wanted:
            return python
        print(f"installing LocalStack into {VENV} (about a minute, once) …", file=sys.stderr, flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        run([base_python(), "-m", "venv", str(VENV)], log, stopped)
        run([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)], log, stopped)
        STAMP.write_text(wanted)
    return python


def base_python():
    """A Python the pinned packages were made for: 3.11, else what runs this if it is newer."""
    found = shutil.which("python3.11")
    # A name on the PATH may be a version manager's stub that refuses.
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    if sys.version_info >= (3, 11):
        return sys.executable
    raise Failed(f"LocalStack needs Python 3.11; this is {sys.version.split()[0]}. Install python3.11, or Docker")


def run(command, log, stopped):
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    while process.poll() is None:
        if stopped(wait_s=0.2):
            os.killpg(process.pid, 9)
            process.wait()
            raise Failed("stopped while installing LocalStack; the next start begins again")
    if process.returncode != 0:
        raise Failed(f"`{' '.join(command)}` failed:\n{tail(log)}")


def tail(log):
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join(f"  | {line}" for line in lines)
