//! Subscribers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hfxbus::redis_io::error::RedisErrorKind;
use hfxbus::redis_io::link::LinkState;
use hfxbus::redis_io::options::LinkOptions;
use hfxbus::redis_io::pubsub::subscriber::Subscriber;

use crate::support::{DEADLINE, Engine, Proxy, Pushes, Retries, Server, options, until};

struct Stage {
    server: Server,
    proxy: Proxy,
    engine: Engine,
    policy: Arc<Retries>,
    pushes: Arc<Pushes>,
    subscriber: Arc<Subscriber>,
}

fn stage(change: impl FnOnce(LinkOptions) -> LinkOptions) -> Stage {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let (proxy, pushes) = (Proxy::to(server.port), Arc::new(Pushes::default()));
    let options = change(options(proxy.port));
    let subscriber = Subscriber::new(options.into(), policy.clone(), pushes.clone(), engine.handle());
    Stage { server, proxy, engine, policy, pushes, subscriber }
}

impl Stage {
    fn subscribe(&self, channel: &str) {
        assert_eq!(self.engine.wait(self.subscriber.subscribe(vec![channel.into()])), Ok(()));
    }

    fn heard(&self) -> Vec<(Option<String>, String, String)> {
        self.pushes.messages.lock().unwrap().clone()
    }

    /// Returns the number of subscribers that the server counts.
    fn receivers(&self, channel: &str) -> String {
        self.server.command(&format!("PUBLISH {channel} m")).trim().to_owned()
    }

    fn resubscribed(&self) -> u32 {
        self.pushes.resubscribed.load(Ordering::SeqCst)
    }
}

#[test]
fn messages_arrive_by_channel_and_by_pattern() {
    let stage = stage(|options| options);
    stage.subscribe("a");
    assert_eq!(stage.engine.wait(stage.subscriber.psubscribe(vec![b"b*".to_vec()])), Ok(()));
    assert_eq!((stage.receivers("a"), stage.receivers("bee")), (":1".to_owned(), ":1".to_owned()));
    until("both messages", || stage.heard().len() == 2);
    let text = |text: &str| text.to_owned();
    assert_eq!(stage.heard(), [(None, text("a"), text("m")), (Some(text("b*")), text("bee"), text("m"))]);
    assert_eq!(stage.engine.wait(stage.subscriber.ping()), Ok(()));
    assert_eq!(stage.engine.wait(stage.subscriber.unsubscribe(vec![b"a".to_vec()])), Ok(()));
    assert_eq!(stage.receivers("a"), ":0");
    assert_eq!(stage.resubscribed(), 0);
}

#[test]
fn subscriptions_outlive_the_connection() {
    let stage = stage(|options| options);
    for channel in ["a", "b", "gone"] {
        stage.subscribe(channel);
    }
    assert_eq!(stage.engine.wait(stage.subscriber.unsubscribe(vec![b"gone".to_vec()])), Ok(()));
    for round in 1..=3 {
        stage.proxy.cut();
        until("subscribed again", || stage.resubscribed() == round);
        // Said only once it is so: nothing published from here on is missed.
        assert_eq!((stage.receivers("a"), stage.receivers("b")), (":1".to_owned(), ":1".to_owned()));
        assert_eq!(stage.receivers("gone"), ":0");
    }
    stage.subscriber.reset();
    until("subscribed again", || stage.resubscribed() == 4);
}

#[test]
fn a_subscription_with_a_dropped_caller_outlives_the_connection_too() {
    let stage = stage(|options| options);
    drop(stage.subscriber.subscribe(vec![b"a".to_vec()]));
    until("subscribed", || stage.receivers("a") == ":1");
    until("a message", || !stage.heard().is_empty());
    stage.proxy.cut();
    until("subscribed again", || stage.resubscribed() == 1);
    assert_eq!(stage.receivers("a"), ":1");
}

#[test]
fn without_resubscription_a_new_connection_receives_nothing() {
    let stage = stage(|options| LinkOptions { resubscribe: false, ..options });
    stage.subscribe("a");
    stage.proxy.cut();
    stage.policy.until(LinkState::Ready, 2);
    assert_eq!(stage.engine.wait(stage.subscriber.ping()), Ok(()));
    assert_eq!((stage.receivers("a"), stage.resubscribed()), (":0".to_owned(), 0));
}

#[test]
fn a_refused_subscription_fails_only_its_caller() {
    let stage = stage(|options| LinkOptions {
        username: Some("u".to_owned()),
        password: Some("p".to_owned()),
        lazy: true,
        ..options
    });
    stage.server.command("ACL SETUSER u on >p +@all resetchannels &mine*");
    let refused = stage.subscriber.subscribe(vec![b"yours".to_vec(), b"mine1".to_vec()]);
    let granted = stage.subscriber.subscribe(vec![b"mine2".to_vec()]);
    let error = stage.engine.wait(refused).unwrap_err();
    assert_eq!(
        (error.kind, error.reply_code(), error.command),
        (RedisErrorKind::Reply, Some("NOPERM"), Some("SUBSCRIBE"))
    );
    assert_eq!(stage.engine.wait(granted), Ok(()));
    stage.server.command("ACL SETUSER u resetchannels &mine1");
    // Redis itself ends a connection with a subscription that is not allowed any more.
    until("subscribed again", || stage.resubscribed() == 1);
    assert_eq!((stage.receivers("mine1"), stage.receivers("mine2")), (":1".to_owned(), ":0".to_owned()));
    let refused: Vec<_> = stage.pushes.refused.lock().unwrap().clone();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reply_code(), Some("NOPERM"));
    stage.server.command("ACL SETUSER u allchannels");
    stage.subscriber.subscribe_again();
    until("subscribed again", || stage.resubscribed() == 2);
    assert_eq!((stage.receivers("mine1"), stage.receivers("mine2")), (":1".to_owned(), ":1".to_owned()));
    assert_eq!(stage.pushes.refused.lock().unwrap().len(), 1);
}

#[test]
fn many_calls_at_once_are_each_answered() {
    let stage = stage(|options| options);
    let calls: Vec<_> = (0..200)
        .map(|number: u32| {
            let names = vec![format!("c{number}").into_bytes(), format!("d{number}").into_bytes()];
            match number % 2 {
                0 => stage.subscriber.subscribe(names),
                _ => stage.subscriber.psubscribe(names),
            }
        })
        .collect();
    for call in calls {
        assert_eq!(stage.engine.wait(call), Ok(()));
    }
    assert_eq!((stage.receivers("c0"), stage.receivers("d199")), (":1".to_owned(), ":1".to_owned()));
}

#[test]
fn a_refused_subscriber_reports_the_reason() {
    let stage = stage(|options| LinkOptions { lazy: true, ..options });
    stage.server.command("CONFIG SET requirepass sesame");
    let error = stage.engine.wait(stage.subscriber.ping()).unwrap_err();
    assert_eq!(error.reply_code(), Some("NOAUTH"));
    let error = stage.engine.wait(stage.subscriber.subscribe(vec![b"a".to_vec()])).unwrap_err();
    assert_eq!(error.reply_code(), Some("NOAUTH"));
}

#[test]
fn quitting_leaves_no_task() {
    let stage = stage(|options| options);
    stage.subscribe("a");
    stage.engine.wait(stage.subscriber.quit(DEADLINE));
    stage.engine.until_idle();
    assert_eq!(stage.subscriber.state(), LinkState::End);
    assert!(stage.policy.attempts().is_empty());
    let error = stage.engine.wait(stage.subscriber.subscribe(vec![b"a".to_vec()])).unwrap_err();
    assert_eq!(error.kind, RedisErrorKind::Closed);
}
