//! Plans of one destination: one for a stream, or one for each partition of a partitioned stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::nodes::node_set::NodeSet;
use crate::engine::options::bus::Route;
use crate::engine::partitions::key_partition::partition_of;
use crate::engine::partitions::partition_name::PartitionSpread;
use crate::engine::producer::sending::send_plan::SendPlan;

/// The plans of a destination.
#[derive(Debug)]
pub enum SendPlans {
    /// The plan of a stream.
    Stream(Arc<SendPlan>),
    /// The plans of the partitions of a stream, in order.
    Partitions {
        /// The plans.
        plans: Vec<Arc<SendPlan>>,
        /// Number of the next job without a key.
        next: AtomicU32,
    },
}

impl SendPlans {
    /// Plans for `partitions` of a stream. Jobs without a key go round them, from the partition of `producer` on.
    pub fn partitions(
        node_set: &NodeSet,
        stream: &str,
        partitions: u32,
        groups: &[String],
        producer: &str,
    ) -> Self {
        let names = PartitionSpread::of(node_set).names(stream, partitions);
        let plan = |name: String| {
            let route = Route::Name(name.clone());
            Arc::new(SendPlan::new(node_set, &name, &route, groups))
        };
        Self::Partitions {
            plans: names.into_iter().map(plan).collect(),
            next: AtomicU32::new(partition_of(producer, partitions)),
        }
    }

    /// Chooses the plan of a job by its key.
    pub fn choose(&self, key: Option<&str>) -> Arc<SendPlan> {
        match self {
            Self::Stream(plan) => plan.clone(),
            Self::Partitions { plans, next } => {
                let count = plans.len() as u32;
                let at = match key {
                    Some(key) => partition_of(key, count),
                    None => next.fetch_add(1, Ordering::Relaxed) % count,
                };
                plans[at as usize].clone()
            }
        }
    }
}
