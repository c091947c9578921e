#!/usr/bin/env python3
"""Prints the path of a Python that has the packages of requirements.txt; installs them when needed."""

import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "localstack"))

import install  # noqa: E402


def stopped(wait_s=0):
    time.sleep(wait_s)
    return False


with tempfile.NamedTemporaryFile(suffix=".log") as log:
    peers = install.Venv("the peers of the tests", HERE / "requirements.txt", HERE / ".venv")
    try:
        print(install.environment(Path(log.name), stopped, peers))
    except install.Failed as why:
        sys.exit(f"tests/it/peers/python.py: {why}")
