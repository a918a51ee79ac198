//! Bare RSA: what the machine can sign when it does nothing else.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;

use crate::measure::Measure;

/// `sign-rsa`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Threads [default: as many as the machine has cores].
    #[arg(long)]
    threads: Option<usize>,
}

/// Signs on every thread until the time is up.
pub(crate) fn run(args: &Args) -> anyhow::Result<Measure> {
    let threads = match args.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?.get(),
    };
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no RSA key could be made"))?;
    let start = Instant::now();
    let deadline = start + Duration::from_secs_f64(args.seconds);
    let counts = std::thread::scope(|scope| {
        let signers: Vec<_> = (0..threads).map(|_| scope.spawn(|| sign_until(&pair, deadline))).collect();
        let ended = signers.into_iter().map(|signer| signer.join().map_err(|_| anyhow!("a signing thread is gone"))?);
        ended.collect::<anyhow::Result<Vec<u64>>>()
    })?;
    Ok(Measure::of(counts.iter().sum(), start.elapsed()))
}

fn sign_until(pair: &KeyPair, deadline: Instant) -> anyhow::Result<u64> {
    let random = SystemRandom::new();
    let mut signature = vec![0; pair.public_modulus_len()];
    let mut count = 0_u64;
    while Instant::now() < deadline {
        let challenge = format!("bench-{count:016x}");
        pair.sign(&RSA_PKCS1_SHA256, &random, challenge.as_bytes(), &mut signature)
            .map_err(|_| anyhow!("a challenge could not be signed"))?;
        count += 1;
    }
    Ok(count)
}
