// SPDX-License-Identifier: Apache-2.0
// client.js ADDRESS [ROOTS]: grpc-js against the echo service of grpc_peers.py; a line for each check, "ok" or "FAIL" first.
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const [address, roots] = process.argv.slice(2);
const same = bytes => bytes;
const method = (name, requestStream, responseStream) => ({
  path: '/echo.Echo/' + name, requestStream, responseStream,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same});
const Echo = grpc.makeGenericClientConstructor({
  Unary: method('Unary', false, false), Sized: method('Sized', false, false), Fail: method('Fail', false, false),
  Wait: method('Wait', false, false), Collect: method('Collect', true, false), Expand: method('Expand', false, true),
  FailLate: method('FailLate', false, true), Chat: method('Chat', true, true)}, 'Echo');
const credentials = roots ? grpc.credentials.createSsl(fs.readFileSync(roots)) : grpc.credentials.createInsecure();
const client = (more = {}) => new Echo(address, credentials, {
  'grpc.max_receive_message_length': -1, 'grpc.ssl_target_name_override': 'localhost', ...more});
const echo = client();

const call = (name, request, metadata = new grpc.Metadata(), options = {deadline: Date.now() + 20000}, through = echo) =>
  new Promise(resolve => {
    const seen = {};
    const made = through[name](request, metadata, options, (error, response) => setImmediate(() => resolve({error, response, ...seen})));
    made.on('metadata', m => { seen.initial = m; });
    made.on('status', s => { seen.status = s; });
    seen.made = made;
  });
const collect = stream => new Promise(resolve => {
  const messages = [];
  stream.on('data', m => messages.push(m));
  stream.on('error', () => {});
  stream.on('status', status => resolve({messages, status}));
});

const checks = {
  async 'a unary call'() {
    return (await call('Unary', Buffer.from('hello'))).response.toString() === 'hello';
  },
  async 'metadata there and back, text and binary'() {
    const metadata = new grpc.Metadata();
    metadata.add('x-there', 'a');
    metadata.add('x-there-bin', Buffer.from([0, 255, 10, 13]));
    const {initial, status} = await call('Unary', Buffer.from('m'), metadata);
    return initial.get('x-there')[0] === 'a' && initial.get('x-there-bin')[0].equals(Buffer.from([0, 255, 10, 13])) &&
      status.metadata.get('x-trail-bin')[0].equals(Buffer.from([0, 1, 255]));
  },
  async 'messages of 4 MiB'() {
    const big = Buffer.alloc(4 << 20, 7);
    return (await call('Unary', big)).response.equals(big);
  },
  async 'a compressed message'() {
    const gzip = client({'grpc.default_compression_algorithm': 2});
    const big = Buffer.alloc(1 << 20, 97);
    const {response} = await call('Unary', big, undefined, undefined, gzip);
    gzip.close();
    return response.equals(big);
  },
  async 'a stream of requests'() {
    return new Promise(resolve => {
      const stream = echo.Collect((error, response) => resolve(!error && response.toString() === '100 100000'));
      for (let i = 0; i < 100; ++i) stream.write(Buffer.alloc(1000));
      stream.end();
    });
  },
  async 'a stream of responses'() {
    const {messages, status} = await collect(echo.Expand(Buffer.from('50 20000')));
    return status.code === 0 && messages.length === 50 && messages.every(m => m.length === 20000);
  },
  async 'both at once'() {
    const stream = echo.Chat();
    const ended = collect(stream);
    for (let i = 0; i < 20; ++i) {
      stream.write(Buffer.from(String(i)));
      await new Promise(resolve => stream.once('data', resolve));
    }
    stream.end();
    const {messages, status} = await ended;
    return status.code === 0 && messages.map(String).join() === [...Array(20).keys()].join();
  },
  async 'a refusal without a message'() {
    const {error} = await call('Fail', Buffer.from('9'));
    return error.code === 9 && error.details === 'détail 100%\n';
  },
  async 'a failure after a message'() {
    const {messages, status} = await collect(echo.FailLate(Buffer.from('10')));
    return messages.length === 1 && status.code === 10;
  },
  async 'a deadline'() {
    const {error} = await call('Wait', Buffer.from('node-deadline'), undefined, {deadline: Date.now() + 500});
    return error.code === grpc.status.DEADLINE_EXCEEDED;
  },
  async 'a call that is cancelled'() {
    const error = await new Promise(resolve => {
      const made = echo.Wait(Buffer.from('node-cancel'), resolve);
      setTimeout(() => made.cancel(), 200);
    });
    return error.code === grpc.status.CANCELLED;
  },
};

(async () => {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    let good = false, detail = '';
    try {
      good = await Promise.race([check(), new Promise(resolve => setTimeout(() => resolve(false), 25000))]);
    } catch (error) {
      detail = ' ' + error;
    }
    if (!good) ++failed;
    console.log((good ? 'ok ' : 'FAIL ') + name + detail);
  }
  process.exit(failed ? 1 : 0);
})();
