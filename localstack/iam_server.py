"""moto as a server that enforces IAM as AWS does, for the calls that `booking` makes, and for those with
which ECS reads the secrets of its containers. Started by iam.py.

moto 5.2.5 verifies signatures, knows users, roles and their policies, and compares actions. By itself it
cannot judge our policies: it asks for `*` instead of the resource of a call to SNS and DynamoDB (so that a
policy that names its resources allows nothing), takes the name of a batch for an action, does not look
into a transaction, does not ask for the right to a key with which it decrypts, gives the same error for
every service, and knows no queue policies. This file adds exactly that, and leaves users, policies,
matching and signatures to moto.

Of the conditions of identity policies, this file knows those that ours have: StringEquals,
ForAllValues:StringEquals and Null, on kms:ViaService, events:source and events:detail-type. Neither this
file nor moto enforces permission boundaries, service control policies, key policies of KMS, and the trust
policy of a role. A test takes a role with AssumeRole, which in AWS only ECS may do.

GET /refused lists what was refused: [{"principal", "action", "resource"}].
POST /call makes a call of boto3, {"environment", "service", "operation", "arguments"}, with the credentials
of that environment, or of the one who may do anything if it is null. Answers {"said"} or {"error": CODE}.
POST /principal makes a user or a role with exactly one policy, {"kind": "user" or "role", "name", "policy"},
in the IAM and STS that are served here, and answers with its credentials.
"""

import io
import json
import sys
import threading
from email.utils import parseaddr
from xml.sax.saxutils import escape

import boto3
from botocore.exceptions import ClientError
from moto import settings

# Keeps moto's own checks off: call_action, below, checks every call.
settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")

from moto.core.responses import BaseResponse  # noqa: E402
from moto.iam.access_control import IAMPolicy, IAMRequest, PermissionResult  # noqa: E402
from moto.iam.models import iam_backends  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app  # noqa: E402
from moto.secretsmanager.models import secretsmanager_backends  # noqa: E402
from moto.ses.models import ses_backends  # noqa: E402
from moto.sns.models import Subscription  # noqa: E402
from moto.sqs.models import sqs_backends  # noqa: E402
from moto.ssm.models import ssm_backends  # noqa: E402
from werkzeug.exceptions import HTTPException  # noqa: E402
from werkzeug.serving import run_simple  # noqa: E402

ACCOUNT = "123456789012"
# Where the tests are, and the domain that SES has verified there.
REGION = "eu-central-1"
VERIFIED = "booking.example"
# The key with which a test makes topics, queues, users and roles. It is no secret, since it is valid
# only here.
ADMIN = ("AKIAIOSFODNN7ADMIN00", "an-emulator-on-this-machine-has-no-secrets")
ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
# Operations that need the right of another action.
SAME_AS = {
    ("sns", "PublishBatch"): "Publish",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
}
# The actions of the parts of a transaction.
PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}

refused, lock = [], threading.Lock()
# The body of the request that this thread handles.
here = threading.local()


def needed(service, operation, region, asked):
    """The rights that a call needs, as pairs of action and resource."""

    def arn(kind, name):
        return f"arn:aws:{kind}:{region}:{ACCOUNT}:{name}"

    action = f"{service}:{SAME_AS.get((service, operation), operation)}"
    if service == "sqs":
        name = asked.get("QueueUrl", "").rsplit("/", 1)[-1] or asked.get("QueueName")
        return [(action, arn("sqs", name) if name else "*")]
    if service == "sns":
        return [(action, asked.get("TopicArn", "*"))]
    if service == "dynamodb":
        if operation == "TransactWriteItems":
            parts = [pair for it in asked["TransactItems"] for pair in it.items()]
            return [(f"dynamodb:{PARTS[part]}", arn("dynamodb", f"table/{it['TableName']}")) for part, it in parts]
        if operation in ("BatchGetItem", "BatchWriteItem"):
            return [(action, arn("dynamodb", f"table/{it}")) for it in asked["RequestItems"]]
        if "TableName" in asked:
            index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
            return [(action, arn("dynamodb", f"table/{asked['TableName']}{index}"))]
    if service == "events":
        if operation == "PutEvents":
            return [(action, bus_arn(it, region)) for it in asked["Entries"]]
        if operation == "ListRules":
            return [(action, "*")]
        if "Rule" in asked:
            return [(action, arn("events", f"rule/{asked['EventBusName']}/{asked['Rule']}"))]
        return [(action, bus_arn({"EventBusName": asked.get("Name")}, region))]
    if (service, operation) == ("ses", "SendEmail"):
        # The identity is the domain of the sender: no test verifies a single address.
        identity = parseaddr(asked["FromEmailAddress"])[1].rpartition("@")[2]
        action = "ses:SendRawEmail" if "Raw" in asked["Content"] else action
        return [(action, arn("ses", f"identity/{identity}"))]
    if (service, operation) == ("ssm", "GetParameters"):
        return [(action, it if it.startswith("arn:") else arn("ssm", f"parameter/{it.lstrip('/')}")) for it in asked["Names"]]
    if (service, operation) == ("secretsmanager", "GetSecretValue"):
        return [(action, asked["SecretId"])]
    if (service, operation) == ("kms", "Decrypt"):
        return [(action, asked["KeyId"])]
    return [(action, "*")]


def bus_arn(entry, region):
    name = entry.get("EventBusName") or "default"
    return name if name.startswith("arn:") else f"arn:aws:events:{region}:{ACCOUNT}:event-bus/{name}"


def context(service, operation, asked):
    """What the conditions of a policy may ask about a call: its keys, each with all its values."""
    if (service, operation) != ("events", "PutEvents"):
        return {}
    said = {"events:source": "Source", "events:detail-type": "DetailType"}
    return {key: [it[field] for it in asked["Entries"] if field in it] for key, field in said.items()}


def decrypts(service, operation, region, asked):
    """The keys of customers with which a call decrypts: the Parameter Store and Secrets Manager use them in the
    name of their caller. Keys that AWS manages for the two have a policy that lets everybody use them that way."""
    keys = []
    if (service, operation) == ("ssm", "GetParameters") and asked.get("WithDecryption"):
        found = ssm_backends[ACCOUNT][region].get_parameters(asked["Names"])
        keys = [it.keyid for it in found.values()]
    elif (service, operation) == ("secretsmanager", "GetSecretValue"):
        secrets = secretsmanager_backends[ACCOUNT][region].secrets
        keys = [secrets[asked["SecretId"]].kms_key_id] if asked["SecretId"] in secrets else []
    return [it for it in keys if it and ":key/" in it]


def allowed(policies, action, resource, about):
    """Whether policies allow an action, of which the context says more."""
    verdicts = []
    for it in policies:
        policy = IAMPolicy(it)
        document = policy._policy_json
        # moto takes a condition that does not hold for a denial. What is left has none.
        document["Statement"] = [
            {name: value for name, value in it.items() if name != "Condition"}
            for it in document["Statement"] if holds(it.get("Condition", {}), about)
        ]
        verdicts.append(policy.is_action_permitted(action, resource))
    return PermissionResult.DENIED not in verdicts and PermissionResult.PERMITTED in verdicts


def holds(condition, about):
    """Whether a condition is met. Only the kinds that our policies have are known."""

    def one(operator, wanted, said):
        if operator == "Null":
            return (wanted == "true") == (not said)
        wanted = [wanted] if isinstance(wanted, str) else wanted
        assert operator in ("StringEquals", "ForAllValues:StringEquals"), condition
        return all(it in wanted for it in said) and (bool(said) or operator.startswith("ForAllValues"))

    return all(
        one(operator, wanted, about.get(key, []))
        for operator, keys in condition.items() for key, wanted in keys.items()
    )


def denial(service, operation, principal, action, resource):
    """The error for a refused call, with the code and the form of each service."""
    # SQS writes the action in lower case, and SNS its own name in capitals.
    shown = {"sqs": action.lower(), "sns": action.replace("sns:", "SNS:")}.get(service, action)
    text = (
        f"User: {principal} is not authorized to perform: {shown} on resource: {resource} "
        f"because no identity-based policy allows the {shown} action"
    )
    if service == "sns":
        error = f"<Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>{escape(text)}</Message></Error>"
        body = f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{error}<RequestId>0</RequestId></ErrorResponse>'
        return 403, {"Content-Type": "text/xml"}, body
    if service == "ses":
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
        return 403, headers, json.dumps({"message": text})
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    if service == "sqs":
        headers["x-amzn-query-error"] = "AccessDenied;Sender"
    body = json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "message": text})
    return (403 if service == "sqs" else 400), headers, body


answer = BaseResponse.call_action


def call_action(self):
    """Checks the signature and the policies of the caller, and only then lets moto make the call."""
    operation = self._get_action()
    path = self.raw_path + (f"?{self.parsed_url.query}" if self.parsed_url.query else "")
    try:
        request = IAMRequest(
            account_id=self.current_account, method=self.method, path=path,
            data=self.data, body=here.body, headers=self.headers, action=operation,
        )
        request.check_signature()
    except HTTPException as error:
        return error.code, {"Content-Type": "text/xml"}, error.description
    service, policies, principal = request._service, request._access_key.collect_policies(), request._access_key.arn
    # Requests to SNS and STS are forms.
    asked = json.loads(here.body) if here.body.startswith(b"{") else {name: it[0] for name, it in self.querystring.items()}
    # GetCallerIdentity needs no right.
    pairs = [] if (service, operation) == ("sts", "GetCallerIdentity") else needed(service, operation, self.region, asked)
    rights = [(action, resource, context(service, operation, asked)) for action, resource in pairs]
    via = {"kms:ViaService": [f"{service}.{self.region}.amazonaws.com"]}
    rights += [("kms:Decrypt", key, via) for key in decrypts(service, operation, self.region, asked)]
    for action, resource, about in rights:
        if not allowed(policies, action, resource, about):
            with lock:
                refused.append({"principal": principal, "action": action, "resource": resource})
            return denial(service, operation, principal, action, resource)
    return answer(self)


def delivers(queue, topic):
    """Whether the policy of a queue lets SNS deliver messages of this topic to it."""
    for it in json.loads(queue.policy or "{}").get("Statement", []):
        sources = it.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", [])
        sources = [sources] if isinstance(sources, str) else sources
        right = (it["Effect"], it["Principal"].get("Service"), it["Action"], it["Resource"])
        if right == ("Allow", "sns.amazonaws.com", "sqs:SendMessage", queue.queue_arn) and topic in sources:
            return True
    return False


deliver = Subscription.publish


def publish(self, *message, **more):
    """Delivers a message as AWS does: if the policy of the queue refuses it, to the dead-letter queue of the
    subscription; if there is none, the message is lost."""
    queues = sqs_backends[self.account_id][self.endpoint.split(":")[3]]
    endpoint = self.endpoint
    if delivers(queues.get_queue(endpoint.rsplit(":", 1)[-1]), self.topic_arn):
        return deliver(self, *message, **more)
    redrive = json.loads(self.attributes.get("RedrivePolicy") or "{}").get("deadLetterTargetArn")
    if redrive and delivers(queues.get_queue(redrive.rsplit(":", 1)[-1]), self.topic_arn):
        self.endpoint = redrive
        try:
            return deliver(self, *message, **more)
        finally:
            self.endpoint = endpoint


def principal(endpoint, kind, name, policy):
    """Makes a user with a key, or a role with temporary credentials such as ECS gives to a task."""

    def client(service):
        return boto3.client(
            service, endpoint_url=endpoint, region_name="us-east-1",
            aws_access_key_id=ADMIN[0], aws_secret_access_key=ADMIN[1],
        )

    iam, text = client("iam"), json.dumps(policy)
    if kind == "user":
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all-of-it", PolicyDocument=text)
        made = iam.create_access_key(UserName=name)["AccessKey"]
    else:
        trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="all-of-it", PolicyDocument=text)
        made = client("sts").assume_role(RoleArn=arn, RoleSessionName="task")["Credentials"]
    return {it: made[it] for it in ("AccessKeyId", "SecretAccessKey", "SessionToken") if it in made}


def call(endpoint, environment, service, operation, arguments):
    """Makes one call as somebody."""
    who = environment or {"AWS_ACCESS_KEY_ID": ADMIN[0], "AWS_SECRET_ACCESS_KEY": ADMIN[1]}
    client = boto3.client(
        service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=who["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=who["AWS_SECRET_ACCESS_KEY"], aws_session_token=who.get("AWS_SESSION_TOKEN"),
    )
    try:
        return {"said": getattr(client, operation)(**arguments)}
    except ClientError as error:
        return {"error": error.response["Error"]["Code"]}


def main():
    BaseResponse.call_action = call_action
    Subscription.publish = publish
    iam = iam_backends[ACCOUNT]["aws"]
    iam.create_user("us-east-1", "admin")
    iam.put_user_policy("admin", "anything", ANYTHING)
    key = iam.create_access_key("admin")
    key.access_key_id, key.secret_access_key = ADMIN
    ses_backends[ACCOUNT][REGION].verify_domain(VERIFIED)
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ, respond):
        # A signature covers the bytes of the body, but moto keeps only the fields that it reads from a form.
        here.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(here.body)
        if environ["PATH_INFO"] == "/principal":
            said = principal(f"http://{environ['HTTP_HOST']}", **json.loads(here.body))
        elif environ["PATH_INFO"] == "/call":
            said = call(f"http://{environ['HTTP_HOST']}", **json.loads(here.body))
        elif environ["PATH_INFO"] == "/refused":
            with lock:
                said = list(refused)
        else:
            return moto(environ, respond)
        # A time in an answer is written as text.
        body = json.dumps(said, default=str).encode()
        respond("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    # Only for this machine.
    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
