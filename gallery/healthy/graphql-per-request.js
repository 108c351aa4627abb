'use strict';

// A GraphQL service that makes a loader for each request, as it should.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const DataLoader = library('dataloader');
const { buildSchema, graphql } = library('graphql');

class UserRecord {
  constructor(id) {
    this.id = id;
    this.name = `user ${id}`;
    this.friends = [id * 2, id * 2 + 1];
  }
}

const schema = buildSchema(
  'type User { id: ID! name: String! friends: [User] } type Query { user(id: ID!): User }',
);

class UserNode {
  constructor(record, context) {
    this.id = record.id;
    this.name = record.name;
    this.friends = () => record.friends.map((id) => load(id, context));
  }
}

async function load(id, context) {
  return new UserNode(await context.users.load(Number(id)), context);
}

const root = { user: ({ id }, context) => load(id, context) };

function handle(n) {
  const contextValue = { users: new DataLoader(async (ids) => ids.map((id) => new UserRecord(id))) };
  return graphql({
    schema,
    rootValue: root,
    contextValue,
    source: `{ user(id: ${n}) { friends { name } } }`,
  });
}

traffic(handle, { calls: 300 });
