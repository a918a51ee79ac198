"""Sells a subscription on a localstripe server through Stripe's own SDK, and ends it.

usage: drive_localstripe.py BASE_URL PRODUCT_ID sell     prints {"product","customer","subscription"}
       drive_localstripe.py BASE_URL SUBSCRIPTION cancel
"""

import json
import sys

import stripe

base, what, action = sys.argv[1:]
stripe.api_key = "sk_test_1234567890abcdef"
stripe.api_base = base


def sell(product_id):
    # localstripe knows plans but no prices, and wants the product's type spelt out.
    product = stripe.Product.create(name="Plugin", type="service", metadata={"product_id": product_id})
    plan = stripe.Plan.create(product=product.id, currency="eur", amount=1000, interval="month", nickname="monthly")
    customer = stripe.Customer.create(email="buyer@example.test")
    card = stripe.PaymentMethod.attach("pm_card_visa", customer=customer.id)
    stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": card.id})
    subscription = stripe.Subscription.create(customer=customer.id, items=[{"plan": plan.id}])
    return {"product": product.id, "customer": customer.id, "subscription": subscription.id}


if action == "sell":
    print(json.dumps(sell(what)))
elif action == "cancel":
    print(json.dumps({"status": stripe.Subscription.cancel(what).status}))
else:
    sys.exit(__doc__)
