'use strict';

// A GraphQL service with one loader for the whole process. A loader caches all that it has loaded; it is meant
// to be made for each request.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const DataLoader = library('dataloader');
const { buildSchema, graphql } = library('graphql');

class UserRecord {
  constructor(id) {
    this.id = id;
    this.name = `user ${id}`;
    this.groups = Array.from({ length: 12 }, (_, n) => ({ name: `group ${n}`, member: id }));
  }
}

const schema = buildSchema('type User { id: ID! name: String! } type Query { user(id: ID!): User }');

const users = new DataLoader(async (ids) => ids.map((id) => new UserRecord(id)));

const root = { user: ({ id }) => users.load(id) };

function handle(n) {
  return graphql({ schema, rootValue: root, source: '{ user(id: $n) { name } }'.replace('$n', String(n)) });
}

traffic(handle, { calls: 600 });
