//! State of a consumer group, as a server reports it.

/// State of a group in XINFO GROUPS.
#[derive(Debug, Default)]
pub struct GroupState {
    pub name: String,
    pub pending: u64,
    pub delivered: Option<(u64, u64)>,
    /// True if entries were not delivered. Redis counts trimmed ones in its lag.
    pub is_behind: bool,
}

/// Reads a reply of XINFO GROUPS.
pub fn parse_groups(reply: &str) -> Vec<GroupState> {
    let lines: Vec<&str> = reply.lines().collect();
    let mut groups: Vec<GroupState> = Vec::new();
    let number = |line: Option<&&str>| {
        line.and_then(|line| line.strip_prefix(':')).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    for (at, line) in lines.iter().enumerate() {
        match *line {
            "name" => groups.push(GroupState {
                name: lines.get(at + 2).map_or_else(String::new, |name| (*name).to_owned()),
                ..GroupState::default()
            }),
            "pending" => groups
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|group| group.pending = number(lines.get(at + 1))),
            "last-delivered-id" => {
                if let Some(group) = groups.last_mut() {
                    group.delivered = lines.get(at + 2).and_then(|id| parse_entry_id(id));
                }
            }
            _ => {}
        }
    }
    groups
}

/// Reads the id of an entry.
pub fn parse_entry_id(line: &str) -> Option<(u64, u64)> {
    let (time, sequence) = line.split_once('-')?;
    Some((time.parse().ok()?, sequence.parse().ok()?))
}

/// Returns true for the id of an entry of a run.
pub fn is_entry_id(line: &str) -> bool {
    parse_entry_id(line).is_some_and(|(time, _)| time > 1_000_000_000_000)
}
