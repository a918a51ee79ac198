"""Asks a keyledger server whether a licence key is valid, and bridges the hours in which it cannot be reached.

Copy this file into your program; it wants Python 3.9 and nothing else. Where the `cryptography` package is
installed, it checks the signatures, otherwise the code at the end of this file does.

    client = KeyledgerClient("https://keys.example.com", TEAM_ID, SERVER_KEYS, team_public_key=TEAM_PUBLIC_KEY,
                             store_path="/home/me/.config/editor/license.json")
    result = client.verify("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", product_id=PRODUCT_ID, hardware_identifier=device)
    if not result.valid:
        print(result.code, result.details)

A client may be used from several threads. A call blocks for at most `timeout_seconds`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import re
import secrets
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

GRACE_SECONDS = 7 * 86400
TIMEOUT_SECONDS = 10
CLOCK_SKEW_SECONDS_MAX = 300
ANSWER_BYTES_MAX = 1 << 20
STORE_BYTES_MAX = 4 << 20
RSA_BITS_MIN = 2048
STORED_OF_QUESTION = ("licenseKey", "hardwareIdentifier", "productId", "customerId")


@dataclass(frozen=True)
class Result:
    """What is known of a licence key."""

    valid: bool
    # The server's word (`VALID`, `LICENSE_EXPIRED`, ...), or `UNREACHABLE`: no answer that can be trusted.
    code: str
    # A sentence for people.
    details: str
    # Whether this rests on a stored answer, because the server gave none.
    offline: bool
    # What the team's settings let the server tell about the licence.
    data: dict[str, Any] | None
    # When the server said so, in Unix seconds; None for `UNREACHABLE`.
    checked_at: int | None


class _NoAnswer(Exception):
    """There is no answer that can be trusted. The message says why, and holds neither key nor secret."""


class KeyledgerClient:
    """Verifies licence keys of one team.

    server_keys: the JWK set of /.well-known/keyledger-keys.json, as a dict or as JSON. Pin it in your program;
        fetched at run time, it would prove nothing.
    team_public_key: what `keyledger team create` prints: base64 of a PEM. With it, another team on the same
        server cannot vouch for your licences.
    store_path: the file of the last valid answer. Without it there is no offline grace.
    clock: gives Unix seconds; for tests.
    """

    def __init__(
        self,
        base_url: str,
        team_id: str,
        server_keys: str | Mapping[str, Any],
        *,
        team_public_key: str | None = None,
        store_path: str | os.PathLike[str] | None = None,
        grace_seconds: float = GRACE_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,
    ):
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url is {base_url!r}; it begins with https:// or http://")
        if not team_id:
            raise ValueError("team_id is empty; `keyledger team list` shows it")
        if grace_seconds < 0 or timeout_seconds <= 0:
            raise ValueError("grace_seconds is 0 or more, and timeout_seconds more than 0")
        self._team_id = team_id
        self._url = f"{base_url.rstrip('/')}/api/v1/client/teams/{urllib.parse.quote(team_id, safe='')}/verification/"
        self._server_keys = _server_keys(server_keys)
        self._team_key = None if team_public_key is None else _rsa_public_key(team_public_key)
        self._store_path = None if store_path is None else os.path.abspath(os.fspath(store_path))
        self._grace_seconds = grace_seconds
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    def verify(
        self,
        license_key: str,
        *,
        product_id: str | None = None,
        customer_id: str | None = None,
        hardware_identifier: str | None = None,
        version: str | None = None,
        branch: str | None = None,
    ) -> Result:
        """Whether the key is valid, for this product and device. Raises only for arguments of the wrong type."""
        return self._ask("verify", license_key, product_id, customer_id, hardware_identifier, version, branch)

    def heartbeat(
        self,
        license_key: str,
        hardware_identifier: str,
        *,
        product_id: str | None = None,
        customer_id: str | None = None,
        version: str | None = None,
        branch: str | None = None,
    ) -> Result:
        """As `verify`, and tells the server that this device is still in use."""
        if not hardware_identifier:
            raise ValueError("heartbeat wants a hardware_identifier")
        return self._ask("heartbeat", license_key, product_id, customer_id, hardware_identifier, version, branch)

    def _ask(self, action: str, *values: str | None) -> Result:
        names = ("licenseKey", "productId", "customerId", "hardwareIdentifier", "version", "branch")
        question = {name: value for name, value in zip(names, values) if value is not None}
        if "licenseKey" not in question or not all(isinstance(value, str) for value in question.values()):
            raise TypeError("license_key is a string, and so is every other argument that is given")
        challenge = secrets.token_hex(32)
        try:
            status, header, body = self._post(action, {**question, "challenge": challenge})
            # An overloaded or broken server says nothing about the licence.
            if status == 429 or status >= 500:
                raise _NoAnswer(f"the server answered {status}")
            t, signatures = _parse_signature(header)
            signature, parsed = self._open(challenge, t, signatures, body)
            apart = abs(int(self._clock()) - t)
            if apart > CLOCK_SKEW_SECONDS_MAX:
                raise _NoAnswer(f"the server's clock and this device's are {apart} s apart; please set the clock")
            result = parsed["result"]
            if result["valid"] and status != 200:
                raise _NoAnswer(f"the server answered {status} with a valid licence")
        except _NoAnswer as reason:
            return self._offline(question, str(reason))

        details = result["details"]
        if result["valid"]:
            details += self._store(question, challenge, t, body, signature)
        elif status in (403, 404):
            self._forget()
        return Result(result["valid"], result["code"], details, False, parsed["data"], t)

    # The server's answers.

    def _post(self, action: str, question: dict[str, str]) -> tuple[int, str | None, bytes]:
        request = urllib.request.Request(
            self._url + action,
            data=json.dumps(question).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "keyledger-client-python"},
        )
        outcome: queue.Queue[tuple[int, str | None, bytes] | Exception] = queue.Queue()

        def exchange() -> None:
            try:
                outcome.put(_exchange(request, self._timeout_seconds))
            except Exception as error:
                outcome.put(error)

        # urllib's timeout is for each read alone, and a server that drips would hold us for ever. A thread of its
        # own keeps the limit for the whole exchange.
        threading.Thread(target=exchange, name="keyledger", daemon=True).start()
        try:
            got = outcome.get(timeout=self._timeout_seconds)
        except queue.Empty:
            got = socket.timeout()
        if isinstance(got, _NoAnswer):
            raise got
        reason = getattr(got, "reason", got)
        if isinstance(reason, socket.timeout):
            raise _NoAnswer(f"the server did not answer within {self._timeout_seconds} s")
        if isinstance(got, Exception):
            raise _NoAnswer(f"the server cannot be reached: {reason}")
        return got

    def _open(self, challenge: str, t: int, signatures: list[bytes], body: bytes) -> tuple[bytes, dict[str, Any]]:
        """The signature that holds, and the parsed body. Nothing of an answer is looked at before this."""
        signed = f"{t}.{challenge}.".encode() + body
        good = [s for s in signatures if any(_ed25519_verify(key, s, signed) for key in self._server_keys)]
        if not good:
            raise _NoAnswer("the answer's signature is wrong")
        parsed = _parse_json(body)
        result = parsed.get("result")
        if (
            not isinstance(result, dict)
            or not isinstance(result.get("valid"), bool)
            or not isinstance(result.get("code"), str)
            or not isinstance(result.get("details"), str)
            or not isinstance(parsed.setdefault("data", None), (dict, type(None)))
        ):
            raise _NoAnswer("the answer has another form than expected")
        if result["valid"] and self._team_key is not None:
            response = result.get("challengeResponse")
            if not isinstance(response, str) or not _rsa_verify(self._team_key, response, challenge.encode()):
                raise _NoAnswer("the answer does not prove that it comes from the team")
        return good[0], parsed

    # The stored answer.

    def _offline(self, question: dict[str, str], reason: str) -> Result:
        """The verdict of the stored answer. It is trusted no further than its signature and its age allow."""
        try:
            t, parsed = self._stored(question)
        except _NoAnswer as missing:
            return Result(False, "UNREACHABLE", f"{reason}; {missing}", False, None, None)
        result = parsed["result"]
        details = f"{result['details']}, as the server said before; now {reason}"
        return Result(True, result["code"], details, True, parsed["data"], t)

    def _stored(self, question: dict[str, str]) -> tuple[int, dict[str, Any]]:
        stored = self._read()
        try:
            t, challenge = stored["t"], stored["challenge"]
            body, signature = stored["body"].encode(), _decode_base64(stored["signature"])
            if type(t) is not int or not isinstance(challenge, str):
                raise ValueError
            _, parsed = self._open(challenge, t, [signature], body)
        except (KeyError, ValueError, AttributeError, TypeError):
            raise _NoAnswer("the stored answer is damaged") from None
        except _NoAnswer as wrong:
            raise _NoAnswer(f"the stored answer does not count: {wrong}") from None
        if not parsed["result"]["valid"]:
            raise _NoAnswer("the stored answer is not a valid one")

        for name, what in (("licenseKey", "licence key"), ("hardwareIdentifier", "device")):
            if stored.get(name) != question.get(name):
                raise _NoAnswer(f"the stored answer is for another {what}")
        # What was not asked then has not been answered; asking for less now is fine.
        for name, what in (("productId", "product"), ("customerId", "customer")):
            if name in question and stored.get(name) != question[name]:
                raise _NoAnswer(f"the stored answer is for another {what}")
        if stored.get("teamId") != self._team_id:
            raise _NoAnswer("the stored answer is for another team")

        now = int(self._clock())
        if now < t - CLOCK_SKEW_SECONDS_MAX:
            raise _NoAnswer("this device's clock is set to before the stored answer; please set the clock")
        if max(0, now - t) >= self._grace_seconds:
            raise _NoAnswer("the time that a licence may go unchecked is over")
        license = (parsed["data"] or {}).get("license")
        expires = license.get("expirationDate") if isinstance(license, dict) else None
        if expires is not None and _unix_seconds(expires) <= now:
            raise _NoAnswer(f"the licence expired on {expires}")
        return t, parsed

    def _read(self) -> dict[str, Any]:
        if self._store_path is None:
            raise _NoAnswer("no answer is stored, because the program names no file for it")
        try:
            with open(self._store_path, "rb") as file:
                text = file.read(STORE_BYTES_MAX + 1)
        except FileNotFoundError:
            raise _NoAnswer("there is no stored answer") from None
        except OSError as error:
            raise _NoAnswer(f"the stored answer cannot be read: {error.strerror}") from None
        try:
            if len(text) > STORE_BYTES_MAX:
                raise _NoAnswer("too long")
            return _parse_json(text)
        except _NoAnswer:
            raise _NoAnswer("the stored answer is damaged") from None

    def _store(self, question: dict[str, str], challenge: str, t: int, body: bytes, signature: bytes) -> str:
        """Keeps a valid answer. A full disk must not turn it into a refusal, so this returns a remark."""
        if self._store_path is None:
            return ""
        stored = {
            "challenge": challenge,
            "t": t,
            "body": body.decode(),
            "signature": base64.b64encode(signature).decode(),
            "teamId": self._team_id,
            **{name: question[name] for name in STORED_OF_QUESTION if name in question},
        }
        temporary = None
        try:
            folder, name = os.path.split(self._store_path)
            os.makedirs(folder, exist_ok=True)
            # mkstemp makes the file for its owner alone. The rename is atomic: a reader sees the old or the new.
            descriptor, temporary = tempfile.mkstemp(prefix=name + ".", dir=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(stored).encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._store_path)
            return ""
        except OSError as error:
            if temporary is not None:
                _remove(temporary)
            return f" (it could not be stored for offline use: {error.strerror})"

    def _forget(self) -> None:
        if self._store_path is not None:
            _remove(self._store_path)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A licence key goes to the server that the program names, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _exchange(request: urllib.request.Request, timeout_seconds: float) -> tuple[int, str | None, bytes]:
    try:
        response = urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        # For urllib every status but 2xx is an error; for us it is an answer.
        response = error
    with response:
        body = response.read(ANSWER_BYTES_MAX + 1)
        if len(body) > ANSWER_BYTES_MAX:
            raise _NoAnswer(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        return response.getcode(), response.headers.get("Keyledger-Signature"), body


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        pass


# Formats.


def _parse_signature(header: str | None) -> tuple[int, list[bytes]]:
    """Reads `t=<unix>,ed25519=<base64>`. Other names are passed over, and more than one signature may stand there,
    so that a server can sign with its old and its new key."""
    if header is None:
        raise _NoAnswer("the answer is not signed")
    fields = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not re.fullmatch(r"0|[1-9][0-9]{0,14}", times[0]):
        raise _NoAnswer("the answer's signature has another form than expected")
    try:
        return int(times[0]), [_decode_base64(value) for name, _, value in fields if name == "ed25519"]
    except ValueError:
        raise _NoAnswer("the answer's signature has another form than expected") from None


def _parse_json(text: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(text.decode())
    except (ValueError, RecursionError):
        raise _NoAnswer("the answer is not JSON") from None
    if not isinstance(parsed, dict):
        raise _NoAnswer("the answer has another form than expected")
    return parsed


def _decode_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _unix_seconds(text: Any) -> float:
    """Reads an RFC 3339 time. One that cannot be read counts as past, so that grace never outlives a licence."""
    form = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):(\d\d))"
    match = re.fullmatch(form, text, re.ASCII) if isinstance(text, str) else None
    if match is None:
        return 0
    try:
        local, sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
        return datetime.fromisoformat(local).replace(tzinfo=timezone(offset)).timestamp()
    except (ValueError, OverflowError):
        return 0


def _server_keys(jwks: str | Mapping[str, Any]) -> list[bytes]:
    """The Ed25519 keys of a JWK set (RFC 7517, RFC 8037). Keys of other kinds are passed over."""
    parsed = json.loads(jwks) if isinstance(jwks, str) else jwks
    keys = []
    for jwk in parsed["keys"]:
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
            key = base64.urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4))
            if len(key) != 32:
                raise ValueError("server_keys holds an Ed25519 key that is not 32 bytes long")
            keys.append(key)
    if not keys:
        raise ValueError("server_keys holds no Ed25519 key; take the set from /.well-known/keyledger-keys.json")
    return keys


# RSA (RFC 8017).


def _rsa_public_key(text: str) -> tuple[int, int]:
    """Modulus and exponent of a PEM, or of base64 of one."""
    try:
        pem = text if "-----BEGIN" in text else base64.b64decode(text).decode()
        match = re.search(r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", pem)
        if match is None:
            raise ValueError
        # SubjectPublicKeyInfo: SEQUENCE { algorithm, BIT STRING { SEQUENCE { modulus, exponent } } }
        outer, _ = _der(base64.b64decode(match.group(1)), 0x30)
        algorithm, rest = _der(outer, 0x30)
        if _der(algorithm, 0x06)[0] != bytes.fromhex("2a864886f70d010101"):
            raise ValueError
        bits, _ = _der(rest, 0x03)
        numbers, _ = _der(bits[1:], 0x30)
        modulus, rest = _der(numbers, 0x02)
        exponent, _ = _der(rest, 0x02)
    except (ValueError, IndexError):
        raise ValueError("team_public_key is not what `keyledger team create` prints: base64 of a PEM") from None
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if n.bit_length() < RSA_BITS_MIN:
        raise ValueError(f"team_public_key has fewer than {RSA_BITS_MIN} bits")
    return n, e


def _der(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first element, which must have this tag, and what follows it."""
    length, start = data[1], 2
    if length >= 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start], "big")
    if data[0] != tag or start + length > len(data):
        raise ValueError
    return data[start : start + length], data[start + length :]


def _rsa_verify(key: tuple[int, int], signature: str, message: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256. Builds the one right encoding and compares, rather than parse a given one."""
    n, e = key
    size = (n.bit_length() + 7) // 8
    if not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", signature) or int(signature, 16) >= n:
        return False
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return pow(int(signature, 16), e, n).to_bytes(size, "big") == expected


# Ed25519 (RFC 8032, section 5.1). Slow beside a library, some milliseconds; and as nothing here is secret, it need
# not run in constant time. Points are extended coordinates (X, Y, Z, T).

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_Point = tuple[int, int, int, int]


def _add(a: _Point, b: _Point) -> _Point:
    p = (a[1] - a[0]) * (b[1] - b[0]) % _P
    q = (a[1] + a[0]) * (b[1] + b[0]) % _P
    r = 2 * a[3] * b[3] * _D % _P
    s = 2 * a[2] * b[2] % _P
    e, f, g, h = q - p, s - r, s + r, q + p
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _decompress(data: bytes) -> _Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    # A square root of u/v, if there is one, is this candidate or this candidate times the root of -1.
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _compress(point: _Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = _decompress(bytes.fromhex("58" + "66" * 31))


def _ed25519_verify_here(key: bytes, signature: bytes, message: bytes) -> bool:
    point = _decompress(key) if len(key) == 32 else None
    if point is None or _BASE is None or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _L
    # R = sB - hA, both products in one pass over the bits.
    minus = (_P - point[0], point[1], 1, _P - point[3])
    sums = (None, _BASE, minus, _add(_BASE, minus))
    total: _Point = (0, 1, 1, 0)
    for bit in range(252, -1, -1):
        total = _add(total, total)
        term = sums[(s >> bit & 1) | (h >> bit & 1) << 1]
        if term is not None:
            total = _add(total, term)
    return _compress(total) == signature[:32]


try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    def _ed25519_verify(key: bytes, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
            return True
        except (InvalidSignature, ValueError):
            return False

except ImportError:
    _ed25519_verify = _ed25519_verify_here
