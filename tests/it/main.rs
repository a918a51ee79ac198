//! The stories of keyledger's users, told to the real binary from outside: one module a story.

mod cli;
mod clients;
mod crash;
mod dev_access;
mod dev_catalogue;
mod dev_licenses;
mod inbox;
mod localstripe;
mod mails;
mod openapi;
mod peers;
mod polymart_placeholder;
mod polymart_purchases;
mod races;
mod samples;
mod seat_races;
mod signatures;
mod smtp_transport;
mod stripe_answers;
mod stripe_metadata;
mod stripe_oneoff;
mod stripe_refunds;
mod stripe_subscription;
mod support;
mod verification;
