// Types of lib/snapshot.js. Sizes are in bytes, ids are what follows the @, lines and columns count from 1
// unless said otherwise. docs/json-schema.md describes the same answers as the command line's JSON.

/** Whose numbers: Chrome DevTools', or what the garbage collector sees. */
export type Model = 'devtools' | 'gc';

export interface OpenOptions {
  /** Default: `'devtools'`. */
  model?: Model;
  /**
   * Use the index file beside the snapshot (`STILLHEAP_INDEX_DIR` puts it elsewhere), and write it with the first
   * answer if it isn't there: large files then open at once. Default: false, so that nothing is written unasked.
   */
  index?: boolean;
  /** Called while reading, about once per megabyte. */
  onProgress?: (progress: OpenProgress) => void;
  /** When aborted, `open` rejects with its reason at once, and the reading stops. */
  signal?: AbortSignal;
}

export interface OpenProgress {
  /** Bytes read so far, unpacked. */
  bytes: number;
  /** Size of the file on the disk (packed, if it is); absent if it cannot be known. */
  totalBytes?: number;
}

/** Which part of a list. */
export interface ListOptions {
  /** Rows to give; 0 gives all. Default: 25. */
  limit?: number;
  /** Rows to leave out at the start. */
  offset?: number;
  /** Text to contain, `gl*b` for the whole name, or `/regular expression/`; of several, all must match. */
  filter?: string | string[];
}

/** How far a tree goes. */
export interface TreeOptions extends ListOptions {
  /** Levels, 1 to 100. Default: 1. */
  depth?: number;
  /** Rows under each row; 0 gives all. Default: 5. */
  branch?: number;
}

export interface Page {
  offset: number;
  limit: number;
  /** Rows of the whole list. */
  total: number;
}

/** What every answer carries. */
export interface Report {
  schemaVersion: number;
  model: Model;
  file: string;
  /** There only if the file was truncated. */
  salvage?: Salvage;
}

/** What a truncated file lacks. */
export interface Salvage {
  /** Where the (unpacked) file ends. */
  position: number;
  section: string;
  nodesExpected: number | null;
  nodesRead: number;
  edgesExpected: number;
  edgesRead: number;
  /** Names whose text is lost. */
  stringsMissing: number;
}

/** A node as a row of a list. */
export interface NodeInfo {
  id: number;
  /** Position in the file. */
  ordinal: number;
  name: string;
  /** V8's node type: `'object'`, `'closure'`, `'string'` … */
  nodeType: string;
  className: string;
  /** 0 unknown, 1 attached, 2 detached. */
  detachedness: 0 | 1 | 2;
  selfSize: number;
  retainedSize: number;
  /** Steps from a root; from 100000000 on: only the system reaches it; negative: nothing does. */
  distance: number;
}

/** An edge and the node at its other end. */
export interface EdgeInfo {
  /** Position in the file. */
  edge: number;
  name: string;
  /** V8's edge type: `'property'`, `'element'`, `'context'` … */
  edgeType: string;
  /** Name of the block-scoped variable that it is, for which V8 (and DevTools) has only a number. */
  variable?: string;
  node: NodeInfo;
}

export interface SourcePosition {
  /** Absent where the snapshot has no name for the script. */
  script?: string;
  scriptId: number;
  line: number;
  column: number;
}

export interface StackFrame {
  name: string;
  position: SourcePosition | null;
}

export interface Totals {
  nodes: number;
  edges: number;
  totalSize: number;
}

export interface Statistics {
  total: number;
  native: { total: number; typedArrays: number };
  v8heap: { total: number; code: number; jsArrays: number; strings: number; system: number };
}

export interface ClassRow {
  /** `scriptId,line,column,Name`, or `,Name`. */
  key: string;
  name: string;
  count: number;
  distance: number;
  shallowSize: number;
  retainedSize: number;
  /** Line and column count from 0 here, as in the key. */
  location?: { scriptId: number; line: number; column: number };
}

export interface Summary extends Report {
  totals: Totals;
  statistics: Statistics;
  /** Classes in the snapshot, whatever the filter for names says. */
  classTotal: number;
  classes: ClassRow[];
  page: Page;
}

export interface ClassTotals {
  name: string;
  keys: string[];
  count: number;
  shallowSize: number;
  retainedSize: number;
}

export interface Instances extends Report {
  class: ClassTotals;
  instances: NodeInfo[];
  page: Page;
}

export interface NodeDetail extends NodeInfo {
  classKey: string;
  /** Id of the immediate dominator. */
  dominator: number;
  edgeCount: number;
  retainerCount: number;
  location?: SourcePosition;
  string?: { text: string; truncated: boolean; length?: number };
  /** A number's value, where the snapshot has numeric values. */
  value?: string;
  function?: { name: string; position: SourcePosition | null; context: NodeInfo | null };
  elements?: number;
  traceNode?: number;
}

export interface Inspection extends Report {
  node: NodeDetail;
  /** A function's context. */
  variables?: EdgeInfo[];
  /** Innermost function first. */
  allocationStack?: StackFrame[];
  fields: EdgeInfo[];
  page: Page;
}

export interface Holder extends EdgeInfo {
  /** The holder stands further down already: a cycle. */
  repeated?: true;
  retainers?: Holder[];
  /** How many more retainers there are. */
  more?: number;
}

export interface RootPath {
  node: NodeInfo;
  /** From the node to a root: each edge with its holder. */
  steps: EdgeInfo[];
  userRoot: boolean;
}

export interface NodePaths extends Report {
  node: NodeInfo;
  paths: RootPath[];
}

export interface NodeRetainers extends NodePaths {
  retainers: Holder[];
  page: Page;
}

export interface MergedHolder {
  classKey: string;
  className: string;
  /** Indices show as `[]`. */
  edge: string;
  edgeType: string;
  objects: number;
  holders: number;
  edges: number;
  distance: number;
  example: NodeInfo;
  retainers?: MergedHolder[];
  more?: number;
}

export interface MergedStep {
  edge: string;
  edgeType: string;
  className: string;
  classKey: string;
  /** If the holder is a function; empty for an anonymous one. */
  functionName?: string;
  /** The step belongs to a stretch that repeats itself. */
  repeats?: true;
}

export interface MergedPath {
  count: number;
  endsAt: 'userRoot' | 'systemRoot' | 'sameClass' | 'cut' | 'unreachable';
  steps: MergedStep[];
  example: NodeInfo;
}

export interface ClassPaths extends Report {
  class: ClassTotals;
  paths: MergedPath[];
  pathsTotal: number;
  /** Of how many objects the paths were followed. */
  examined: number;
}

export interface ClassRetainers extends ClassPaths {
  retainers: MergedHolder[];
  page: Page;
}

export interface Dominated {
  node: NodeInfo;
  dominated?: Dominated[];
  more?: number;
}

export interface Dominators extends Report {
  node: NodeInfo;
  /** From the immediate dominator up, at most 100. */
  chain: NodeInfo[];
  chainLength: number;
  dominated: Dominated[];
  page: Page;
}

export interface Contained extends EdgeInfo {
  repeated?: true;
  edges?: Contained[];
  more?: number;
}

export interface Containment extends Report {
  node: NodeInfo;
  edges: Contained[];
  page: Page;
}

export interface DuplicateString {
  value: string;
  count: number;
  totalSelfSize: number;
  totalRetainedSize: number;
  wastedSize: number;
  /** V8 cut the text. */
  truncated: boolean;
  /** The first few. */
  ids: number[];
}

export interface DuplicateStrings extends Report {
  duplicates: DuplicateString[];
  wastedSize: number;
  page: Page;
}

export interface Strings extends Report {
  strings: NodeInfo[];
  page: Page;
}

export interface ClosureRow {
  name: string;
  position: SourcePosition | null;
  count: number;
  contexts: number;
  retainedSize: number;
  variables: { name: string; objects: number; retainedSize: number; example: NodeInfo }[];
  sharedWith: { name: string; position: SourcePosition | null; contexts: number }[];
  example: NodeInfo;
}

export interface Closures extends Report {
  closures: ClosureRow[];
  /** Functions of Node.js itself and native ones, which are left out unless `all` is given. */
  hidden: number;
  page: Page;
}

export interface Timeline extends Report {
  samples: { timestampUs: number; lastAssignedId: number; liveSize: number; liveCount: number }[];
  sites: {
    row: number;
    /** Innermost function first. */
    stack: StackFrame[];
    count: number;
    size: number;
    liveCount: number;
    liveSize: number;
  }[];
  page: Page;
}

export interface QueryAnswer extends Report {
  expression: string;
  count: number;
  selfSize: number;
  retainedSize: number;
  nodes: NodeInfo[];
  page: Page;
}

export interface DiffRow {
  key: string;
  name: string;
  addedCount: number;
  removedCount: number;
  countDelta: number;
  addedSize: number;
  removedSize: number;
  sizeDelta: number;
  oldCount: number;
  newCount: number;
  oldSize: number;
  newSize: number;
}

export interface Diff {
  schemaVersion: number;
  model: Model;
  files: string[];
  matchedBy: 'id' | 'class';
  reason: string;
  totals: {
    classes: number;
    addedCount: number;
    removedCount: number;
    addedSize: number;
    removedSize: number;
  };
  classes: DiffRow[];
  page: Page;
  /** Objects in both that grew; only where ids match. */
  grown?: {
    node: NodeInfo;
    oldSelfSize: number;
    oldRetainedSize: number;
    selfSizeDelta: number;
    retainedSizeDelta: number;
    oldElements?: number;
    elements?: number;
  }[];
  /** With three snapshots or more. */
  series?: {
    key: string;
    name: string;
    counts: number[];
    sizes: number[];
    countGrowsAlways: boolean;
    sizeGrowsAlways: boolean;
    countDelta: number;
    sizeDelta: number;
  }[];
  conditions?: {
    condition: string;
    failed: boolean;
    classes: { key: string; name: string; value: number }[];
  }[];
  /** What the files say against being compared like this: their order, several processes. */
  notes?: string[];
  salvaged?: (Salvage & { file: string })[];
}

/** A node's id: a number, or with an @ before it. */
export type NodeId = number | `@${number}`;

/** An opened snapshot. Every question is answered off the JavaScript thread. */
export class Snapshot {
  private constructor();
  readonly file: string;
  readonly model: Model;
  readonly nodeCount: number;
  readonly edgeCount: number;
  /** What a truncated file lacks. */
  readonly salvage: Salvage | undefined;
  /** What stillheap noted when it took the snapshot. */
  readonly capture: Record<string, unknown> | undefined;
  readonly disposed: boolean;

  summary(
    options?: ListOptions & { sort?: 'retained' | 'shallow' | 'count' | 'distance' | 'name' },
  ): Promise<Summary>;
  statistics(): Promise<Report & { totals: Totals; statistics: Statistics }>;
  /** @param className Name, or key if several classes have the name. */
  instances(
    className: string,
    options?: ListOptions & { sort?: 'retained' | 'self' | 'distance' | 'id' },
  ): Promise<Instances>;
  inspect(
    id: NodeId,
    options?: ListOptions & { sort?: 'retained' | 'name' | 'file'; textLimit?: number },
  ): Promise<Inspection>;
  retainers(id: NodeId, options?: RetainersOptions): Promise<NodeRetainers>;
  retainers(className: string, options?: RetainersOptions): Promise<ClassRetainers>;
  /** Ways to a root, shortest first; of a class, the ways that most objects have in common. */
  paths(id: NodeId, options?: { count?: number }): Promise<NodePaths>;
  paths(className: string, options?: { count?: number }): Promise<ClassPaths>;
  /** @param id Default: the root. */
  dominators(
    id?: NodeId | null,
    options?: TreeOptions & { sort?: 'retained' | 'self' | 'id' },
  ): Promise<Dominators>;
  /** @param id Default: the root. */
  containment(
    id?: NodeId | null,
    options?: TreeOptions & { sort?: 'retained' | 'name' | 'file' },
  ): Promise<Containment>;
  duplicateStrings(
    options?: ListOptions & { sort?: 'wasted' | 'retained' | 'count' },
  ): Promise<DuplicateStrings>;
  /** The largest strings. */
  strings(options?: ListOptions & { sort?: 'retained' }): Promise<Strings>;
  closures(
    options?: ListOptions & { sort?: 'retained' | 'count' | 'contexts' | 'name'; all?: boolean },
  ): Promise<Closures>;
  timeline(
    options?: ListOptions & { sort?: 'live-size' | 'live-count' | 'size' | 'count' },
  ): Promise<Timeline>;
  /** @param expression See docs/query.md. */
  query(
    expression: string,
    options?: ListOptions & { sort?: 'retained' | 'self' | 'distance' | 'id'; all?: boolean },
  ): Promise<QueryAnswer>;
  /** What changed from this snapshot to a newer one, or over several, oldest first. */
  compare(
    newer: Snapshot | Snapshot[],
    options?: ListOptions & {
      sort?: 'size' | 'count' | 'added' | 'name';
      match?: 'auto' | 'id' | 'class';
      failOn?: string | string[];
    },
  ): Promise<Diff>;
  /** What leaks, as this snapshot and newer ones, oldest first, tell; this one alone tells what stands out. */
  leaks(newer?: Snapshot | Snapshot[], options?: LeaksOptions): Promise<LeaksAnswer>;
  /** Lets go of the memory as soon as the questions under way have ended. */
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface RetainersOptions extends TreeOptions {
  sort?: 'best' | 'distance' | 'retained';
  /** Paths to a root. Default: 3. */
  paths?: number;
}

/** What leaks, as snapshot files of one process, oldest first, tell. */
export function leaks(
  files: string | Buffer | URL | (string | Buffer | URL)[],
  options?: LeaksOptions & OpenOptions,
): Promise<LeaksAnswer>;

export interface LeaksOptions {
  /** Suspects to give. Default: 5. */
  limit?: number;
  /** Growth from file to file from which something is suspected, in bytes. Default: 6 kB or 0.3 % of the heap. */
  leastGrowth?: number;
  /** Compare the files as one process's in the order given, oldest first, whatever they say of themselves. */
  asGiven?: boolean;
  /** A directory in which source maps and sources are looked for, too. */
  sourceMaps?: string | URL;
}

/** What leaks; docs/leaks.md says what each kind of cause means. */
export interface LeaksAnswer extends ProcessLeaks {
  schemaVersion: number;
  model: Model;
  /** What was done to the files given: put in order, left out, taken apart by process. */
  notes?: string[];
  /** Where the files are of several processes: the others, each judged by itself. */
  others?: ProcessLeaks[];
  salvaged?: (Salvage & { file: string })[];
}

/** What leaks in one process. */
export interface ProcessLeaks {
  /** The files, oldest first. */
  files: string[];
  /** How their order is known. */
  orderedBy: 'one' | 'given' | 'time' | 'name' | 'ids' | 'modified';
  /** Whose they are, where the files say it: `process 12, thread 3`. */
  process?: string;
  /** The answer in one sentence. */
  verdict: string;
  heap: {
    /** Bytes of all objects in each snapshot. */
    sizes: number[];
    growthPerStep: number;
    /** Resident bytes of the process at each capture, where every file has them. */
    residentSizes?: number[];
    /** Bytes that malloc had given out at each capture, where every file has them. */
    allocatedSizes?: number[];
    /**
     * Of those, bytes that neither Buffers nor V8 have, where every file has them; less the most that V8's map of
     * object ids may take where they are kept.
     */
    outsideSizes?: number[];
  };
  /** Largest growth first; empty if nothing grows steadily. */
  suspects: LeakSuspect[];
}

export interface LeakSuspect {
  /** The class that tells most; null where the growth is outside the heap. */
  className: string | null;
  /** Its objects in each snapshot. */
  counts: number[];
  /** Bytes of everything that belongs to the leak, in each snapshot. */
  retainedSizes: number[];
  growthPerStep: number;
  /** 0 to 1. */
  shareOfGrowth: number;
  classes: { className: string; counts: number[]; sizes: number[] }[];
  /** One way from a root, the root first. */
  path: LeakStep[];
  cause: {
    kind: LeakCause;
    function: string | null;
    variable: string | null;
    /** The line to look at: where it is filled, else declared, else its function. */
    location: LeakLocation | null;
    detail: string;
    related: { what: string; location: LeakLocation }[];
  };
  explanation: string;
  advice: string;
  /** Of one snapshot, which can't show growth: why it is given. */
  standsOut?: 'large' | 'unbounded-looking' | 'dead';
  /** Of one snapshot: how much it is to be believed. */
  confidence?: 'low' | 'medium' | 'high';
}

export type LeakCause =
  | 'shared-context'
  | 'chain'
  | 'collection'
  | 'module-cache'
  | 'weak-map'
  | 'listeners'
  | 'timer'
  | 'promise'
  | 'async-context'
  | 'global'
  | 'detached-tree'
  | 'inspector'
  | 'native-handle'
  | 'external-memory'
  | 'sliced-string'
  | 'concatenated-string'
  | 'duplicate-strings'
  | 'outside-heap'
  | 'growth';

export interface LeakStep {
  node: NodeInfo;
  /** How the object before holds it; null for the first. */
  edge: { name: string; edgeType: string } | null;
  location: LeakLocation | null;
  /** The step in words. */
  text: string;
  owner: 'root' | 'runtime' | 'library' | 'application';
  /** The reference that should not be. */
  decisive: boolean;
  /** It belongs to what grows. */
  grows: boolean;
  /** From here on the pattern repeats, so many times at least; 0: it doesn't. */
  repeats: number;
}

export interface LeakLocation {
  script: string | null;
  /** From 1, as is the column. */
  line: number;
  column: number;
  /** The line's text, where the source is known. */
  text?: string;
}

/** Reads a heap snapshot: plain, gzip or zstd, of any V8 since Node 16, truncated ones as far as they go. */
export function open(file: string | Buffer | URL, options?: OpenOptions): Promise<Snapshot>;
