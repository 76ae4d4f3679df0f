// A gRPC server on a free port, whose number it prints.
'use strict';

const { grpc, Echo, DETAIL, BYTES } = require('./peer.js');

let cancelled = 0;

function failure(code) {
  const trailers = new grpc.Metadata();
  trailers.set('late-text', 'sorry');
  trailers.set('late-data-bin', BYTES);
  return { code, details: DETAIL, metadata: trailers };
}

function echo(call, reply) {
  const headers = new grpc.Metadata();
  const trailers = new grpc.Metadata();
  for (const name of ['text', 'data-bin']) {
    for (const value of call.metadata.get('x-' + name)) {
      headers.add('back-' + name, value);
      trailers.add('late-' + name, value);
    }
  }
  call.sendMetadata(headers);
  reply(null, call.request, trailers);
}

const service = {
  unary(call, reply) {
    const { text, number } = call.request;
    switch (text) {
      case 'fail': return reply(failure(number));
      case 'wait': return call.on('cancelled', () => { cancelled++; });
      case 'size': return reply(null, { data: Buffer.alloc(number, 7) });
      case 'cancelled': return reply(null, { number: cancelled });
      default: return echo(call, reply);
    }
  },
  download(call) {
    const { text, number } = call.request;
    for (let i = 0; i < number; i++) call.write({ number: i });
    if (text === 'fail') call.emit('error', failure(grpc.status.ABORTED));
    else if (text === 'wait') call.on('cancelled', () => { cancelled++; });
    else call.end();
  },
  upload(call, reply) {
    const texts = [];
    call.on('data', part => texts.push(part.text));
    call.on('end', () => reply(null, { number: texts.length, text: texts.join('') }));
  },
  talk(call) {
    call.on('data', part => call.write(part));
    call.on('end', () => call.end());
  },
};

const server = new grpc.Server();
server.addService(Echo.service, service);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.on('end', () => process.exit(0)).resume();
