"""Makes the virtual environments of the emulators of AWS, each from its list of packages, when needed."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOG_LINES = 30


class Venv:
    """A virtual environment: the program in it, its list of packages, and its folder."""

    def __init__(self, what, requirements, folder):
        self.what, self.requirements, self.folder = what, HERE / requirements, HERE / folder
        # Written last, so an environment without this file is incomplete.
        self.stamp = self.folder / "requirements.sha256"


LOCALSTACK = Venv("LocalStack", "requirements.txt", ".venv")
MOTO = Venv("moto", "requirements-iam.txt", ".moto")


class Failed(Exception):
    """An error whose text says, for the terminal, what is wrong and what to do."""


def environment(log, stopped, venv=LOCALSTACK):
    """The Python of the environment. If two processes race, one installs and the other waits."""
    python = venv.folder / "bin" / "python"
    with venv.requirements.open("rb") as requirements:
        fcntl.flock(requirements, fcntl.LOCK_EX)
        wanted = hashlib.sha256(requirements.read()).hexdigest()
        if venv.stamp.exists() and venv.stamp.read_text() == wanted:
            return python
        print(f"installing {venv.what} into {venv.folder} (about a minute, once) …", file=sys.stderr, flush=True)
        shutil.rmtree(venv.folder, ignore_errors=True)
        run([base_python(venv.what), "-m", "venv", str(venv.folder)], log, stopped)
        run([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(venv.requirements)], log, stopped)
        venv.stamp.write_text(wanted)
    return python


def base_python(what):
    """The Python that the pinned packages were made for: 3.11, or else the one that runs this, if newer."""
    found = shutil.which("python3.11")
    # On the PATH there may be the stub of a version manager, which refuses to run.
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    if sys.version_info >= (3, 11):
        return sys.executable
    raise Failed(f"{what} needs Python 3.11; this is {sys.version.split()[0]}. Install python3.11 (LocalStack also runs in Docker)")


def run(command, log, stopped):
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    while process.poll() is None:
        if stopped(wait_s=0.2):
            os.killpg(process.pid, 9)
            process.wait()
            raise Failed("stopped while installing; the next start begins again")
    if process.returncode != 0:
        raise Failed(f"`{' '.join(command)}` failed:\n{tail(log)}")


def tail(log):
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join(f"  | {line}" for line in lines)
