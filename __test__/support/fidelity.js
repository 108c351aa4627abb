'use strict';

// How much of V8's own snapshot another one has: nodes, edges and positions as multisets.

const { readFileSync } = require('node:fs');

/** Types of nodes that are JavaScript's; the rest is V8's own business. */
const ours = new Set([
  ...['object', 'closure', 'regexp', 'number', 'symbol', 'bigint'],
  ...['concatenated string', 'sliced string'],
]);

/**
 * JavaScript's nodes by type, name and size, all nodes by type, edges by source, kind, name and target, and positions
 * with their script's id, as multisets.
 */
function contents(file) {
  const { snapshot, nodes, edges, strings, locations } = JSON.parse(readFileSync(file, 'utf8'));
  const { node_fields: fields, node_types: types, edge_types: edgeTypes } = snapshot.meta;
  const width = fields.length;
  const all = [];
  for (let at = 0; at < nodes.length; at += width) {
    all.push({
      type: types[0][nodes[at]],
      name: strings[nodes[at + 1]],
      size: nodes[at + 3],
      edges: nodes[at + 4],
    });
  }
  const count = new Map();
  const kinds = new Map();
  const links = new Map();
  const add = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
  let edge = 0;
  for (const node of all) {
    if (!kinds.has(node.type)) kinds.set(node.type, new Map());
    add(kinds.get(node.type), `${node.name} ${node.size}`);
    if (ours.has(node.type)) add(count, `${node.type} ${node.name} ${node.size}`);
    for (const end = edge + 3 * node.edges; edge < end; edge += 3) {
      const type = edgeTypes[0][edges[edge]];
      const to = all[edges[edge + 2] / width];
      // Node's C++ objects are in no memory that can be read without guessing.
      if (!['object', 'closure', 'regexp'].includes(node.type) || type === 'hidden' || to.type === 'native')
        continue;
      let name = type === 'element' ? '' : strings[edges[edge + 1]];
      if (name.includes('pair in WeakMap')) name = 'pair';
      const target = ours.has(to.type) ? `${to.type} ${to.name}` : to.type === 'string' ? 'string' : '*';
      add(links, `${node.type} ${node.name} -${type} ${name}-> ${target}`);
    }
  }
  const places = new Map();
  for (let at = 0; at < locations.length; at += 4) {
    const { type, name } = all[locations[at] / width];
    add(places, `${type} ${name} ${locations.slice(at + 1, at + 4).join(':')}`);
  }
  const total = { nodes: all.length, edges: edges.length / 3 };
  return { total, count, kinds, links, places };
}

function compare(truth, found) {
  let total = 0;
  let equal = 0;
  const different = [];
  for (const [key, number] of truth) {
    total += number;
    equal += Math.min(number, found.get(key) ?? 0);
    if (found.get(key) !== number) different.push(`${number} ${found.get(key) ?? 0} ${key}`);
  }
  for (const [key, number] of found) if (!truth.has(key)) different.push(`0 ${number} ${key}`);
  const sum = [...found.values()].reduce((a, b) => a + b, 0);
  return { share: equal / total, over: (sum - equal) / total, different };
}

module.exports = { compare, contents };
