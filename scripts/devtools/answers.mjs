// What DevTools' engine says about a snapshot, in the form that the tests read (crates/testing/src/devtools.rs).

export const FILTERS = [
  'objectsRetainedByContexts',
  'objectsRetainedByDetachedDomNodes',
  'objectsRetainedByConsole',
  'duplicatedStrings',
  'objectsRetainedByEventHandlers',
  'sharedNativeContext',
  'noNativeContext',
];

/** Texts that are searched for: an edge's name, a class, part of the program's strings, nothing. */
const SEARCHES = ['Session', 'sess-', 'alpha bravo', 'onClose', 'there is no such text'];
const SAMPLES = 24;
const ROWS = 20;
const MOST_EDGES = 100;

function classes(snapshot, filter) {
  const rows = {};
  for (const [key, a] of Object.entries(snapshot.aggregatesWithFilter(filter))) {
    rows[key] = { name: a.name, count: a.count, distance: a.distance, shallow: a.self, retained: a.maxRet };
  }
  return rows;
}

function named(NodeFilter, name) {
  const filter = new NodeFilter();
  filter.filterName = name;
  return filter;
}

/** Classes, statistics, and every node's values: what can be asked of any graph, however odd. */
export function numbers(snapshot, NodeFilter, text) {
  const filters = {};
  for (const name of FILTERS) filters[name] = classes(snapshot, named(NodeFilter, name));
  const { nativeContexts, sharedSize, noAttributionSize } = snapshot.getNativeContextSizes();
  return {
    nodeCount: snapshot.nodeCount,
    totalSize: snapshot.totalSize,
    statistics: snapshot.getStatistics(),
    nativeContexts: {
      sharedSize,
      noAttributionSize,
      contexts: nativeContexts.map(({ nodeId, attributedSize }) => ({ nodeId, attributedSize })),
    },
    classes: classes(snapshot, new NodeFilter()),
    filters,
    nodes: nodes(snapshot, JSON.parse(text)),
  };
}

/**
 * A column for each value. A name is there only where it differs from the string in the file. The engine's own
 * strings don't tell: it renames detached nodes.
 */
function nodes(snapshot, file) {
  const { node_fields: fields } = file.snapshot.meta;
  const columns = {
    detachedness: [],
    selfSize: [],
    retainedSize: [],
    distance: [],
    dominator: [],
    class: [],
  };
  const classNames = new Map();
  const names = {};
  const node = snapshot.createNode(0);
  for (let ordinal = 0; ordinal < snapshot.nodeCount; ordinal++) {
    node.nodeIndex = ordinal * snapshot.nodeFieldCount;
    const name = node.className();
    if (!classNames.has(name)) classNames.set(name, classNames.size);
    columns.detachedness.push(node.detachedness());
    columns.selfSize.push(node.selfSize());
    columns.retainedSize.push(node.retainedSize());
    columns.distance.push(snapshot.nodeDistances[ordinal]);
    columns.dominator.push(node.dominatorIndex() / snapshot.nodeFieldCount);
    columns.class.push(classNames.get(name));
    const written = file.strings[file.nodes[ordinal * fields.length + fields.indexOf('name')]];
    if (node.name() !== written) names[ordinal] = node.name();
  }
  return { ...columns, classNames: [...classNames.keys()], names };
}

function duplicates(snapshot) {
  const groups = snapshot.getDuplicateStrings().filter((group) => group.count > 1);
  return {
    groups: groups.length,
    top: groups.slice(0, ROWS).map(({ value, count, totalSelfSize, totalRetainedSize }) => ({
      value,
      count,
      totalSelfSize,
      totalRetainedSize,
    })),
  };
}

function sorted(provider, ...comparator) {
  const [fieldName1, ascending1, fieldName2, ascending2] = comparator;
  provider.sortAndRewind({ fieldName1, ascending1, fieldName2, ascending2 });
  return provider.serializeItemsRange(0, MOST_EDGES).items;
}

/** Dominators, holders and children of nodes spread over the file, the largest of some classes among them. */
function samples(snapshot, NodeFilter) {
  const ordinals = new Set();
  const node = snapshot.createNode(0);
  const bySize = Object.values(snapshot.aggregatesWithFilter(new NodeFilter()));
  bySize.sort((a, b) => b.maxRet - a.maxRet);
  for (const { idxs } of bySize.slice(0, SAMPLES / 2)) {
    const size = (index) => {
      node.nodeIndex = index;
      return node.retainedSize();
    };
    const largest = [...idxs].reduce((best, index) => (size(index) > size(best) ? index : best));
    ordinals.add(largest / snapshot.nodeFieldCount);
  }
  for (let n = 1; n <= SAMPLES / 2; n++) {
    ordinals.add(Math.floor((snapshot.nodeCount * n) / (SAMPLES / 2 + 1)));
  }
  return [...ordinals].map((ordinal) => {
    const nodeIndex = ordinal * snapshot.nodeFieldCount;
    const one = snapshot.createNode(nodeIndex);
    const provider = snapshot.createRetainingEdgesProvider(nodeIndex);
    const children = snapshot.createEdgesProvider(nodeIndex);
    return {
      id: one.id(),
      name: one.name(),
      edgeCount: one.edgesCount(),
      retainerCount: one.retainersCount(),
      dominators: snapshot
        .getDominatorsOf(nodeIndex)
        .map((d) => [d.nodeId, d.nodeName, d.selfSize, d.retainedSize]),
      retainers: sorted(provider, 'distance', true, 'retainedSize', false).map((edge) => ({
        edge: edge.name,
        type: edge.type,
        from: edge.node.id,
        fromName: edge.node.name,
        distance: edge.node.distance,
      })),
      children: sorted(children, '!edgeName', true, 'retainedSize', false).map((edge) => ({
        edge: edge.name,
        type: edge.type,
        to: edge.node.id,
        toName: edge.node.name,
        retained: edge.node.retainedSize,
      })),
    };
  });
}

/** What is asked of a real snapshot besides its numbers. */
export function questions(snapshot, NodeFilter) {
  const search = {};
  for (const query of SEARCHES) {
    const found = snapshot.search({ query, caseSensitive: false, isRegex: false }, new NodeFilter());
    search[query] = { count: found.length, first: found.slice(0, ROWS) };
  }
  const most = snapshot.updateStaticData().maxJSObjectId;
  const [min, max] = [Math.floor(most / 2), most];
  const range = Object.values(classes(snapshot, new NodeFilter(min, max)));
  const sum = (field) => range.reduce((total, row) => total + row[field], 0);
  return {
    duplicates: duplicates(snapshot),
    samples: samples(snapshot, NodeFilter),
    search,
    idRange: { min, max, classes: range.length, count: sum('count'), shallow: sum('shallow') },
  };
}

/** The comparison of two snapshots of one process, class by class. */
export function difference(base, snapshot) {
  const rows = snapshot.calculateSnapshotDiff(1, base.aggregatesForDiff(snapshot.interfaceDefinitions()));
  const node = snapshot.createNode(0);
  const classes = {};
  for (const [key, d] of Object.entries(rows)) {
    const added = d.addedIndexes.slice(0, 5).map((index) => {
      node.nodeIndex = index;
      return node.id();
    });
    classes[key] = {
      name: d.name,
      addedCount: d.addedCount,
      removedCount: d.removedCount,
      countDelta: d.countDelta,
      addedSize: d.addedSize,
      removedSize: d.removedSize,
      sizeDelta: d.sizeDelta,
      addedIds: added,
      removedIds: d.deletedIndexes.slice(0, 5).map((index) => base.createNode(index).id()),
    };
  }
  return classes;
}
