//! The frame around every page: the menu, who is signed in, and what is said once.

use keyledger_events::event::member::MemberRole;
use keyledger_events::{Position, TeamId};

use super::assets;
use super::fields::Fields;
use super::session::Flash;
use super::viewer::Viewer;

/// The menu: what is shown, and where it leads.
const MENU: [(&str, &str); 15] = [
    ("Overview", ""),
    ("Licences", "licenses"),
    ("Customers", "customers"),
    ("Products", "products"),
    ("Integrations", "integrations"),
    ("Inbox", "inbox"),
    ("Mails", "mails"),
    ("Requests", "requests"),
    ("Blacklist", "blacklist"),
    ("API keys", "api-keys"),
    ("Webhooks", "webhooks"),
    ("Audit", "audit"),
    ("Projections", "projections"),
    ("Settings", "settings"),
    ("Members", "members"),
];

/// The frame around a page.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    /// What the page is called.
    pub(super) title: String,
    /// The folder of style sheet and scripts.
    pub(super) assets: String,
    /// The team, for its members.
    pub(super) team: Option<TeamFrame>,
    /// What every form must carry.
    pub(super) csrf: String,
    /// What is said once.
    pub(super) flash: Option<Flash>,
    /// The page's path.
    pub(super) path: String,
    /// How far the views were before the page was made.
    pub(super) seen: Position,
    /// The page's query.
    query: Fields,
}

/// The menu of a team.
#[derive(Debug, Clone)]
pub(super) struct TeamFrame {
    /// The team.
    pub(super) id: TeamId,
    /// Its name.
    pub(super) name: String,
    /// Whether there are other teams to go to.
    pub(super) others: bool,
    /// What the member may do.
    pub(super) role: MemberRole,
    /// What is shown, where it leads, and whether it is this page's place.
    pub(super) menu: Vec<(&'static str, String, bool)>,
}

impl Shell {
    /// Of a page for everybody.
    pub(super) fn bare(title: &str, flash: Option<Flash>) -> Self {
        Self {
            title: title.to_owned(),
            assets: assets::folder(),
            team: None,
            csrf: String::new(),
            flash,
            path: String::new(),
            seen: Position::START,
            query: Fields::default(),
        }
    }

    /// Of a page of a team.
    pub(super) fn of_team(viewer: &Viewer, title: String, section: &'static str, flash: Option<Flash>) -> Self {
        let menu = MENU.map(|(name, page)| (name, viewer.at(page), page == section));
        Self {
            title,
            assets: assets::folder(),
            team: Some(TeamFrame {
                id: viewer.team.id,
                name: viewer.team.name.clone(),
                others: viewer.signed_in.memberships.len() > 1,
                role: viewer.member.role,
                menu: menu.into(),
            }),
            csrf: viewer.signed_in.csrf.clone(),
            flash,
            path: viewer.path.clone(),
            seen: viewer.seen,
            query: viewer.query.clone(),
        }
    }

    /// The page's path and query, which a live page asks for again.
    pub(super) fn address(&self) -> String {
        super::paging::address(&self.path, &self.query, &[])
    }

    /// The path of another page of the team.
    pub(super) fn at(&self, page: &str) -> String {
        self.team.as_ref().map_or_else(|| format!("/{page}"), |team| format!("/teams/{}/{page}", team.id))
    }

    /// The team's id, for addresses to copy.
    pub(super) fn team_id(&self) -> String {
        self.team.as_ref().map(|team| team.id.to_string()).unwrap_or_default()
    }

    /// What was filled in before it could not be used; otherwise what is so now.
    pub(super) fn filled(&self, name: &str, now: impl ToString) -> String {
        self.flash
            .as_ref()
            .and_then(|flash| flash.fields.iter().rev().find(|(known, _)| known == name))
            .map_or_else(|| now.to_string(), |(_, value)| value.clone())
    }

    /// Whether the member may do what owners, admins and support may.
    pub(super) fn may_support(&self) -> bool {
        self.role_is(super::change::SUPPORTERS)
    }

    /// Whether the member may do what owners and admins may.
    pub(super) fn may_administer(&self) -> bool {
        self.role_is(super::change::ADMINISTRATORS)
    }

    /// Whether the member is an owner.
    pub(super) fn may_own(&self) -> bool {
        self.role_is(super::change::OWNERS)
    }

    fn role_is(&self, roles: &[MemberRole]) -> bool {
        self.team.as_ref().is_some_and(|team| roles.contains(&team.role))
    }
}
