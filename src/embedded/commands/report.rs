//! Text of INFO.

use std::fmt::Write;

use super::connection::REDIS_VERSION;
use crate::embedded::core::Core;

type Section = fn(&Core, &mut String);

/// The sections by their names. The last ones come only when asked for.
const SECTIONS: &[(&str, &str, Section)] = &[
    ("server", "Server", server),
    ("clients", "Clients", clients),
    ("memory", "Memory", memory),
    ("persistence", "Persistence", persistence),
    ("stats", "Stats", stats),
    ("replication", "Replication", replication),
    ("cpu", "CPU", cpu),
    ("cluster", "Cluster", cluster),
    ("keyspace", "Keyspace", keyspace),
    ("commandstats", "Commandstats", command_stats),
];
/// Number of sections without a request.
const DEFAULT: usize = 9;

/// The sections that are wanted, or those that come by themselves.
pub fn write(core: &Core, wanted: &[String]) -> String {
    let has = |name: &str| wanted.iter().any(|one| one == name);
    let everything = has("all") || has("everything");
    let by_default = wanted.is_empty() || has("default");
    let mut text = String::new();
    for (at, (name, title, section)) in SECTIONS.iter().enumerate() {
        if everything || has(name) || by_default && at < DEFAULT {
            let gap = if text.is_empty() { "" } else { "\r\n" };
            let _ = write!(text, "{gap}# {title}\r\n");
            section(core, &mut text);
        }
    }
    text
}

/// Appends lines; writing to a string does not fail.
macro_rules! lines {
    ($text:expr, $($name:literal : $value:expr),+ $(,)?) => {
        $( let _ = write!($text, concat!($name, ":{}\r\n"), $value); )+
    };
}

fn server(core: &Core, text: &mut String) {
    let seconds = core.started.elapsed().as_secs();
    lines!(text,
        "redis_version": REDIS_VERSION,
        "redis_mode": "standalone",
        "server_name": "hfxbus-embedded",
        "hfxbus_embedded": env!("CARGO_PKG_VERSION"),
        "hfxbus_embedded_note": "in process, nothing on disk, not for production",
        "os": std::env::consts::OS,
        "arch_bits": usize::BITS,
        "process_id": std::process::id(),
        "run_id": core.run_id,
        "tcp_port": core.port,
        "server_time_usec": core.clock.wall(),
        "uptime_in_seconds": seconds,
        "uptime_in_days": seconds / 86_400,
    );
}

fn clients(core: &Core, text: &mut String) {
    let blocked = core.clients.values().filter(|client| client.blocked.is_some() || client.is_postponed);
    lines!(text,
        "connected_clients": core.clients.len(),
        "maxclients": 10_000,
        "blocked_clients": blocked.count(),
    );
}

fn memory(core: &Core, text: &mut String) {
    lines!(text,
        "used_memory": core.used_memory(),
        "used_memory_dataset": core.keyspace.used(),
        "maxmemory": core.max_memory,
        "maxmemory_policy": "noeviction",
        "mem_allocator": "none of its own",
    );
}

fn persistence(_: &Core, text: &mut String) {
    lines!(text,
        "loading": 0,
        "async_loading": 0,
        "rdb_changes_since_last_save": 0,
        "rdb_bgsave_in_progress": 0,
        "aof_enabled": 0,
    );
}

fn stats(core: &Core, text: &mut String) {
    lines!(text,
        "total_connections_received": core.connections,
        "total_commands_processed": core.commands,
        "expired_keys": core.keyspace.expired,
        "evicted_keys": 0,
        "pubsub_channels": core.channels.channel_count(),
        "pubsub_patterns": core.channels.pattern_count(),
    );
}

fn replication(core: &Core, text: &mut String) {
    lines!(text,
        "role": "master",
        "connected_slaves": 0,
        "master_replid": core.run_id,
        "master_repl_offset": 0,
    );
}

/// CPU time of the process, as far as the system reports it.
fn cpu(_: &Core, text: &mut String) {
    if cfg!(feature = "simulation") {
        // It would differ from run to run.
        return;
    }
    /// In which Linux counts.
    const TICKS_PER_SECOND: f64 = 100.0;
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    // The name may have anything in it, the rest are numbers.
    let Some((_, rest)) = stat.rsplit_once(')') else { return };
    let mut ticks = rest.split_whitespace().skip(11).map(|ticks| ticks.parse().unwrap_or(0.0));
    if let (Some(user), Some(system)) = (ticks.next(), ticks.next()) {
        let seconds = |ticks: f64| format!("{:.6}", ticks / TICKS_PER_SECOND);
        lines!(text, "used_cpu_sys": seconds(system), "used_cpu_user": seconds(user));
    }
}

fn cluster(_: &Core, text: &mut String) {
    lines!(text, "cluster_enabled": 0);
}

fn keyspace(core: &Core, text: &mut String) {
    let (keys, expiring) = (core.keyspace.len(), core.keyspace.expiring());
    if keys > 0 {
        let _ = write!(text, "db0:keys={keys},expires={expiring},avg_ttl=0\r\n");
    }
}

fn command_stats(core: &Core, text: &mut String) {
    for count in &core.counts {
        if count.calls + count.rejected == 0 {
            continue;
        }
        let _ = write!(
            text,
            "cmdstat_{}:calls={},usec=0,usec_per_call=0.00,rejected_calls={},failed_calls={}\r\n",
            count.name, count.calls, count.rejected, count.failed
        );
    }
}
