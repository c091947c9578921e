"""Runs LocalStack on the loopback address only.

The web server of LocalStack takes the port from GATEWAY_LISTEN, but listens on all addresses, whatever
host GATEWAY_LISTEN names (localstack/runtime/server/twisted.py: "TODO: interface = host?").
"""

import runpy

from twisted.internet import endpoints


class Loopback(endpoints.TCP4ServerEndpoint):
    def __init__(self, reactor, port, backlog=50, interface="127.0.0.1"):
        super().__init__(reactor, port, backlog, interface)


endpoints.TCP4ServerEndpoint = Loopback
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
