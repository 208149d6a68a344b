//! The streams of the embedded server, compared with a model of a stream.

use hfxbus::embedded::offline::OfflineServer;
use hfxbus::redis_io::resp::{Reply, Value};
use hfxbus::redis_io::streams::entry::EntryId;
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;
use super::stream_model::{Claim, Fields, StreamModel};

const GROUPS: [&str; 2] = ["g", "h"];
const OWNERS: [&str; 2] = ["a", "b"];
/// No memory limit.
const UNLIMITED: usize = 0;

/// One command, or a step of the clock.
#[derive(Clone, Debug)]
enum Step {
    Add(EntryId, Fields),
    Delete(Vec<EntryId>),
    TrimToLength(usize),
    TrimToId(EntryId),
    ReadNew(&'static str, &'static str, usize, bool),
    ReadAgain(&'static str, &'static str, EntryId, usize),
    Acknowledge(&'static str, Vec<EntryId>),
    Claim(&'static str, &'static str, Claim, Vec<EntryId>),
    Autoclaim(&'static str, &'static str, Claim, EntryId, usize),
    Wait(u64),
}

fn id() -> impl Strategy<Value = EntryId> {
    (0..40_u64, 0..3_u64).prop_map(|(time, sequence)| EntryId { time, sequence })
}

fn claim() -> impl Strategy<Value = Claim> {
    (0..30_u64, any::<bool>(), any::<bool>()).prop_map(|(min_idle, force, just_id)| Claim {
        min_idle,
        force,
        just_id,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let group = || prop::sample::select(GROUPS.as_slice());
    let owner = || prop::sample::select(OWNERS.as_slice());
    let ids = || vec(id(), 1..4);
    let fields = vec(("[a-c]", "[x-z]{0,3}"), 1..3);
    prop_oneof![
        8 => (id(), fields).prop_map(|(id, fields)| Step::Add(id, fields)),
        2 => ids().prop_map(Step::Delete),
        1 => (0..6_usize).prop_map(Step::TrimToLength),
        1 => id().prop_map(Step::TrimToId),
        6 => (group(), owner(), 1..5_usize, prop::bool::weighted(0.1))
            .prop_map(|(group, owner, count, no_ack)| Step::ReadNew(group, owner, count, no_ack)),
        2 => (group(), owner(), id(), 1..5_usize)
            .prop_map(|(group, owner, after, count)| Step::ReadAgain(group, owner, after, count)),
        3 => (group(), ids()).prop_map(|(group, ids)| Step::Acknowledge(group, ids)),
        4 => (group(), owner(), claim(), ids())
            .prop_map(|(group, owner, claim, ids)| Step::Claim(group, owner, claim, ids)),
        4 => (group(), owner(), claim(), id(), 1..4_usize)
            .prop_map(|(group, owner, claim, from, count)| Step::Autoclaim(group, owner, claim, from, count)),
        2 => (1..25_u64).prop_map(Step::Wait),
    ]
}

/// A server and its model, to which each step is applied.
struct Pair {
    server: OfflineServer,
    client: u64,
    model: StreamModel,
}

impl Pair {
    fn new() -> Self {
        let mut server = OfflineServer::new(UNLIMITED);
        let client = server.connect();
        let mut pair = Self { server, client, model: StreamModel::default() };
        for group in GROUPS {
            pair.call(&["XGROUP", "CREATE", "s", group, "0", "MKSTREAM"], &[]);
            pair.model.create_group(group, EntryId::default());
        }
        pair
    }

    fn call(&mut self, words: &[&str], more: &[String]) -> Value {
        let words: Vec<&[u8]> =
            words.iter().map(|word| word.as_bytes()).chain(more.iter().map(|word| word.as_bytes())).collect();
        let reply = self.server.execute(self.client, &words);
        Value::from(Reply::new(&reply).expect("a reply"))
    }

    /// Returns the replies of the server and of the model.
    fn apply(&mut self, step: &Step) -> (Value, Value) {
        match step {
            Step::Wait(ms) => {
                self.server.advance(*ms);
                self.model.now += ms;
                (Value::Nil, Value::Nil)
            }
            Step::Add(id, fields) => {
                let words: Vec<String> =
                    fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
                let reply = self.call(&["XADD", "s", &id.to_string()], &words);
                (reply, self.model.add(*id, fields.clone()))
            }
            Step::Delete(ids) => (self.call(&["XDEL", "s"], &texts(ids)), self.model.delete(ids)),
            Step::TrimToLength(length) => {
                let reply = self.call(&["XTRIM", "s", "MAXLEN", &length.to_string()], &[]);
                (reply, self.model.trim_to_length(*length))
            }
            Step::TrimToId(id) => {
                (self.call(&["XTRIM", "s", "MINID", "=", &id.to_string()], &[]), self.model.trim_to_id(*id))
            }
            Step::Acknowledge(group, ids) => {
                (self.call(&["XACK", "s", group], &texts(ids)), self.model.acknowledge(group, ids))
            }
            _ => self.apply_to_group(step),
        }
    }

    fn apply_to_group(&mut self, step: &Step) -> (Value, Value) {
        match step {
            Step::ReadNew(group, owner, count, acknowledges) => {
                let words = ["XREADGROUP", "GROUP", group, owner, "COUNT", &count.to_string()];
                let no_ack = if *acknowledges { vec!["NOACK"] } else { vec![] };
                let words = [words.as_slice(), &no_ack, &["STREAMS", "s", ">"]].concat();
                (self.call(&words, &[]), self.model.read_new(group, owner, *count, *acknowledges))
            }
            Step::ReadAgain(group, owner, after, count) => {
                let (count_text, after_text) = (count.to_string(), after.to_string());
                let words =
                    ["XREADGROUP", "GROUP", group, owner, "COUNT", &count_text, "STREAMS", "s", &after_text];
                (self.call(&words, &[]), self.model.read_again(group, owner, *after, *count))
            }
            Step::Claim(group, owner, claim, ids) => {
                let mut more = texts(ids);
                more.extend(claim.force.then(|| "FORCE".to_owned()));
                more.extend(claim.just_id.then(|| "JUSTID".to_owned()));
                let reply = self.call(&["XCLAIM", "s", group, owner, &claim.min_idle.to_string()], &more);
                (reply, self.model.claim(group, owner, *claim, ids))
            }
            Step::Autoclaim(group, owner, claim, from, count) => {
                let claim = Claim { force: false, ..*claim };
                let more: Vec<String> = claim.just_id.then(|| "JUSTID".to_owned()).into_iter().collect();
                let (idle, from_text, count_text) =
                    (claim.min_idle.to_string(), from.to_string(), count.to_string());
                let words = ["XAUTOCLAIM", "s", group, owner, &idle, &from_text, "COUNT", &count_text];
                (self.call(&words, &more), self.model.autoclaim(group, owner, claim, *from, *count))
            }
            _ => unreachable!("no command of a group"),
        }
    }

    /// Returns what both have stored: entries and pending entries.
    fn stored(&mut self) -> [(Value, Value); 3] {
        let [one, other] = GROUPS.map(|group| {
            (self.call(&["XPENDING", "s", group, "-", "+", "1000"], &[]), self.model.pending(group))
        });
        [(self.call(&["XRANGE", "s", "-", "+"], &[]), self.model.range()), one, other]
    }
}

fn texts(ids: &[EntryId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn is_same(reply: &Value, wanted: &Value) -> bool {
    matches!((reply, wanted), (Value::Error(_), Value::Error(_))) || reply == wanted
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn the_streams_of_the_embedded_server_behave_as_their_model(steps in vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            let (reply, wanted) = pair.apply(step);
            prop_assert!(is_same(&reply, &wanted), "{step:?}: {reply:?} instead of {wanted:?}");
            for (reply, wanted) in pair.stored() {
                prop_assert_eq!(&reply, &wanted, "after {:?}", step);
            }
            pair.server.check();
        }
    }
}
