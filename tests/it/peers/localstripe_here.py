"""Runs localstripe on a free port of 127.0.0.1. It must never write its data to the disk.

Usage: localstripe_here.py. It prints its port when it listens, and ends when its stdin closes.
"""

import asyncio
import sys

from aiohttp import web
from localstripe.resources import Charge, PaymentIntent, Store
from localstripe.server import app


async def main():
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


# localstripe writes its whole state to one file at every change, and all processes share that file.
Store.dump_to_disk = lambda store: None
# No test reads these fields, and localstripe computes each one by a search through all objects for every
# answer.
Charge.refunds = Charge.refunded = Charge.amount_refunded = PaymentIntent.charges = None
asyncio.run(main())
