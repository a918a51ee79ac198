"""Asks one question with the Python client and prints the result as one line of JSON.

usage: drive.py JSON      or the JSON on standard input
The JSON: {"base", "teamId", "serverKeys", "teamPublicKey"?, "storePath"?, "graceSeconds"?, "timeoutSeconds"?,
           "clockOffsetSeconds"?, "action": "verify" | "heartbeat", "licenseKey", "productId"?, "customerId"?,
           "hardwareIdentifier"?, "version"?, "branch"?, "withoutCryptography"?: true}
"""

import json
import pathlib
import sys
import time

given = json.loads(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read())
if given.get("withoutCryptography"):
    # Makes the import fail, as on a machine that has no such package.
    sys.modules["cryptography"] = None
sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "clients" / "python"))

from keyledger_client import KeyledgerClient  # noqa: E402

settings = {
    name: given[wire]
    for name, wire in [
        ("team_public_key", "teamPublicKey"),
        ("store_path", "storePath"),
        ("grace_seconds", "graceSeconds"),
        ("timeout_seconds", "timeoutSeconds"),
    ]
    if wire in given
}
offset = given.get("clockOffsetSeconds", 0)
client = KeyledgerClient(
    given["base"], given["teamId"], given["serverKeys"], clock=lambda: time.time() + offset, **settings
)
question = {
    name: given.get(wire)
    for name, wire in [
        ("license_key", "licenseKey"),
        ("product_id", "productId"),
        ("customer_id", "customerId"),
        ("hardware_identifier", "hardwareIdentifier"),
        ("version", "version"),
        ("branch", "branch"),
    ]
}
result = {"verify": client.verify, "heartbeat": client.heartbeat}[given["action"]](**question)
print(
    json.dumps(
        {
            "valid": result.valid,
            "code": result.code,
            "details": result.details,
            "offline": result.offline,
            "data": result.data,
            "checkedAt": result.checked_at,
        }
    )
)
