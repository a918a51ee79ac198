"""Stripe's own SDK makes and checks webhook signatures. The payload comes on stdin, byte for byte.

usage: sdk_signature.py sign SECRET UNIX_TIME     prints the Stripe-Signature header
       sdk_signature.py verify SECRET HEADER      exits with 0 when the SDK accepts it, else with 3
"""

import sys

import stripe

action, secret, rest = sys.argv[1:]
payload = sys.stdin.buffer.read().decode("utf-8")

if action == "sign":
    # The SDK has no public signer; this is the computation that its verification compares with.
    signature = stripe.WebhookSignature._compute_signature(f"{rest}.{payload}", secret)
    print(f"t={rest},v1={signature}")
elif action == "verify":
    try:
        stripe.WebhookSignature.verify_header(payload, rest, secret, tolerance=300)
    except stripe.SignatureVerificationError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
else:
    sys.exit(__doc__)
