"""A collector of OpenTelemetry: takes spans over OTLP/HTTP, and reads them with OpenTelemetry's own package.

Usage: collector.py. It prints its port when it listens, and ends when its stdin closes. GET /spans answers all
spans so far; PUT /way works|fails|hangs decides how it behaves from then on; GET /asked says how it was asked.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

HANGS_S = 3600

lock = threading.Lock()
spans, asked = [], []
way = "works"


def attributes(pairs):
    return {it.key: getattr(it.value, it.value.WhichOneof("value") or "string_value") for it in pairs}


def read(body):
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        of = attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "service": of["service.name"],
                    "resource": of,
                    "scope": scope.scope.name,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "state": span.trace_state,
                    "name": span.name,
                    "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                    "told": span.status.message,
                    "begun_ns": span.start_time_unix_nano,
                    "ended_ns": span.end_time_unix_nano,
                    "attributes": attributes(span.attributes),
                    "links": [{"trace": it.trace_id.hex(), "id": it.span_id.hex()} for it in span.links],
                    "events": len(span.events),
                }


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers["content-length"] or 0))

    def answer(self, code, body=b"", kind="application/json"):
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            self.answer(200, json.dumps({"/spans": spans, "/asked": asked}[self.path]).encode())

    def do_PUT(self):
        global way
        way = self.body().decode()
        self.answer(200)

    def do_POST(self):
        body = self.body()
        with lock:
            asked.append({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})
        if way == "hangs":
            time.sleep(HANGS_S)
        elif way == "fails":
            self.answer(500, b"as the test wants it")
        elif self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
            self.answer(400)
        else:
            with lock:
                spans.extend(read(body))
            self.answer(200, ExportTraceServiceResponse().SerializeToString(), "application/x-protobuf")


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
