// Runs one scenario against a server: node client.js PORT SCENARIO. Prints "ok" at the end.
'use strict';

const assert = require('assert');
const { grpc, Echo, DETAIL, BYTES } = require('./peer.js');

const [, , port, scenario] = process.argv;
const client = new Echo(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });

// The response, or the error, together with headers and the final status.
function unary(request, metadata = new grpc.Metadata(), options = {}, started = () => {}) {
  return new Promise(resolve => {
    const result = {};
    const call = client.unary(request, metadata, options, (error, response) => {
      Object.assign(result, { error, response });
      if (error && !result.status) resolve(result);
    });
    call.on('metadata', headers => { result.headers = headers; });
    call.on('status', status => { result.status = status; setImmediate(resolve, result); });
    started(call);
  });
}

function collect(stream) {
  return new Promise(resolve => {
    const result = { parts: [] };
    stream.on('data', part => result.parts.push(part));
    stream.on('error', error => { result.error = error; });
    stream.on('status', status => { result.status = status; setImmediate(resolve, result); });
  });
}

async function cancelledCalls() {
  return (await unary({ text: 'cancelled' })).response.number;
}

async function untilCancelled(count) {
  while (await cancelledCalls() < count) await new Promise(resolve => setTimeout(resolve, 20));
}

const scenarios = {
  async unary() {
    const { response, status } = await unary({ text: 'echo', data: BYTES, number: 42 });
    assert.deepStrictEqual(response, { text: 'echo', data: BYTES, number: 42 });
    assert.strictEqual(status.code, grpc.status.OK);
  },

  async download() {
    const { parts, status } = await collect(client.download({ number: 500 }));
    assert.deepStrictEqual(parts.map(p => p.number), [...Array(500).keys()]);
    assert.strictEqual(status.code, grpc.status.OK);
  },

  async upload() {
    const response = await new Promise((resolve, reject) => {
      const call = client.upload((error, part) => error ? reject(error) : resolve(part));
      for (const text of 'abcdefgh') call.write({ text });
      call.end();
    });
    assert.strictEqual(response.text, 'abcdefgh');
    assert.strictEqual(response.number, 8);
  },

  async talk() {
    const call = client.talk();
    const parts = [];
    await new Promise((resolve, reject) => {
      call.on('data', part => {
        parts.push(part.number);
        if (part.number < 20) call.write({ number: part.number + 1 });
        else call.end();
      });
      call.on('error', reject);
      call.on('end', resolve);
      call.write({ number: 0 });
    });
    assert.deepStrictEqual(parts, [...Array(21).keys()]);
  },

  async status() {
    for (const code of [1, 3, 5, 8, 13, 16]) {
      const { error } = await unary({ text: 'fail', number: code });
      assert.strictEqual(error.code, code);
      assert.strictEqual(error.details, DETAIL);
      assert.deepStrictEqual(error.metadata.get('late-text'), ['sorry']);
      assert.deepStrictEqual(error.metadata.get('late-data-bin'), [BYTES]);
    }
    const { parts, error } = await collect(client.download({ text: 'fail', number: 3 }));
    assert.strictEqual(parts.length, 3);
    assert.strictEqual(error.code, grpc.status.ABORTED);
    assert.strictEqual(error.details, DETAIL);
  },

  async metadata() {
    const metadata = new grpc.Metadata();
    metadata.set('x-text', 'some text');
    metadata.set('x-data-bin', BYTES);
    const { headers, status } = await unary({ text: 'echo' }, metadata);
    assert.deepStrictEqual(headers.get('back-text'), ['some text']);
    assert.deepStrictEqual(headers.get('back-data-bin'), [BYTES]);
    assert.deepStrictEqual(status.metadata.get('late-text'), ['some text']);
    assert.deepStrictEqual(status.metadata.get('late-data-bin'), [BYTES]);
  },

  async deadline() {
    const before = await cancelledCalls();
    const { error } = await unary({ text: 'wait' }, undefined, { deadline: Date.now() + 300 });
    assert.strictEqual(error.code, grpc.status.DEADLINE_EXCEEDED);
    await untilCancelled(before + 1);
  },

  async cancel() {
    const before = await cancelledCalls();
    const { error } = await unary({ text: 'wait' }, undefined, {}, call => setTimeout(() => call.cancel(), 200));
    assert.strictEqual(error.code, grpc.status.CANCELLED);
    const stream = client.download({ text: 'wait', number: 1 });
    stream.once('data', () => stream.cancel());
    const { error: end } = await collect(stream);
    assert.strictEqual(end.code, grpc.status.CANCELLED);
    await untilCancelled(before + 2);
  },

  async big() {
    const data = Buffer.alloc(4_000_000, 5);
    assert.ok((await unary({ text: 'echo', data })).response.data.equals(data));
    assert.strictEqual((await unary({ text: 'size', number: 20_000_000 })).response.data.length, 20_000_000);
  },

  async oversize() {
    const { error } = await unary({ text: 'echo', data: Buffer.alloc(4_200_000) });
    assert.strictEqual(error.code, grpc.status.RESOURCE_EXHAUSTED);
    assert.strictEqual((await unary({ text: 'echo' })).status.code, grpc.status.OK);
  },

  async unimplemented() {
    const identity = x => x;
    const call = (path) => new Promise(resolve =>
      client.makeUnaryRequest(path, identity, identity, Buffer.alloc(0), error => resolve(error.code)));
    assert.strictEqual(await call('/interop.v1.Echo/Missing'), grpc.status.UNIMPLEMENTED);
    assert.strictEqual(await call('/interop.v1.Missing/Unary'), grpc.status.UNIMPLEMENTED);
  },
};

scenarios[scenario]().then(() => { console.log('ok'); client.close(); });
