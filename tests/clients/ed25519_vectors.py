"""Checks the Python client's own Ed25519 on the vectors of RFC 8032, section 7.1, and on broken ones.

usage: ed25519_vectors.py      silent when all is well
"""

import pathlib
import sys

sys.modules["cryptography"] = None
sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "clients" / "python"))

import keyledger_client as client  # noqa: E402

# Public key, message, signature: TEST 1, TEST 2, TEST 3, TEST SHA(abc).
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]

assert client._ed25519_verify is client._ed25519_verify_here
verify = client._ed25519_verify

for key, message, signature in (tuple(map(bytes.fromhex, vector)) for vector in VECTORS):
    assert verify(key, signature, message)
    assert not verify(key, signature, message + b"\x00")
    for at in range(64):
        broken = bytearray(signature)
        broken[at] ^= 1 << at % 8
        assert not verify(key, bytes(broken), message), at
    # S + L proves the same equation, and must not pass as a second signature (section 5.1.7).
    s = int.from_bytes(signature[32:], "little") + client._L
    assert not verify(key, signature[:32] + s.to_bytes(32, "little"), message)
    assert not verify(key, signature[:63], message)
    assert not verify(key[:31], signature, message)
    assert not verify(b"\xff" * 32, signature, message)
