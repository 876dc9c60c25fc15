// What a program in Node does with ioredis: connect in every way, authenticate, pipeline, scan by a
// stream, WATCH and MULTI, large values, reconnect.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const { once } = require('events');
const Redis = require('ioredis');

const PROGRAM = process.env.VARVE_SERVER || 'build/varve-server';
const MEGABYTE = 1 << 20;
const KEYS = 5000;
const START_TIMEOUT_MS = 60000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Below the ports from which the kernel picks clients' ones.
async function freePort() {
  for (;;) {
    const port = 20000 + crypto.randomInt(12000);
    const probe = net.createServer();
    const isFree = await new Promise((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

// A server on a directory that outlives its restarts, but not close().
class Server {
  constructor(flags = []) {
    this.flags = flags;
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'varve-test-'));
    this.socketPath = path.join(this.directory, 'socket');
  }

  async start() {
    this.port = this.port || await freePort();  // The same again: clients come back to it.
    const log = fs.openSync(path.join(this.directory, 'server.log'), 'a');
    this.process = spawn(PROGRAM, ['--port', this.port, '--bind', '127.0.0.1 -::1',
      '--unixsocket', this.socketPath, '--dir', path.join(this.directory, 'data'),
      ...this.flags], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.ended = once(this.process, 'exit');
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!await this.accepts()) {
      assert(this.process.exitCode === null && Date.now() < deadline, 'the server does not start');
      await sleep(5);
    }
  }

  accepts() {
    return new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1');
      socket.once('connect', () => { socket.destroy(); resolve(true); });
      socket.once('error', () => resolve(false));
    });
  }

  // SIGTERM, and an exit code of 0: sanitizers report leaks through it.
  async stop() {
    this.process.kill('SIGTERM');
    const [code, signal] = await this.ended;
    assert.strictEqual(code, 0, `the server ended with ${code} ${signal}`);
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  close() {
    if (this.process) this.process.kill('SIGKILL');
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

async function testTypes(redis) {
  assert.strictEqual(await redis.ping(), 'PONG');
  assert.strictEqual(await redis.set('text', 'grüße'), 'OK');
  assert.strictEqual(await redis.get('text'), 'grüße');
  assert.strictEqual(await redis.get('nobody'), null);
  assert.strictEqual(await redis.set('text', 'x', 'EX', 100, 'NX'), null);
  const blob = Buffer.from([0, 13, 10, 255]);
  await redis.set('blob', blob);
  assert.deepStrictEqual(await redis.getBuffer('blob'), blob);
  assert.strictEqual(await redis.incrby('n', 41), 41);
  assert.strictEqual(await redis.incr('n'), 42);
  await redis.mset({ a: 1, b: 2 });
  assert.deepStrictEqual(await redis.mget('a', 'x', 'b'), ['1', null, '2']);
  await assert.rejects(redis.incr('text'), /ERR value is not an integer/);
  await assert.rejects(redis.call('NOSUCH', 'x'), /ERR unknown command 'NOSUCH'/);
}

// ioredis sends what is called in one turn of its loop in one write.
async function testPipelines(redis) {
  await redis.flushdb();
  const sets = redis.pipeline();
  for (let i = 0; i < KEYS; ++i) sets.set(`key:${i}`, i);
  for (const [error, reply] of await sets.exec()) {
    assert.strictEqual(error, null);
    assert.strictEqual(reply, 'OK');
  }
  const gets = await Promise.all([...Array(KEYS).keys()].map((i) => redis.get(`key:${i}`)));
  gets.forEach((value, i) => assert.strictEqual(value, String(i)));
}

async function testScan(redis) {
  const scan = async (options) => {
    const found = [];
    for await (const keys of redis.scanStream(options)) found.push(...keys);
    return found.sort();
  };
  const all = [...Array(KEYS).keys()].map((i) => `key:${i}`).sort();
  assert.deepStrictEqual(await scan({}), all);
  assert.deepStrictEqual(await scan({ count: 500 }), all);
  assert.deepStrictEqual(await scan({ match: 'key:7*' }), all.filter((k) => k.startsWith('key:7')));
  assert.strictEqual(await redis.dbsize(), KEYS);
}

async function testTransactions(redis, other) {
  await redis.set('stock', 10);
  await redis.watch('stock');
  assert.deepStrictEqual(await redis.multi().decr('stock').set('sold', 1).exec(),
    [[null, 9], [null, 'OK']]);

  await redis.watch('stock');
  await other.set('stock', 0);
  assert.strictEqual(await redis.multi().decr('stock').exec(), null);
  assert.strictEqual(await redis.get('stock'), '0');

  await redis.watch('stock');
  await redis.unwatch();
  await other.set('stock', 5);
  assert.deepStrictEqual(await redis.multi().decr('stock').exec(), [[null, 4]]);

  // An error in a command refuses the whole; an error while it runs, only itself.
  await assert.rejects(redis.multi().set('stock', 1).call('GET').exec(), /EXECABORT/);
  const mixed = await redis.multi().set('word', 'x').incr('word').incr('stock').exec();
  assert.match(mixed[1][0].message, /not an integer/);
  assert.deepStrictEqual(mixed[2], [null, 5]);
}

async function testLarge(redis) {
  const value = crypto.randomBytes(64 * MEGABYTE);
  assert.strictEqual(await redis.set('large', value), 'OK');
  assert(value.equals(await redis.getBuffer('large')), '64 MB');
  await redis.del('large');
}

async function testWaysIn(server, redis) {
  await redis.set('by', 'TCP');
  const ways = [server.socketPath, `redis://127.0.0.1:${server.port}/0`];
  const hasIpv6 = Object.values(os.networkInterfaces()).flat().some((a) => a.address === '::1');
  if (hasIpv6) ways.push({ host: '::1', port: server.port });
  for (const way of ways) {
    const client = new Redis(way);
    assert.strictEqual(await client.get('by'), 'TCP');
    await client.quit();
  }
  const third = new Redis({ port: server.port, db: 3, connectionName: 'third' });
  assert.strictEqual(await third.get('by'), null);
  assert.strictEqual(await third.client('GETNAME'), 'third');
  third.disconnect();
}

// A client whose server dies comes back by itself, and so does what it wrote.
async function testReconnect(server, redis) {
  await redis.set('kept', 'yes');
  const again = new Promise((resolve) => redis.once('ready', resolve));
  await server.kill();
  await server.start();
  await again;
  assert.strictEqual(await redis.get('kept'), 'yes');
}

async function testPassword() {
  const server = new Server(['--requirepass', 'open sesame']);
  try {
    await server.start();
    const wrong = new Redis({ port: server.port, password: 'wrong', retryStrategy: null });
    wrong.on('error', () => {});
    await assert.rejects(wrong.get('a'), /NOAUTH|WRONGPASS/);
    wrong.disconnect();
    for (const username of [undefined, 'default']) {
      const right = new Redis({ port: server.port, username, password: 'open sesame' });
      assert.strictEqual(await right.get('a'), null);
      await right.quit();
    }
    await server.stop();
  } finally {
    server.close();
  }
}

async function main() {
  const server = new Server();
  try {
    await server.start();
    const redis = new Redis({ port: server.port, retryStrategy: () => 20 });
    const other = new Redis({ port: server.port, retryStrategy: () => 20 });
    for (const client of [redis, other]) client.on('error', () => {});  // While it is away.
    await testTypes(redis);
    await testPipelines(redis);
    await testScan(redis);
    await testTransactions(redis, other);
    await testLarge(redis);
    await testWaysIn(server, redis);
    await testReconnect(server, redis);
    redis.disconnect();
    other.disconnect();
    await server.stop();
  } finally {
    server.close();
  }
  await testPassword();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
