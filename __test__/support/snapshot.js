'use strict';

// Reads snapshots with JSON.parse and counts, knowing nothing of what is tested.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const zlib = require('node:zlib');

/** The bytes of a file, without its compression; undefined where this Node can't undo it (zstd before 22). */
function rawBytes(file) {
  const bytes = readFileSync(file);
  if (file.endsWith('.gz')) return zlib.gunzipSync(bytes);
  if (!file.endsWith('.zst')) return bytes;
  assert.deepEqual([...bytes.subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd], 'a zstd frame begins with its magic');
  return zlib.zstdDecompressSync?.(bytes);
}

/** The snapshot in a file or a buffer; throws unless it is whole and its counts agree. */
function readSnapshot(source) {
  const bytes = typeof source === 'string' ? rawBytes(source) : source;
  const parsed = JSON.parse(bytes.toString('latin1'));
  const { meta, node_count: nodeCount, edge_count: edgeCount } = parsed.snapshot;
  const width = meta.node_fields.length;
  assert.equal(parsed.nodes.length, nodeCount * width, 'node_count');
  assert.equal(parsed.edges.length, edgeCount * meta.edge_fields.length, 'edge_count');
  const edgesOf = meta.node_fields.indexOf('edge_count');
  let edges = 0;
  for (let at = edgesOf; at < parsed.nodes.length; at += width) edges += parsed.nodes[at];
  assert.equal(edges, edgeCount, 'the sum of the nodes edge counts');
  const name = meta.node_fields.indexOf('name');
  for (let at = name; at < parsed.nodes.length; at += width) {
    assert.ok(parsed.nodes[at] < parsed.strings.length, 'a name that is in the strings');
  }
  return parsed;
}

/** `{ type, name, id, selfSize }` of every node. */
function* nodes(parsed) {
  const { node_fields: fields, node_types: types } = parsed.snapshot.meta;
  const at = (field) => fields.indexOf(field);
  const [type, name, id, size] = ['type', 'name', 'id', 'self_size'].map(at);
  for (let row = 0; row < parsed.nodes.length; row += fields.length) {
    yield {
      type: types[type][parsed.nodes[row + type]],
      name: parsed.strings[parsed.nodes[row + name]],
      id: parsed.nodes[row + id],
      selfSize: parsed.nodes[row + size],
    };
  }
}

/** How many objects of each class there are. */
function classCounts(parsed) {
  const counts = new Map();
  for (const { type, name } of nodes(parsed)) {
    if (type === 'object') counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** The ids of a class's objects. Odd ones are V8's own; even ones belong to Node's native objects. */
function idsOf(parsed, className) {
  const ids = [];
  for (const { type, name, id } of nodes(parsed)) if (type === 'object' && name === className) ids.push(id);
  return ids.sort((a, b) => a - b);
}

/** The greatest id that V8 has given. */
function greatestId(parsed) {
  let greatest = 0;
  for (const { id } of nodes(parsed)) if (id % 2 === 1 && id > greatest) greatest = id;
  return greatest;
}

module.exports = { classCounts, greatestId, idsOf, nodes, rawBytes, readSnapshot };
