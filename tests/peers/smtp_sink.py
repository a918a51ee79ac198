"""A mail server for tests: keeps what it accepts and fails on demand.

    smtp_sink.py --dir FOLDER [--cert PEM --key PEM --tls starttls|implicit] [--login USER:PASSWORD] [--no-smtputf8]

Prints its port and serves on 127.0.0.1 until its standard input closes. Every accepted mail becomes
FOLDER/<number>.eml and a line of FOLDER/log.jsonl. The recipient's name chooses the failure:

    fail-450-N@    451 to the first N attempts, then accepted
    fail-550@      550, repeating the address as real servers do
    fail-554@      554 to the mail itself
    say-TEXT@      550 and the text, whose dashes are blanks, to the recipient
    slow-N@        waits N seconds before it accepts
    drop@          hangs up instead of answering, mail lost
    drop-after@    hangs up instead of answering, mail kept
    hangup@        accepts, then closes the connection

A sender named denied@ is refused with 553.
"""

import argparse
import asyncio
import json
import pathlib
import re
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Sink:
    def __init__(self, folder):
        self.folder = folder
        self.attempts = {}
        self.count = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("denied@"):
            return f"553 5.7.1 <{address}>: sender address rejected, not owned by user"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.attempts[address] = self.attempts.get(address, 0) + 1
        temporary = re.match(r"fail-450-(\d+)@", address)
        if temporary and self.attempts[address] <= int(temporary[1]):
            return f"451 4.3.0 <{address}>: try again later"
        if address.startswith("say-"):
            return "550 " + address.split("@")[0][4:].replace("-", " ")
        if address.startswith("fail-550@"):
            return f"550 5.1.1 <{address}>: no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "fail-554":
            return f"554 5.7.1 mail for {envelope.rcpt_tos[0]} looks like spam"
        if name == "drop":
            server.transport.abort()
            return "250 never seen"
        if slow := re.fullmatch(r"slow-(\d+)", name):
            await asyncio.sleep(int(slow[1]))
        self.keep(server, session, envelope)
        if name == "drop-after":
            server.transport.abort()
        if name == "hangup":
            asyncio.get_running_loop().call_later(0.05, server.transport.close)
        return "250 accepted"

    def keep(self, server, session, envelope):
        self.count += 1
        (self.folder / f"{self.count:04}.eml").write_bytes(envelope.content)
        line = {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "login": bool(session.authenticated),
            "connection": session.peer[1],
        }
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def tls_context(options):
    if not options.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    return context


async def serve(options):
    context, implicit = tls_context(options), options.tls == "implicit"
    login = tuple(part.encode() for part in options.login.split(":", 1)) if options.login else None

    def check(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == login
        return AuthResult(success=good, handled=False, auth_data=data)

    sink = Sink(pathlib.Path(options.dir))

    def connection():
        return SMTP(
            sink,
            hostname="sink.test",
            enable_SMTPUTF8=not options.no_smtputf8,
            tls_context=None if implicit else context,
            require_starttls=context is not None and not implicit,
            authenticator=check if login else None,
            auth_required=login is not None,
            auth_require_tls=context is not None and not implicit,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=context if implicit else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--tls", choices=["starttls", "implicit"], default="starttls")
    parser.add_argument("--login")
    parser.add_argument("--no-smtputf8", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
