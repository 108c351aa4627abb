'use strict';

// Children of the tests: real processes that are waited for by what they say, never by the clock, and that
// are gone when their test is.

const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { afterwards } = require('./test.js');

const root = path.dirname(path.dirname(__dirname));
const agentScript = path.join(root, '__test__/children/agent.js');

const alive = new Set();
process.on('exit', () => {
  for (const child of alive) child.process.kill('SIGKILL');
});

/**
 * The environment without what would change a child's behaviour. What isn't about the fork is tested without it:
 * a test of the default has `STILLHEAP_MODE: undefined` in its environment.
 */
function cleanEnvironment(extra = {}) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(STILLHEAP_|NODE_)/.test(name)) delete env[name];
  }
  return { ...env, STILLHEAP_MODE: 'inline', ...extra };
}

/** A directory that is removed after the test. */
function temporaryDirectory(t, base = os.tmpdir()) {
  const directory = mkdtempSync(path.join(base, 'stillheap-test-'));
  afterwards(t, () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  return directory;
}

class Child {
  stdout = '';
  stderr = '';
  #waiting = new Set();
  #calls = new Map();
  #events = [];
  #lastCall = 0;

  constructor(t, command, args, options) {
    this.process = spawn(command, args, options);
    alive.add(this);
    for (const name of ['stdout', 'stderr']) {
      this.process[name].setEncoding('utf8').on('data', (text) => {
        this[name] += text;
        this.#look();
      });
    }
    this.process.on('message', (message) => this.#receive(message));
    /** Resolves when the process has ended and all its output is here. */
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => this.#end(resolve, { error }));
      this.process.once('close', (code, signal) => this.#end(resolve, { code, signal }));
    });
    afterwards(t, () => this.reap());
  }

  get pid() {
    return this.process.pid;
  }

  kill(signal) {
    this.process.kill(signal);
  }

  async reap() {
    if (this.outcome === undefined) this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Resolves to how it ended; throws unless that was with status 0. */
  async succeeded() {
    const outcome = await this.ended;
    if (outcome.code !== 0) throw new Error(this.describe('did not end well'));
    return this;
  }

  describe(what) {
    const how = this.outcome ? JSON.stringify(this.outcome) : 'still running';
    return `the child ${what} (${how})\nstdout: ${this.stdout}\nstderr: ${this.stderr}`;
  }

  /** The match of `pattern` in the output, as soon as there is one. */
  output(pattern, stream = 'stderr') {
    return this.#wait(() => this[stream].match(pattern) ?? undefined, `said nothing like ${pattern}`);
  }

  /** Waits for `count` matches. */
  outputs(pattern, count, stream = 'stderr') {
    const all = () => {
      const found = [...this[stream].matchAll(new RegExp(pattern, 'g'))];
      return found.length >= count ? found : undefined;
    };
    return this.#wait(all, `did not say ${pattern} ${count} times`);
  }

  /** The next event of that name that the child sends. */
  event(name) {
    const take = () => {
      const at = this.#events.findIndex((event) => event.name === name);
      return at < 0 ? undefined : this.#events.splice(at, 1)[0];
    };
    return this.#wait(take, `sent no '${name}'`).then(({ data }) => data);
  }

  /** How many events of that name have come that nobody has taken. */
  untaken(name) {
    return this.#events.filter((event) => event.name === name).length;
  }

  /** Runs a function in the agent: `call(({ stillheap, fs, send, keep }, argument) => …, argument)`. */
  call(body, argument) {
    const id = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      if (this.outcome) return reject(new Error(this.describe('had ended before it was called')));
      this.#calls.set(id, { resolve, reject });
      this.process.send({ id, source: body.toString(), argument }, (error) => {
        if (error) reject(new Error(this.describe(`could not be called: ${error.message}`)));
      });
    });
  }

  /** Lets the agent end by itself. (Were it us who hang up, Node would emit no 'close'.) */
  release() {
    this.process.send({ release: true });
    return this.ended;
  }

  #receive(message) {
    if (message.name) {
      this.#events.push(message);
      this.#look();
      return;
    }
    const { resolve, reject } = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.error) reject(Object.assign(new Error(message.error.message), message.error));
    else resolve(message.result);
  }

  #wait(look, complaint) {
    return new Promise((resolve, reject) => {
      const waiter = { look, resolve, reject, complaint };
      this.#waiting.add(waiter);
      this.#look();
      if (this.outcome) this.#giveUp(waiter);
    });
  }

  #look() {
    for (const waiter of this.#waiting) {
      const found = waiter.look();
      if (found === undefined) continue;
      this.#waiting.delete(waiter);
      waiter.resolve(found);
    }
  }

  #giveUp(waiter) {
    if (this.#waiting.delete(waiter)) waiter.reject(new Error(this.describe(waiter.complaint)));
  }

  #end(resolve, outcome) {
    this.outcome ??= outcome;
    alive.delete(this);
    this.#look();
    for (const waiter of this.#waiting) this.#giveUp(waiter);
    for (const { reject } of this.#calls.values()) reject(new Error(this.describe('ended in a call')));
    this.#calls.clear();
    resolve(this.outcome);
  }
}

/** Starts a program. */
function startProgram(t, command, args, { env, cwd, ipc = false, ...rest } = {}) {
  const stdio = ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'];
  const options = { stdio, cwd: cwd ?? temporaryDirectory(t), env: cleanEnvironment(env), ...rest };
  return new Child(t, command, args, options);
}

/** Starts a script with the Node that runs the tests; `wrapper` goes in front of it. */
function startNode(t, args, { wrapper = [], ...options } = {}) {
  const [command, ...all] = [...wrapper, process.execPath, ...args];
  return startProgram(t, command, all, options);
}

/** Starts the agent (children/agent.js) and waits until it has loaded the module. */
async function startAgent(t, { nodeArgs = [], module = root, load = true, cwd, ...options } = {}) {
  const directory = cwd ?? temporaryDirectory(t);
  const child = startNode(t, [...nodeArgs, agentScript, load ? module : '-'], {
    ipc: true,
    cwd: directory,
    ...options,
  });
  child.cwd = directory;
  await child.event('ready');
  return child;
}

/** Runs source text as a script to its end. */
async function runSource(t, source, { nodeArgs = [], type = 'commonjs', ...options } = {}) {
  const child = startNode(t, [...nodeArgs, `--input-type=${type}`, '-e', source], options);
  await child.ended;
  return child;
}

/** A wrapper that mounts a file system of the test's own on `directory` (seen by the child alone). */
function withMount(directory, options) {
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const script = `mount -t tmpfs -o ${options} none "$0" && exec "$@"`;
  return ['unshare', ...user, '--mount', 'sh', '-c', script, directory];
}

module.exports = {
  cleanEnvironment,
  root,
  runSource,
  startAgent,
  startNode,
  startProgram,
  temporaryDirectory,
  withMount,
};
