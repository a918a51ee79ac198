//! The frame around every page: the menu, who is signed in, and what is said once.

use std::borrow::Borrow;

use keyledger_events::event::member::MemberRole;
use keyledger_events::{Position, TeamId, id};

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

    /// What makes a form one that is sent once, where a second time would make a second thing.
    pub(super) fn once(&self) -> String {
        id::fresh().to_string()
    }

    /// What was filled in in a form before it was refused; otherwise what is so now.
    pub(super) fn filled(&self, form: &str, name: &str, now: impl ToString) -> String {
        self.flash
            .as_ref()
            .filter(|_| self.refused(form))
            .and_then(|flash| flash.fields.iter().rev().find(|(known, _)| known == name))
            .map_or_else(|| now.to_string(), |(_, value)| value.clone())
    }

    /// Whether the form that is sent to `form`, a path below the page's own, was refused a moment ago. What folds it away
    /// stays open then.
    pub(super) fn refused(&self, form: &str) -> bool {
        let sent = self.flash.as_ref().filter(|flash| flash.failed).map(|flash| flash.form.as_str());
        sent.and_then(|sent| sent.strip_prefix(self.path.as_str())) == Some(form)
    }

    /// Whether a box, an option or one of several was chosen in a form before it was refused; otherwise whether it is so
    /// now. A box without a value of its own is sent as `on`.
    pub(super) fn chosen(&self, form: &str, name: &str, value: &str, now: impl Borrow<bool>) -> bool {
        match self.flash.as_ref().filter(|_| self.refused(form)) {
            Some(flash) => flash.fields.iter().any(|(known, given)| known == name && given == value),
            None => *now.borrow(),
        }
    }

    /// Says on this page itself what cannot be done.
    pub(super) fn tell(&mut self, text: &str) {
        self.flash = Some(Flash { failed: true, text: text.to_owned(), ..Flash::default() });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_in_a_refused_form_is_chosen_again_and_in_no_other_form() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = vec![pair("how", "date"), pair("type", "a"), pair("type", "b")];
        let flash = Flash { failed: true, fields, form: "/licenses/1/extend".to_owned(), ..Flash::default() };
        let mut shell = Shell::bare("Licence", Some(flash));
        shell.path = "/licenses/1".to_owned();
        assert!(shell.refused("/extend") && !shell.refused("/revoke") && !shell.refused(""));
        assert!(shell.chosen("/extend", "how", "date", false) && !shell.chosen("/extend", "how", "days", true));
        assert!(shell.chosen("/extend", "type", "a", false) && shell.chosen("/extend", "type", "b", false));
        assert!(!shell.chosen("/extend", "keys", "on", true), "its box was not ticked");
        assert!(shell.chosen("/revoke", "how", "days", true), "as it is now");
        assert_eq!(shell.filled("/extend", "how", "days"), "date");
        assert_eq!((shell.filled("/revoke", "how", "days"), shell.filled("", "how", "")), ("days".into(), "".into()));
        shell.flash = None;
        assert!(shell.chosen("/extend", "how", "days", true) && !shell.refused("/extend"));
    }
}
