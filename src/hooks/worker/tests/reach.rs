//! Whom a hook may reach, and what of an answer is kept.

use keyledger_projections::HookState;

use super::receiver::Receiver;
use super::{endpoint, hook, hooker, hooker_within, hooks, issue, round};
use crate::admin::webhooks;
use crate::test_support::{Home, TestResult, stories};

stories!(nothing_is_posted_into_private_networks_unless_allowed, redirects_are_not_followed_and_answers_kept_short,);

/// The receiver listens on this machine, and must hear nothing under whatever name it is asked for.
async fn nothing_is_posted_into_private_networks_unless_allowed(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let port = receiver.port();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
    ];
    let mut ids = Vec::new();
    for host in hosts {
        ids.push(endpoint(&home, &format!("http://{host}:{port}/"), &[]).await?.0);
    }
    issue(&home).await?;
    round(&hooker_within(&home.app, "")?).await?;
    for (id, host) in ids.iter().zip(hosts) {
        let refused = hook(&home, *id).await?;
        let reason = refused.reason.unwrap_or_default();
        assert_eq!((refused.state, refused.status), (HookState::Failed, None), "{host}: {reason}");
        assert!(reason.contains("KEYLEDGER_HOOKS_ALLOW_PRIVATE"), "{host}: {reason}");
        assert!(!reason.contains(&format!(":{port}")), "{host}: {reason}");
    }
    assert!(receiver.got().is_empty(), "{:?}", receiver.got());

    // Allowed by network (the last one's packets have no way from here): a name is judged by the address that is connected to.
    home.clock.advance_seconds(60);
    round(&hooker_within(&home.app, "127.0.0.0/8")?).await?;
    let mut delivered = Vec::new();
    for (id, host) in ids.iter().zip(hosts) {
        if hook(&home, *id).await?.state == HookState::Delivered {
            delivered.push(host);
        }
    }
    assert_eq!(delivered, ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "[::ffff:127.0.0.1]"]);
    Ok(())
}

async fn redirects_are_not_followed_and_answers_kept_short(home: Home) -> TestResult {
    let (receiver, elsewhere) = (Receiver::start().await?, Receiver::start().await?);
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    receiver.answer(302, &elsewhere.url())?;
    issue(&home).await?;
    let hooker = hooker(&home.app)?;
    round(&hooker).await?;
    let redirected = hook(&home, id).await?;
    assert_eq!((redirected.state, redirected.status), (HookState::Failed, Some(302)));
    assert!(redirected.reason.unwrap_or_default().contains("redirects are not followed"));
    assert!(elsewhere.got().is_empty());

    receiver.answer(400, &"long ".repeat(100_000))?;
    issue(&home).await?;
    round(&hooker).await?;
    let long = hooks(&home, id).await?.pop().ok_or("no hook")?;
    let shown = webhooks::describe_hook(&home.app, &long).await?;
    assert_eq!(shown.response.map(|text| text.len()), Some(1_024));
    Ok(())
}
