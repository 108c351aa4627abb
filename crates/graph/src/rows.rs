//! A batch of nodes in columns, as a reader fills it and a graph takes it.

/// Rows of nodes, one value per node in each column.
#[derive(Default)]
pub struct NodeRows {
    pub ty: Vec<u8>,
    pub name: Vec<u32>,
    pub id: Vec<u32>,
    pub size: Vec<u32>,
    /// Edges of each node.
    pub edges: Vec<u32>,
    pub trace: Vec<u32>,
    pub detached: Vec<u8>,
    /// Row within the batch and value, where 32 bits do not suffice.
    pub large_ids: Vec<(u32, u64)>,
    pub large_sizes: Vec<(u32, u64)>,
    /// Whether a value in `trace` is not 0.
    pub any_trace: bool,
    /// Whether a value in `detached` is not 0.
    pub any_detached: bool,
}

impl NodeRows {
    pub fn clear(&mut self) {
        self.ty.clear();
        self.name.clear();
        self.id.clear();
        self.size.clear();
        self.edges.clear();
        self.trace.clear();
        self.detached.clear();
        self.large_ids.clear();
        self.large_sizes.clear();
        self.any_trace = false;
        self.any_detached = false;
    }
}
