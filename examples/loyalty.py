"""Loyalty points: a completed booking has one, until its money is given back. See docs/ADD-A-SERVICE.md."""
import json, os, re, signal, sqlite3, sys, threading
import boto3

PREFIX = os.environ.get("BOOKING_PREFIX", "")
SOURCES = {"receipt-sent": "/booking/receipt", "payment-refunded": "/booking/payment"}
POINTS = """SELECT count(*) FROM facts WHERE fact = 'receipt-sent'
    AND booking NOT IN (SELECT booking FROM facts WHERE fact = 'payment-refunded')"""

def fact_of(body):
    """The booking and what happened to it; None for a canary. Raises for what is no event of ours."""
    envelope = json.loads(body)
    event = json.loads(envelope["Message"])
    if event["dataschema"] == "urn:booking:canary:0":  # `booking check --canary` tries the subscriptions
        return None
    topic = envelope["TopicArn"].rsplit(":", 1)[1].removeprefix(PREFIX)  # SNS writes it, and no publisher
    said = (event["type"], event["source"], event["dataschema"].split(":")[-1].split(".")[0])
    if said != (topic, SOURCES[topic], "1") or not re.fullmatch("[A-Za-z0-9_-]{1,64}", event["subject"]):
        raise ValueError("not what this topic brings")
    return event["subject"], topic

def main():
    rows = sqlite3.connect(os.environ.get("LOYALTY_DB", "loyalty.db"))
    rows.execute("CREATE TABLE IF NOT EXISTS facts (booking TEXT, fact TEXT, PRIMARY KEY (booking, fact))")
    if sys.argv[1:] == ["points"]:
        return print(*rows.execute(POINTS).fetchone())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())  # ends when the open receive is dealt with
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{PREFIX}booking-loyalty")["QueueUrl"]
    print(f"loyalty hears {PREFIX}booking-loyalty", flush=True)
    while not stop.is_set():
        facts, done = [], []
        for it in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages", []):
            try:
                facts.append(fact_of(it["Body"]))
                done.append({"Id": str(len(done)), "ReceiptHandle": it["ReceiptHandle"]})
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as why:
                # It comes again, and after ten receives SQS moves it to booking-loyalty-dlq.
                print(f"cannot read message {it['MessageId']}: {type(why).__name__}", file=sys.stderr)
        with rows:  # one transaction; a fact that is there already changes nothing
            rows.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", filter(None, facts))
        if done:  # after the commit: if the process dies in between, the messages come again
            sqs.delete_message_batch(QueueUrl=url, Entries=done)

if __name__ == "__main__":
    main()
