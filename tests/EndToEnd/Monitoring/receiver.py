"""Receives OTLP metrics by gRPC and by HTTP: receiver.py FOLDER. Writes the two ports, and each message with its headers, to the folder."""

import json
import os
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc

folder = sys.argv[1]
lock = threading.Lock()
count = 0


def keep(protocol, path, headers, body):
    global count
    with lock:
        count += 1
        name = os.path.join(folder, f'{protocol}-{count:05}')
    with open(name + '.json', 'w', encoding='utf-8') as file:
        json.dump({'path': path, 'headers': headers}, file)
    with open(name + '.tmp', 'wb') as file:
        file.write(body)
    os.rename(name + '.tmp', name + '.bin')


class Http(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        keep('http', self.path, {key.lower(): value for key, value in self.headers.items()}, body)
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-protobuf')
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


class Grpc(grpc.GenericRpcHandler):
    def service(self, details):
        headers = {key: value for key, value in details.invocation_metadata if isinstance(value, str)}

        def export(body, _):
            keep('grpc', details.method, headers, body)
            return b''

        return grpc.unary_unary_rpc_method_handler(export)


http = ThreadingHTTPServer(('127.0.0.1', 0), Http)
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Grpc(),))
port = server.add_insecure_port('127.0.0.1:0')
server.start()
with open(os.path.join(folder, 'ports.tmp'), 'w', encoding='utf-8') as file:
    file.write(f'{http.server_address[1]} {port}')
os.rename(os.path.join(folder, 'ports.tmp'), os.path.join(folder, 'ports'))
http.serve_forever()
