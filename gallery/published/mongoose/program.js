'use strict';

// Automattic/mongoose#2337: a connection for each job, closed when that is done.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const mongoose = libraries(__dirname)('mongoose');
const schema = new mongoose.Schema({ name: String });

async function job(n) {
  const connection = mongoose.createConnection();
  const Tenant = connection.model('Tenant', schema);
  await new Tenant({ name: `tenant ${n}` }).validate();
  if (process.env.GALLERY_MENDED) await connection.destroy();
  else await connection.close();
}

traffic(job, { warmUp: 40, calls: 60 });
