"""Runs LocalStack, and mends four things in its EventBridge that AWS does and LocalStack 4.9.2 does not:

- an event that cannot be put on the queue of a target goes to the dead-letter queue that the target names;
- the TraceHeader of an event comes with the message, as AWSTraceHeader;
- a rule that is disabled delivers nothing;
- StartReplay replays the events of an archive. (Left alone it fails, since the times of archived events are strings.)

This replaces private functions of exactly that version, so it refuses every other one.
"""

import importlib.metadata
import runpy
import sys
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

MADE_FOR = "4.9.2"
# SQS allows more for an attribute, but nobody reads on.
REASON_MAX = 200

# The TraceHeader of the event that is being delivered. LocalStack delivers one after the other, each to
# all its targets, within the request that puts them.
trace = ContextVar("trace", default=None)


def text(it):
    return {"DataType": "String", "StringValue": it}


def instant(it):
    return datetime.fromisoformat(it) if isinstance(it, str) else it


def mend():
    from localstack.services.events import archive, provider, target, utils

    def send_event(self, event, _):
        message = {"MessageBody": target.to_json_str(event), **self.target.get("SqsParameters", {})}
        if trace.get():
            message["MessageSystemAttributes"] = {"AWSTraceHeader": text(trace.get())}
        try:
            self.client.send_message(QueueUrl=target.sqs_queue_url_for_arn(self.arn), **message)
        except Exception as why:
            dead_letters = (self.target.get("DeadLetterConfig") or {}).get("Arn")
            if not dead_letters:
                raise
            said = {
                "RULE_ARN": self.rule_arn,
                "TARGET_ARN": self.arn,
                "ERROR_CODE": "SDK_CLIENT_ERROR",
                "ERROR_MESSAGE": str(why)[:REASON_MAX],
            }
            message["MessageAttributes"] = {name: text(it) for name, it in said.items()}
            self.client.send_message(QueueUrl=target.sqs_queue_url_for_arn(dead_letters), **message)

    target.SqsTargetSender.send_event = send_event

    process_entry = provider.EventsProvider._process_entry

    def process_traced(self, entry, *rest):
        token = trace.set(entry.get("TraceHeader"))
        try:
            process_entry(self, entry, *rest)
        finally:
            trace.reset(token)

    provider.EventsProvider._process_entry = process_traced

    process_rules = provider.EventsProvider._process_rules

    def process_enabled(self, rule, *rest):
        if rule.state != "DISABLED":
            process_rules(self, rule, *rest)

    provider.EventsProvider._process_rules = process_enabled

    time_of = utils.get_event_time
    utils.get_event_time = lambda event: time_of({**event, "Time": instant(event.get("Time"))})
    to_the_minute = archive.ArchiveService._normalize_datetime
    archive.ArchiveService._normalize_datetime = lambda self, it: to_the_minute(self, instant(it))


found = importlib.metadata.version("localstack-core")
if found != MADE_FOR:
    sys.exit(f"localstack/eventbridge.py mends LocalStack {MADE_FOR}, and this is {found}: see what it still needs")
mend()
runpy.run_path(str(Path(__file__).resolve().parent / "loopback.py"), run_name="__main__")
