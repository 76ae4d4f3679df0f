// The service and the proto that server.js and client.js share.
'use strict';

const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync(path.join(__dirname, 'echo.proto'), { longs: Number, defaults: true });

exports.grpc = grpc;
exports.Echo = grpc.loadPackageDefinition(definition).interop.v1.Echo;
exports.DETAIL = 'größer als 100 %\nund 🙂';
exports.BYTES = Buffer.from([0, 1, 127, 128, 255, 10, 13]);
