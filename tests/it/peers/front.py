"""HTTPS in front of a port of this machine, with a certificate of an authority that nobody knows, and
beside it a proxy (proxy.py) that knows CONNECT.

Usage: front.py PORT FOLDER. Prints one line of JSON when both listen, and ends when its stdin closes. The
proxy writes what it was asked for to FOLDER/proxy.log.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import trustme


async def main(behind, folder):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)

    async def pass_on(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    front = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=tls)
    port, log = folder / "proxy.port", folder / "proxy.log"
    proxy = subprocess.Popen(
        [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port),
         "--num-acceptors", "1", "--num-workers", "1", "--log-file", str(log), "--log-level", "INFO"],
        env=os.environ | {"HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )
    try:
        while not (port.exists() and port.read_text().strip()):
            if proxy.poll() is not None:
                sys.exit(f"front.py: the proxy ended with {proxy.returncode}")
            await asyncio.sleep(0.05)
        https = front.sockets[0].getsockname()[1]
        print(json.dumps({"https": https, "proxy": int(port.read_text())}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    finally:
        proxy.terminate()
        proxy.wait()
    # The open connections of a server that stops would be waited for.
    os._exit(0)


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
