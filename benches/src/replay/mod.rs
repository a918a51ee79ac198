//! Replay: read every event in order, decode it and fold it into a map of streams.
//!
//! Both sides read the same file and decode by the same code. Ours reads pages through the ledger; the raw side steps
//! through one statement and borrows each row.

mod ours;
mod raw;

pub(crate) use raw::each_event;

use std::path::PathBuf;
use std::time::Instant;

use keyledger_events::{Event, Timestamp};

use crate::Side;
use crate::measure::Measure;

/// `replay`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which side.
    #[arg(long)]
    side: Side,
    /// A folder with a filled `ledger.db`.
    #[arg(long)]
    db: PathBuf,
}

/// Runs one side over the whole ledger.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let start = Instant::now();
    let count = match args.side {
        Side::Ours => ours::fold(&args.db).await?,
        Side::Raw => raw::fold(&args.db)?,
    };
    Measure::of(count, start.elapsed()).print()
}

/// What is kept of a stream.
#[derive(Default)]
struct Folded {
    events: u64,
    paid_until: Option<Timestamp>,
}

impl Folded {
    fn apply(&mut self, event: &Event) {
        self.events += 1;
        let terms = match event {
            Event::LicenseIssued(issued) => &issued.terms,
            Event::SubscriptionRenewed(renewed) => &renewed.terms,
            _ => return,
        };
        self.paid_until = terms.subscription.as_ref().and_then(|subscription| subscription.paid_until);
    }
}

/// The number of events folded; the folded times are looked at, so that no compiler may leave the work out.
fn total<'a>(streams: impl Iterator<Item = &'a Folded>) -> u64 {
    let (events, paid) = streams.fold((0, 0_u64), |(events, paid), folded| {
        (events + folded.events, paid + u64::from(folded.paid_until.is_some()))
    });
    std::hint::black_box(paid);
    events
}
