//! `/teams/{teamId}/`: how things stand, each number leading to its list, and what is left to set up.

use askama::Template;
use axum::extract::State;
use keyledger_events::{TeamId, Timestamp, clock};
use keyledger_projections::{Day, DayCounts, InboxFilter, LicenseCounts, LicenseFilter, Outcome, Standing, view};

use super::integrations::{Connection, connections};
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use crate::admin::products;
use crate::app::App;
use crate::http::Front;

/// Days of the charts.
const DAYS: u32 = 30;
/// Steps of the set-up guide: a product, and a provider; nobody needs both.
const STEPS: u32 = 2;
/// Licences that expire next.
const NEXT: u32 = 5;

#[derive(Template)]
#[template(path = "dashboard/overview.html")]
struct OverviewPage {
    shell: Shell,
    setup: Option<SetUp>,
    standings: Vec<(&'static str, &'static str, Option<u64>)>,
    charts: [Chart; 2],
    month: DayCounts,
    rejected: u64,
    expiring: Vec<super::licenses::Row>,
    views: (usize, i64, Option<String>),
    connections: Vec<Connection>,
}

/// What is left to do before licences are sold.
struct SetUp {
    product: bool,
    /// Steps that are done.
    done: u32,
}

/// Bars of days: at most three series, drawn as SVG.
struct Chart {
    title: &'static str,
    series: Vec<(&'static str, &'static str, u64)>,
    bars: Vec<Bar>,
    most: u64,
    first: String,
    last: String,
    days: Vec<(String, Vec<u64>)>,
}

struct Bar {
    x: u64,
    y: u64,
    height: u64,
    class: &'static str,
}

/// `GET /teams/{teamId}/`
pub(super) async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    app.catch_up(&[view::STATISTICS, view::LICENSES, view::INBOX]).await?;
    let connections = connections(app, &viewer).await?;
    let counts = front.dashboard.counts().of(app, team).await;
    let days = days(app, &viewer).await?;
    let now = app.clock.now();
    let soon = keyledger_projections::Page { before: None, limit: Some(NEXT) };
    let expiring =
        app.views.team(team).licenses_standing(&LicenseFilter::default(), Standing::Expiring, now, soon).await?;
    page(&OverviewPage {
        shell: viewer.shell("Overview", "").await?,
        setup: set_up(app, &viewer, &connections).await?,
        standings: standings(counts),
        charts: [
            chart(
                "Licences",
                &days,
                &[
                    ("issued", "one", |day| day.issued),
                    ("renewed", "two", |day| day.renewed),
                    ("ended or expired", "three", |day| day.ended + day.expired),
                ],
            ),
            chart(
                "Deliveries",
                &days,
                &[
                    ("applied", "one", |day| day.applied),
                    ("ignored", "two", |day| day.ignored),
                    ("rejections", "three", |day| day.rejected),
                ],
            ),
        ],
        month: total(&days),
        rejected: rejected(app, team, now).await?,
        expiring: super::licenses::rows(app, team, &expiring).await?,
        views: health(app),
        connections,
    })
}

/// Until both steps are done.
async fn set_up(app: &App, viewer: &Viewer, connections: &[Connection]) -> Result<Option<SetUp>, Problem> {
    let product = !products::list(app, viewer.team_id()).await?.is_empty();
    let works = |connection: &Connection| connection.active && connection.latest.is_some();
    let done = u32::from(product) + u32::from(connections.iter().any(works));
    Ok((done < STEPS).then_some(SetUp { product, done }))
}

fn standings(counts: Option<LicenseCounts>) -> Vec<(&'static str, &'static str, Option<u64>)> {
    type Count = fn(LicenseCounts) -> u64;
    let all: [(Standing, &str, Count); 6] = [
        (Standing::InForce, "in force", |counts| counts.in_force),
        (Standing::Expiring, "expiring", |counts| counts.expiring),
        (Standing::Upcoming, "upcoming", |counts| counts.upcoming),
        (Standing::Expired, "expired", |counts| counts.expired),
        (Standing::Suspended, "suspended", |counts| counts.suspended),
        (Standing::Revoked, "revoked", |counts| counts.revoked),
    ];
    all.into_iter().map(|(standing, word, of)| (standing.as_str(), word, counts.map(of))).collect()
}

/// Every day of the charts, those on which nothing happened too.
async fn days(app: &App, viewer: &Viewer) -> Result<Vec<(Day, DayCounts)>, Problem> {
    let today = Day::of(app.clock.now());
    let first = today.before(DAYS - 1);
    let known = app.views.team(viewer.team_id()).daily(first, today).await?;
    let of =
        |day: Day| known.iter().find(|(known, _)| *known == day).map_or_else(DayCounts::default, |(_, counts)| *counts);
    Ok((0..DAYS).rev().map(|ago| today.before(ago)).map(|day| (day, of(day))).collect())
}

/// Deliveries of these days that are rejected now: one that was mended since is not among them.
async fn rejected(app: &App, team: TeamId, now: Timestamp) -> Result<u64, Problem> {
    let days = i64::from(DAYS).saturating_mul(clock::DAY_US);
    let filter = InboxFilter {
        outcomes: vec![Outcome::Rejected],
        received_from: clock::from_microseconds(now.as_microsecond().saturating_sub(days)),
        ..InboxFilter::default()
    };
    Ok(app.views.team(team).count_inbox(&filter).await?)
}

fn total(days: &[(Day, DayCounts)]) -> DayCounts {
    let mut total = DayCounts::default();
    for (_, day) in days {
        total.issued += day.issued;
        total.received += day.received;
        total.mails_sent += day.mails_sent;
        total.mails_failed += day.mails_failed;
        total.mails_abandoned += day.mails_abandoned;
    }
    total
}

/// How many views there are, how far the slowest is behind, and what stands still.
fn health(app: &App) -> (usize, i64, Option<String>) {
    let status = app.runner.status();
    let status = status.borrow();
    (status.views.len(), status.lag_events(), status.fault().map(|(name, fault)| format!("{name}: {}", fault.message)))
}

/// What is drawn: its name, its class in the style sheet, and its number of a day.
type Series = (&'static str, &'static str, fn(&DayCounts) -> u64);

/// Height of a chart's bars, in units of the drawing.
const HEIGHT: u64 = 100;
/// Width of a day.
const DAY_WIDTH: u64 = 20;

fn chart(title: &'static str, days: &[(Day, DayCounts)], series: &[Series]) -> Chart {
    let values = |day: &DayCounts| series.iter().map(|(_, _, of)| of(day)).collect::<Vec<_>>();
    let stacked: Vec<Vec<u64>> = days.iter().map(|(_, day)| values(day)).collect();
    let most = stacked.iter().map(|day| day.iter().sum()).max().unwrap_or(0).max(1);
    let mut bars = Vec::new();
    for (index, day) in stacked.iter().enumerate() {
        let mut top = HEIGHT;
        for (value, (_, class, _)) in day.iter().zip(series) {
            // A day on which anything happened is to be seen, however small it is beside others.
            let height = if *value == 0 { 0 } else { (value * HEIGHT / most).max(1) };
            top = top.saturating_sub(height);
            if height > 0 {
                let x = u64::try_from(index).unwrap_or(0) * DAY_WIDTH + 2;
                bars.push(Bar { x, y: top, height, class });
            }
        }
    }
    let sum = |index: usize| stacked.iter().filter_map(|day| day.get(index)).sum();
    Chart {
        title,
        series: series.iter().enumerate().map(|(index, (name, class, _))| (*name, *class, sum(index))).collect(),
        bars,
        most,
        first: days.first().map(|(day, _)| day.to_string()).unwrap_or_default(),
        last: days.last().map(|(day, _)| day.to_string()).unwrap_or_default(),
        days: days.iter().zip(stacked).map(|((day, _), values)| (day.to_string(), values)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_stacked_and_never_higher_than_the_chart() {
        let day = |issued, renewed| DayCounts { issued, renewed, ..DayCounts::default() };
        let days: Vec<_> =
            [day(3, 1), day(0, 0), day(400, 0)].into_iter().map(|c| (Day::of(Default::default()), c)).collect();
        let chart = chart("x", &days, &[("issued", "one", |d| d.issued), ("renewed", "two", |d| d.renewed)]);
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height, bar.class)).collect();
        assert_eq!(bars, [(2, 99, 1, "one"), (2, 98, 1, "two"), (42, 0, 100, "one")]);
        assert_eq!((chart.most, chart.series[0].2, chart.series[1].2), (400, 403, 1));
    }
}
