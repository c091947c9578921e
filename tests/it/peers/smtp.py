"""A mail server that fails as the address says. It must never pass a mail on: each mail that it takes is a line
of JSON in FOLDER/mails.

Usage: smtp.py FOLDER [PORT PORT PORT]. When it listens, it prints a line of JSON with three ports: `starttls`
and `implicit` want TLS and a login, and `plain` wants neither. The certificate is for `localhost`, by the
authority in FOLDER/authority.pem. It ends when its stdin closes.

The user is `ada`, the password is in the variable SMTP_PASSWORD, and `stranger@…` may not send. The part of the
addressee before the @ says what happens; of a name that ends with `.once`, only the first time:

addressee      what happens
refused        550 5.1.1 to RCPT TO
unwanted       550 5.1.1 to the text
spam           554 5.7.1 to the text: it takes it for spam
later          450 4.2.0 to RCPT TO
full           452 4.3.1 to RCPT TO: the disk of the server
relayed        554 5.7.1 to RCPT TO: it passes no mail on for us
stalls         no answer to RCPT TO
stalls.reset   550 5.1.1 to RCPT TO, and no answer to RSET
slow           RCPT TO and the text are answered after 1.4 seconds each, and the text is not taken
odd            354 to the text, which is not taken
stalls.text    no answer to the text, which is not taken
cut            the connection is cut at RCPT TO
cut.text       the connection is cut before the text is taken
cut.after      the text is taken, and the connection is cut before the answer
dies           the text is taken, and the server dies before the answer
hangs.up       the text is taken, and the connection is cut at the next MAIL FROM
"""

import asyncio
import json
import logging
import os
import ssl
import sys
import warnings
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

USER = "ada"


class Server:
    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.mails = folder.joinpath("mails").open("a")

    def fault(self, envelope):
        """What happens to this mail. A fault that happened is a file, since the server may die meanwhile."""
        name = envelope.rcpt_tos[-1].split("@")[0]
        if name.endswith(".once"):
            name = name.removesuffix(".once")
            done = self.folder / f"done-{envelope.rcpt_tos[-1]}"
            if done.exists():
                return "ok"
            self.done = done
        return name

    def happens(self):
        """The fault happens now. If it is for once, it happens no more."""
        if done := getattr(self, "done", None):
            done.touch()

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("stranger@"):
            return f"550 5.7.1 <{address}> is not yours to send from"
        if getattr(session, "hangs_up", False):
            server.transport.abort()
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        envelope.rcpt_tos.append(address)
        fault = self.fault(envelope)
        answers = {
            "refused": f"550 5.1.1 <{address}>: User unknown",
            "stalls.reset": f"550 5.1.1 <{address}>: User unknown",
            "later": f"450 4.2.0 <{address}>: Greylisted",
            "full": "452 4.3.1 Disk full",
            "relayed": f"554 5.7.1 <{address}>: Relay access denied",
        }
        session.stalls_at_reset = fault == "stalls.reset"
        if fault in answers:
            self.happens()
            return answers[fault]
        if fault == "slow":
            await asyncio.sleep(1.4)
        if fault == "stalls":
            self.happens()
            await asyncio.sleep(3600)
        if fault == "cut":
            self.happens()
            server.transport.abort()
        return "250 2.1.5 OK"

    async def handle_RSET(self, server, session, envelope):
        if getattr(session, "stalls_at_reset", False):
            await asyncio.sleep(3600)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        fault = self.fault(envelope)
        if fault != "ok":
            self.happens()
        if fault == "unwanted":
            return f"550 5.1.1 <{envelope.rcpt_tos[-1]}>: User unknown"
        if fault == "spam":
            return "554 5.7.1 Message looks like spam"
        if fault == "odd":
            return "354 Go on"
        if fault == "slow":
            await asyncio.sleep(1.4)
            return "250 2.0.0 OK"
        if fault == "stalls.text":
            await asyncio.sleep(3600)
        if fault == "cut.text":
            server.transport.abort()
            return "250 2.0.0 OK"
        self.take(session, envelope)
        if fault == "cut.after":
            server.transport.abort()
        if fault == "dies":
            os._exit(1)
        session.hangs_up = fault == "hangs.up"
        return "250 2.0.0 OK"

    def take(self, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode("latin-1"),
            "port": self.port,
            "connection": session.peer[1],
            "login": bool(session.authenticated),
        }
        print(json.dumps(mail), file=self.mails, flush=True)


def login(server, session, envelope, mechanism, data):
    right = (data.login.decode(), data.password.decode()) == (USER, os.environ.get("SMTP_PASSWORD"))
    return AuthResult(success=right, handled=right)


def the_authority(folder):
    """The same one after every start, so that a client trusts a server that was started again."""
    pem, key = folder / "authority.pem", folder / "authority.key"
    if key.exists():
        return trustme.CA.from_pem(pem.read_bytes(), key.read_bytes())
    authority = trustme.CA()
    authority.cert_pem.write_to_path(pem)
    authority.private_key_pem.write_to_path(key)
    return authority


async def main(folder, ports):
    authority = the_authority(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    wanted = {
        "starttls": {"tls_context": tls, "require_starttls": True, "auth_required": True, "authenticator": login},
        # The server cannot know that the connection is encrypted already.
        "implicit": {"auth_required": True, "auth_require_tls": False, "authenticator": login},
        "plain": {},
    }
    loop, listening = asyncio.get_running_loop(), {}
    for (name, how), port in zip(wanted.items(), ports or [0, 0, 0]):
        outer = tls if name == "implicit" else None
        make = lambda name=name, how=how: SMTP(Server(folder, name), hostname="localhost", loop=loop, **how)
        made = await loop.create_server(make, "127.0.0.1", port, ssl=outer)
        listening[name] = made.sockets[0].getsockname()[1]
    print(json.dumps(listening), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    # A normal exit would wait for the connections that are still open.
    os._exit(0)


if __name__ == "__main__":
    # It is meant to ask for a login on a port of which it cannot see that it is encrypted.
    warnings.simplefilter("ignore")
    logging.getLogger("mail").setLevel(logging.CRITICAL)
    asyncio.run(main(Path(sys.argv[1]), [int(it) for it in sys.argv[2:]]))
