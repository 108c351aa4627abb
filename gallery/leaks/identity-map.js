'use strict';

// A session of an object-relational mapper, as such mappers have it: what was read is kept by its key, so that
// the same row is the same object. A session is meant for one request; here one serves them all.

const { traffic } = require('../support/traffic.js');

class Entity {
  constructor(row) {
    Object.assign(this, row);
  }
}

class Customer extends Entity {}
class Invoice extends Entity {}

class UnitOfWork {
  constructor() {
    this.identityMap = new Map();
    this.originals = new Map();
  }

  register(entity, row) {
    const key = `${entity.constructor.name}:${row.id}`;
    this.identityMap.set(key, entity);
    this.originals.set(entity, { ...row });
  }

  find(type, id) {
    return this.identityMap.get(`${type.name}:${id}`);
  }
}

class EntityManager {
  constructor() {
    this.unitOfWork = new UnitOfWork();
  }

  load(type, row) {
    let entity = this.unitOfWork.find(type, row.id);
    if (entity === undefined) {
      entity = new type(row);
      this.unitOfWork.register(entity, row);
    }
    return entity;
  }

  clear() {
    this.unitOfWork = new UnitOfWork();
  }
}

const manager = new EntityManager();

function showInvoice(n) {
  const customer = manager.load(Customer, { id: n % 40, name: `customer ${n % 40}` });
  const row = { id: n, customer, total: n / 8, text: `invoice ${n}`, address: `${n} Main Street` };
  return manager.load(Invoice, row).total;
}

traffic(showInvoice, { calls: 900 });
