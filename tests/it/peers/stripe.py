"""A Stripe that fails as a test plans. It starts localstripe in a process of its own, and is a front that
adds what localstripe lacks: idempotency keys (stored, replayed, in use, misused), the search by metadata, decline
codes, what was given back of a charge, the error for a refund that was made before, and every fault that a test
plans. The front must never move money without a request: whatever it answers, the lists of localstripe say what
happened.

Usage: stripe.py LATE_S [PORT]. When both processes listen, it prints a line of JSON with two ports: `front` is
where the gateway sends its requests, and `provider` is localstripe itself, whose lists a test counts. It
ends when its stdin closes.

POST /_faults {"booking": ID, "charge": [FAULT, …], "find": […], "look": […], "cancel": […], "refund": […]} plans
the faults of the next requests for a booking, one fault for each request; `look` is the reading of one intent. GET
/_struck lists the faults that happened, each as [booking, question, fault].

fault               what happens
ok                  no fault
cut_before          the connection is cut, and nothing was done
cut_after           the request is done, and then the connection is cut
late                the request is done, and the answer comes LATE_S seconds late
twice               the request arrives twice, one after the other
down                503: nothing was done, and no answer is stored
limited             429 with Retry-After: nothing was done
locked              409, because the key is in use: nothing was done
failure_kept        500: nothing was done, and the 500 is stored under the key
done_failure_kept   the request is done, and a 500 is stored under the key
forgotten           a day has passed: no request is in flight, the keys of the booking are forgotten, and from
                    now on a lagging search finds what exists now
other_amount        another amount is charged than was asked for
other_currency      Icelandic krónur are charged, and the amount is not a whole number of krónur
undecided           the request is done, and the answer, which is stored, says that it is not yet decided
lagging             the search finds only what existed at the last `forgotten`
"""

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import parse_qsl

from aiohttp import ClientSession, web

FORWARDED = ("amount", "currency", "confirm", "off_session", "capture_method", "payment_intent")
# What each token does: the PaymentMethod (or the card number) for localstripe, and the decline code.
CARDS = {
    "tok_visa": ("pm_card_visa", None),
    "tok_timeout_then_ok": ("pm_card_visa", None),
    "tok_declined": ("pm_card_chargeCustomerFail", "generic_decline"),
    "tok_insufficient_funds": ("pm_card_chargeCustomerFail", "insufficient_funds"),
    "tok_wants_its_holder": ("4000002500003155", None),
}
AUTHENTICATION = "authentication_required"


class Front:
    def __init__(self, provider, late_s):
        self.provider, self.late_s = f"http://127.0.0.1:{provider}", late_s
        self.plans = defaultdict(lambda: defaultdict(list))
        self.struck = []
        # For each idempotency key the request and its answer. The answer is None while the key is in use.
        self.keys = {}
        # The intents of each booking.
        self.intents = defaultdict(list)
        # The intents that even a lagging search finds, and the number of requests in flight.
        self.old = defaultdict(list)
        self.busy = defaultdict(int)
        self.bookings = {}
        # The form with which each intent was made.
        self.metadata = {}
        # The booking of each `booking_hash` in the metadata.
        self.hashed = {}
        self.declines = {}
        # The intents whose card holder would have to confirm.
        self.unconfirmed = set()

    async def plan(self, request):
        plan = await request.json()
        booking = plan.pop("booking")
        self.hashed[hash_of(booking)] = booking
        self.plans[booking].update(plan)
        return web.json_response({})

    async def happened(self, _):
        return web.json_response(self.struck)

    async def handle(self, request):
        form = dict(parse_qsl(await request.text()))
        question, booking = self.question(request, form)
        planned = self.plans[booking][question]
        fault = planned.pop(0) if planned else "ok"
        token = form.get("payment_method_data[card][token]")
        if token == "tok_timeout_then_ok" and not self.intents[booking]:
            fault = "late"
        if fault != "ok":
            self.struck.append([booking, question, fault])
        key = request.headers.get("Idempotency-Key")
        if fault == "cut_before":
            return cut(request)
        if fault == "down":
            return error(503)
        if fault == "limited":
            return error(429, {"Retry-After": "2"}, code="rate_limit")
        if fault == "locked":
            return error(409, type="idempotency_error", code="idempotency_key_in_use")
        if fault == "forgotten":
            await self.forget(booking)
        self.busy[booking] += 1
        try:
            answer = await self.answer(request, form, key, booking, fault)
            if fault == "twice":
                answer = await self.answer(request, form, key, booking, fault)
        finally:
            self.busy[booking] -= 1
        if fault == "late":
            await asyncio.sleep(self.late_s)
        if fault == "cut_after":
            return cut(request)
        status, body, headers = answer
        return web.json_response(body, status=status, headers=headers)

    async def forget(self, booking):
        while self.busy[booking]:
            await asyncio.sleep(0.01)
        for key in [it for it in self.keys if it.split(":")[0] == booking]:
            del self.keys[key]
        self.old[booking] = list(self.intents[booking])

    def question(self, request, form):
        """The kind of a request, and its booking."""
        path = request.path.removeprefix("/v1/")
        if request.method == "GET":
            if path == "payment_intents/search":
                _, value = searched(request)
                return "find", self.hashed.get(value, value)
            return "look", self.bookings.get(path.removeprefix("payment_intents/"), "")
        if path.endswith("/cancel"):
            return "cancel", self.bookings.get(path.split("/")[1], "")
        return {"refunds": "refund"}.get(path, "charge"), form.get("metadata[booking]", "")

    async def answer(self, request, form, key, booking, fault):
        """The answer that is stored under the key, or a new one."""
        asked = (request.path, tuple(sorted(form.items())))
        if key is None:
            return await self.ask(request, form, booking, fault)
        if key in self.keys:
            known, answer = self.keys[key]
            if known != asked:
                return 400, {"error": {"type": "idempotency_error"}}, {}
            if answer is None:
                in_use = {"type": "idempotency_error", "code": "idempotency_key_in_use"}
                return 409, {"error": in_use}, {}
            status, body = answer
            return status, body, {"Idempotent-Replayed": "true"}
        self.keys[key] = (asked, None)
        status, body = 500, {"error": {"type": "api_error"}}
        if fault != "failure_kept":
            if fault == "other_amount":
                form = form | {"amount": str(int(form["amount"]) + 1)}
            if fault == "other_currency":
                form = form | {"amount": str(int(form["amount"]) + 1), "currency": "isk"}
            status, body, _ = await self.ask(request, form, booking, fault)
            if fault == "undecided" and status == 200:
                undecided = {"payment_intent": "processing", "refund": "pending"}
                body = body | {"status": undecided[body["object"]]}
            if fault == "done_failure_kept":
                status, body = 500, {"error": {"type": "api_error"}}
        # A request that is refused before anything is done stores no answer.
        if status in (400, 401, 403, 404):
            del self.keys[key]
        else:
            self.keys[key] = (asked, (status, body))
        return status, body, {}

    async def ask(self, request, form, booking, fault):
        path = request.path
        if request.method == "GET":
            if path.endswith("/search"):
                field, value = searched(request)
                known = self.old[booking] if fault == "lagging" else self.bookings
                # As at Stripe, the case of letters does not count.
                all_of_it = [
                    it for it in known if self.metadata[it].get(f"metadata[{field}]", "").lower() == value.lower()
                ]
                page = all_of_it[: int(request.query["limit"])]
                found = [await self.get(request, f"/v1/payment_intents/{it}") for it in page]
                data = [body for status, body in found if status == 200]
                more = len(all_of_it) > len(page)
                return 200, {"object": "search_result", "data": data, "has_more": more}, {}
            status, body = await self.get(request, request.path_qs)
            if fault == "undecided" and status == 200:
                body = body | {"status": "processing"}
            return status, body, {}
        if path == "/v1/payment_intents":
            return *await self.charge(request, form, booking), {}
        if path == "/v1/refunds":
            intent = form["payment_intent"]
            _, taken = await self.get(request, f"/v1/payment_intents/{intent}")
            left = taken["amount"] - await self.given_back(request, intent)
            if left == 0:
                before = {"type": "invalid_request_error", "code": "charge_already_refunded"}
                return 400, {"error": before}, {}
            form = form | {"amount": form.get("amount", str(left))}
        status, body = await self.post(request, path, forwarded(form))
        if status == 400 and path.endswith("/cancel"):
            body["error"]["code"] = "payment_intent_unexpected_state"
        return status, body, {}

    async def charge(self, request, form, booking):
        token = form.get("payment_method_data[card][token]") or form.get("payment_method")
        if token == "tok_in_use":
            return 400, {"error": {"type": "invalid_request_error", "code": "token_in_use"}}
        if token not in CARDS:
            missing = {"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"}
            return 400, {"error": missing}
        method, why = CARDS[token]
        if method.isdigit():
            card = {"type": "card", "card[number]": method, "card[exp_month]": "12", "card[exp_year]": "2030"}
            _, made = await self.post(request, "/v1/payment_methods", card | {"card[cvc]": "123"})
            method = made["id"]
        asked = forwarded(form) | {"payment_method": method}
        status, body = await self.post(request, "/v1/payment_intents", asked)
        if status == 402:
            _, charge = await self.get(request, f"/v1/charges/{body['error']['charge']}")
            intent = charge["payment_intent"]
            self.declines[intent] = why
            _, shown = await self.get(request, f"/v1/payment_intents/{intent}")
            body["error"] |= {"type": "card_error", "decline_code": why, "payment_intent": shown}
        elif status == 200:
            intent = body["id"]
            if body["status"] == "requires_action" and form.get("error_on_requires_action") == "true":
                self.unconfirmed.add(intent)
                wanted = {"type": "card_error", "code": AUTHENTICATION, "payment_intent": body}
                status, body = 402, {"error": wanted}
        else:
            return status, body
        self.bookings[intent] = booking
        self.metadata[intent] = form
        self.hashed[hash_of(booking)] = booking
        self.intents[booking].append(intent)
        return status, body

    async def get(self, request, path):
        async with self.http.get(self.provider + path, headers=authorization(request)) as answer:
            return answer.status, await self.shown(request, await answer.json(), "expand" in path)

    async def post(self, request, path, form):
        async with self.http.post(self.provider + path, data=form, headers=authorization(request)) as answer:
            return answer.status, await self.shown(request, await answer.json(), False)

    async def shown(self, request, body, whole):
        """An intent as Stripe shows it: with the id of its charge, or with the whole charge."""
        if body.get("object") != "payment_intent":
            return body
        if body.get("last_payment_error"):
            body["last_payment_error"]["decline_code"] = self.declines.get(body["id"])
        elif body["id"] in self.unconfirmed and body["status"] != "succeeded":
            body["last_payment_error"] = {"type": "card_error", "code": AUTHENTICATION}
        charge = body["latest_charge"]
        if charge and whole:
            charge["amount_refunded"] = await self.given_back(request, body["id"])
            charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        elif charge:
            body["latest_charge"] = charge["id"]
        return body

    async def given_back(self, request, intent):
        """How much of an intent was given back, by whomever. localstripe does not say it: see localstripe_here.py."""
        _, made = await self.get(request, f"/v1/refunds?payment_intent={intent}&limit=100")
        return sum(it["amount"] for it in made.get("data", []))


def searched(request):
    """The metadata field of a search, and its value."""
    return re.fullmatch(r"metadata\['(\w+)'\]:'([\w-]+)'", request.query["query"]).groups()


def hash_of(booking):
    return hashlib.sha256(booking.encode()).hexdigest()


def forwarded(form):
    """The fields of a form that localstripe knows. It refuses a form with any other field."""
    known = (*FORWARDED, "metadata", "card", "type")
    return {name: it for name, it in form.items() if name.split("[")[0] in known}


def authorization(request):
    return {"Authorization": request.headers.get("Authorization", "")}


def error(status, headers=None, **of):
    return web.json_response({"error": of}, status=status, headers=headers)


def cut(request):
    request.transport.abort()
    return web.Response()


async def main(late_s, front_port):
    script = Path(__file__).with_name("localstripe_here.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as provider:
        port = int(provider.stdout.readline())
        front = Front(port, late_s)
        app = web.Application()
        app.router.add_post("/_faults", front.plan)
        app.router.add_get("/_struck", front.happened)
        app.router.add_route("*", "/v1/{rest:.*}", front.handle)
        async with ClientSession() as front.http:
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", front_port).start()
            print(json.dumps({"front": runner.addresses[0][1], "provider": port}), flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        provider.stdin.close()
        provider.wait()
    # A normal exit would wait for the connections that are still open.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
