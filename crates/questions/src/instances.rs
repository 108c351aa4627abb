//! The objects of a class.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use stillheap_analysis::{NodeInfo, NodeOrdinal, NodeSort, Page};
use stillheap_graph::sums::sum;

use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks for the objects of a class.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct InstancesRequest {
    /// The class: its name, or its key as the summary's JSON gives it
    #[arg(value_name = "CLASS")]
    pub class: String,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: NodeOrder,
    /// Only objects whose name (a string's text) matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// Orders of nodes.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NodeOrder {
    /// Largest retained size first.
    #[default]
    Retained,
    /// Largest self size first.
    #[value(name = "self")]
    #[serde(rename = "self")]
    SelfSize,
    /// Nearest to a root first.
    Distance,
    /// By id: roughly the oldest first.
    Id,
}

impl NodeOrder {
    pub(super) fn sort(self) -> NodeSort {
        match self {
            NodeOrder::Retained => NodeSort::RetainedSize,
            NodeOrder::SelfSize => NodeSort::SelfSize,
            NodeOrder::Distance => NodeSort::Distance,
            NodeOrder::Id => NodeSort::Id,
        }
    }
}

/// The objects of a class.
#[derive(Serialize)]
pub struct Instances {
    /// What they have in common.
    pub class: ClassTotals,
    /// The rows.
    pub instances: Vec<NodeInfo>,
    /// Which rows.
    pub page: PageInfo,
}

/// A class as a whole.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassTotals {
    /// Its name.
    pub name: String,
    /// Its key; several if several classes have the name.
    pub keys: Vec<String>,
    /// Objects of non-zero size.
    pub count: u64,
    /// Sum of their self sizes.
    pub shallow_size: u64,
    /// What would be freed with all of them.
    pub retained_size: u64,
}

impl View<'_> {
    /// A class's members, or a failure that names classes which the user may have meant.
    pub(super) fn members(&self, class: &str) -> Result<Vec<NodeOrdinal>, Failure> {
        let analysis = self.analysis();
        analysis.class_members(class).map_err(|_| {
            let wanted = class.to_lowercase();
            let rows =
                analysis.classes(None).sorted(stillheap_analysis::ClassSort::RetainedSize, Page::ALL).items;
            let mut alike: Vec<&str> = rows
                .iter()
                .map(|row| row.name.as_str())
                .filter(|name| {
                    let name = name.to_lowercase();
                    name.contains(&wanted) || (name.len() > 3 && wanted.contains(&name))
                })
                .take(5)
                .collect();
            alike.dedup();
            let hint = match alike.as_slice() {
                [] => "; list the classes with 'stillheap summary'".to_owned(),
                names => format!("; did you mean {}?", names.join(", ")),
            };
            Failure::not_found(format!("there is no class {class:?} in {}{hint}", self.file))
        })
    }

    pub(super) fn class_totals(&self, class: &str, members: &[NodeOrdinal]) -> ClassTotals {
        let analysis = self.analysis();
        let mut seen = vec![false; analysis.class_count()];
        let mut keys = Vec::new();
        for &n in members {
            if !std::mem::replace(&mut seen[analysis.class_number(n) as usize], true) {
                keys.push(analysis.class_key(n));
            }
        }
        keys.dedup();
        ClassTotals {
            name: members.first().map_or_else(|| class.to_owned(), |&n| analysis.class_name(n)),
            keys,
            count: members.len() as u64,
            shallow_size: sum(members.iter().map(|&n| analysis.self_size(n))),
            retained_size: analysis.retained_size_of_all(members),
        }
    }

    /// The objects of a class.
    pub fn instances(&self, request: &InstancesRequest) -> Result<Instances, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let mut members = self.members(&request.class)?;
        let class = self.class_totals(&request.class, &members);
        members.retain(|&n| patterns.iter().all(|p| p.matches(&analysis.name(n))));
        analysis.sort_nodes(&mut members, request.sort.sort());
        let total = members.len();
        let (members, page) = request.window.cut(members, total);
        Ok(Instances { class, instances: members.into_iter().map(|n| analysis.node(n)).collect(), page })
    }
}
