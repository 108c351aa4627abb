// Types of lib/snapshot.js. Sizes are in bytes, ids are the number after the @, lines and columns count from 1
// unless noted otherwise. docs/json-schema.md describes the same answers as the command line's JSON.

/** Sizes and classes as in Chrome DevTools, or as the garbage collector sees them. */
export type Model = 'devtools' | 'gc';

export interface OpenOptions {
  /** Default: `'devtools'`. */
  model?: Model;
  /**
   * Use the index file beside the snapshot (`STILLHEAP_INDEX_DIR` is another directory for it), and write it with the first
   * answer if it is missing. Large files then open at once. Default: false, so that nothing is written unasked.
   */
  index?: boolean;
  /** Called while reading, about once per megabyte. */
  onProgress?: (progress: OpenProgress) => void;
  /** When aborted, `open` rejects with its reason at once and stops reading. */
  signal?: AbortSignal;
}

export interface OpenProgress {
  /** Bytes read so far, uncompressed. */
  bytes: number;
  /** Size of the file on disk (compressed, if it is); absent if unknown. */
  totalBytes?: number;
}

/** A part of a list. */
export interface ListOptions {
  /** The number of rows; 0 means all. Default: 25. */
  limit?: number;
  /** Rows to skip at the start. */
  offset?: number;
  /** A text in the name, `gl*b` for the whole name, or `/regular expression/`. All of several must match. */
  filter?: string | string[];
}

/** The extent of a tree. */
export interface TreeOptions extends ListOptions {
  /** Levels, 1 to 100. Default: 1. */
  depth?: number;
  /** Rows under each row; 0 means all. Default: 5. */
  branch?: number;
}

export interface Page {
  offset: number;
  limit: number;
  /** Rows of the whole list. */
  total: number;
}

/** The fields of every answer. */
export interface Report {
  schemaVersion: number;
  model: Model;
  file: string;
  /** Only if the file was truncated. */
  salvage?: Salvage;
}

/** The missing part of a truncated file. */
export interface Salvage {
  /** The end of the (uncompressed) file. */
  position: number;
  section: string;
  nodesExpected: number | null;
  nodesRead: number;
  edgesExpected: number;
  edgesRead: number;
  /** Names whose text is missing. */
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
  /** Edges from a root; 100000000 and more: reached only from the system; negative: not reached. */
  distance: number;
}

/** An edge and the node at its other end. */
export interface EdgeInfo {
  /** Position in the file. */
  edge: number;
  name: string;
  /** V8's edge type: `'property'`, `'element'`, `'context'` … */
  edgeType: string;
  /** The block-scoped variable, for which V8 (and DevTools) has only a number. */
  variable?: string;
  node: NodeInfo;
}

export interface SourcePosition {
  /** Absent if the snapshot has no name for the script. */
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
  /** Classes in the snapshot, without the filter. */
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
  /** A number's value, if the snapshot has numeric values. */
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

export interface Retainer extends EdgeInfo {
  /** A cycle: this retainer is on the path already. */
  repeated?: true;
  retainers?: Retainer[];
  /** The number of further retainers. */
  more?: number;
}

export interface RootPath {
  node: NodeInfo;
  /** From the node to a root: each edge with its retainer. */
  steps: EdgeInfo[];
  userRoot: boolean;
}

export interface NodePaths extends Report {
  node: NodeInfo;
  paths: RootPath[];
}

export interface NodeRetainers extends NodePaths {
  retainers: Retainer[];
  page: Page;
}

export interface MergedRetainer {
  classKey: string;
  className: string;
  /** `[]` for indices. */
  edge: string;
  edgeType: string;
  objects: number;
  holders: number;
  edges: number;
  distance: number;
  example: NodeInfo;
  retainers?: MergedRetainer[];
  more?: number;
}

export interface MergedStep {
  edge: string;
  edgeType: string;
  className: string;
  classKey: string;
  /** If the retainer is a function; empty for an anonymous one. */
  functionName?: string;
  /** The step belongs to a part that repeats. */
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
  /** The number of objects whose paths were followed. */
  examined: number;
}

export interface ClassRetainers extends ClassPaths {
  retainers: MergedRetainer[];
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

/** A variable that no live function reads, in all contexts of one scope. */
export interface DeadVariable {
  name: string;
  /** The function whose variable it is: `send()`, `the module app.js`. */
  function: string;
  /** Where it is declared, if that is known, else where the function is. */
  location: LeakLocation | null;
  contexts: number;
  /** Bytes that would come back if the variable let go of what it holds. */
  retainedSize: number;
  example: NodeInfo;
  /** The function by which the contexts are retained. */
  retainedBy: string;
  retainedByLocation: LeakLocation | null;
}

export interface Closures extends Report {
  /** Variables that no live function reads, those that retain most first. */
  dead: DeadVariable[];
  closures: ClosureRow[];
  /** The number of functions of Node.js and native ones that are left out; `all` includes them. */
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
  /** Objects in both files that grew; only if matched by id. */
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
  /** Reasons to doubt the comparison: the files' order, several processes. */
  notes?: string[];
  salvaged?: (Salvage & { file: string })[];
}

/** A node's id: a number, or with an @ before it. */
export type NodeId = number | `@${number}`;

/** An opened snapshot. Its methods work off the JavaScript thread. */
export class Snapshot {
  private constructor();
  readonly file: string;
  readonly model: Model;
  readonly nodeCount: number;
  readonly edgeCount: number;
  /** What a truncated file lacks. */
  readonly salvage: Salvage | undefined;
  /** The header that stillheap wrote into the snapshot. */
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
  /** Paths to a root, shortest first; of a class, the paths that most objects share. */
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
  /** The leaks in this snapshot and newer ones, oldest first; without newer ones, what stands out. */
  leaks(newer?: Snapshot | Snapshot[], options?: LeaksOptions): Promise<LeaksAnswer>;
  /** Frees the memory when the running calls have ended. */
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface RetainersOptions extends TreeOptions {
  sort?: 'best' | 'distance' | 'retained';
  /** Paths to a root. Default: 3. */
  paths?: number;
}

/** The leaks in snapshot files of one process, oldest first. */
export function leaks(
  files: string | Buffer | URL | (string | Buffer | URL)[],
  options?: LeaksOptions & OpenOptions,
): Promise<LeaksAnswer>;

export interface LeaksOptions {
  /** The most suspects. Default: 5. */
  limit?: number;
  /** The least growth of a suspect from file to file, in bytes. Default: 6 kB or 0.3 % of the heap. */
  leastGrowth?: number;
  /** Compare the files in the order given, oldest first, as files of one process, and ignore their headers. */
  asGiven?: boolean;
  /** A further directory for source maps and sources. */
  sourceMaps?: string | URL;
}

/** The verdict; docs/leaks.md describes each kind of cause. */
export interface LeaksAnswer extends ProcessLeaks {
  schemaVersion: number;
  model: Model;
  /** Changes to the list of files: sorted, left out, separated by process. */
  notes?: string[];
  /** If the files are of several processes: the verdicts on the others. */
  others?: ProcessLeaks[];
  salvaged?: (Salvage & { file: string })[];
}

/** The verdict on one process. */
export interface ProcessLeaks {
  /** The files, oldest first. */
  files: string[];
  /** What their order is based on. */
  orderedBy: 'one' | 'given' | 'time' | 'name' | 'ids' | 'modified';
  /** The process, if the files name it: `process 12, thread 3`. */
  process?: string;
  /** The answer in one sentence. */
  verdict: string;
  heap: {
    /** Bytes of all objects in each snapshot. */
    sizes: number[];
    growthPerStep: number;
    /** Resident bytes of the process at each capture, if every file has them. */
    residentSizes?: number[];
    /** Bytes given out by malloc at each capture, if every file has them. */
    allocatedSizes?: number[];
    /**
     * The part of them that belongs neither to Buffers nor to V8, if every file has it; without the most that V8's map
     * of object ids may take, if ids are kept.
     */
    outsideSizes?: number[];
  };
  /** Largest growth first; empty if nothing grows steadily. */
  suspects: LeakSuspect[];
}

export interface LeakSuspect {
  /** The most telling class; null if the growth is outside the heap. */
  className: string | null;
  /** Its objects in each snapshot. */
  counts: number[];
  /** Bytes of the whole leak, in each snapshot. */
  retainedSizes: number[];
  growthPerStep: number;
  /** 0 to 1. */
  shareOfGrowth: number;
  classes: { className: string; counts: number[]; sizes: number[] }[];
  /** A retaining path, the root first. */
  path: LeakStep[];
  cause: {
    kind: LeakCause;
    function: string | null;
    variable: string | null;
    /** The line to look at: where the variable is filled, else declared, else its function. */
    location: LeakLocation | null;
    detail: string;
    related: { what: string; location: LeakLocation }[];
  };
  explanation: string;
  advice: string;
  /** One snapshot only, which can't show growth: why the suspect is listed. */
  standsOut?: 'large' | 'unbounded-looking' | 'dead';
  /** One snapshot only: how certain it is. */
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
  /** The reference from the object before; null for the first. */
  edge: { name: string; edgeType: string } | null;
  location: LeakLocation | null;
  /** The step in words. */
  text: string;
  owner: 'root' | 'runtime' | 'library' | 'application';
  /** The reference that should not exist. */
  decisive: boolean;
  /** It belongs to the leak. */
  grows: boolean;
  /** The pattern repeats from here, at least this many times; 0: it doesn't. */
  repeats: number;
}

export interface LeakLocation {
  script: string | null;
  /** From 1, as is the column. */
  line: number;
  column: number;
  /** The line's text, if the source is known. */
  text?: string;
}

/** Reads a heap snapshot: plain, gzip or zstd, of any V8 since Node 16; truncated ones up to the cut. */
export function open(file: string | Buffer | URL, options?: OpenOptions): Promise<Snapshot>;
