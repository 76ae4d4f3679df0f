"""Runs one scenario against a server: client.py PORT SCENARIO. Prints "ok" at the end."""

import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DETAIL = 'größer als 100 %\nund 🙂'
BYTES = bytes([0, 1, 127, 128, 255, 10, 13])


def make_part():
    """The message Part of echo.proto, described by hand: there is no protoc here."""
    file = descriptor_pb2.FileDescriptorProto(name='echo.proto', package='interop.v1', syntax='proto3')
    message = file.message_type.add(name='Part')
    field = descriptor_pb2.FieldDescriptorProto
    for number, (name, kind) in enumerate([('text', field.TYPE_STRING), ('data', field.TYPE_BYTES), ('number', field.TYPE_INT64)], 1):
        message.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName('interop.v1.Part')
    if hasattr(message_factory, 'GetMessageClass'):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


Part = make_part()
channel = grpc.insecure_channel(f'127.0.0.1:{sys.argv[1]}', options=[('grpc.max_receive_message_length', -1)])
coding = {'request_serializer': Part.SerializeToString, 'response_deserializer': Part.FromString}
unary = channel.unary_unary('/interop.v1.Echo/Unary', **coding)
download = channel.unary_stream('/interop.v1.Echo/Download', **coding)
upload = channel.stream_unary('/interop.v1.Echo/Upload', **coding)
talk = channel.stream_stream('/interop.v1.Echo/Talk', **coding)


def failure(action):
    """The error that the action has to end in."""
    try:
        action()
    except grpc.RpcError as error:
        return error
    raise AssertionError('the call has succeeded')


def until_cancelled(count):
    while unary(Part(text='cancelled')).number < count:
        time.sleep(0.02)


def scenario_unary():
    part = Part(text='echo', data=BYTES, number=42)
    assert unary(part) == part


def scenario_download():
    assert [part.number for part in download(Part(number=500))] == list(range(500))


def scenario_upload():
    answer = upload(Part(text=letter) for letter in 'abcdefgh')
    assert answer == Part(text='abcdefgh', number=8), answer


def scenario_talk():
    assert [part.number for part in talk(Part(number=i) for i in range(100))] == list(range(100))


def scenario_status():
    for code in [1, 3, 5, 8, 13, 16]:
        error = failure(lambda: unary(Part(text='fail', number=code)))
        assert error.code().value[0] == code, error
        assert error.details() == DETAIL, error.details()
        trailers = dict(error.trailing_metadata())
        assert trailers['late-text'] == 'sorry' and trailers['late-data-bin'] == BYTES, trailers
    parts = []
    error = failure(lambda: parts.extend(download(Part(text='fail', number=3))))
    assert error.code() == grpc.StatusCode.ABORTED and error.details() == DETAIL, error


def scenario_metadata():
    answer, call = unary.with_call(Part(text='echo'), metadata=[('x-text', 'some text'), ('x-data-bin', BYTES)])
    headers, trailers = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert headers['back-text'] == 'some text' and headers['back-data-bin'] == BYTES, headers
    assert trailers['late-text'] == 'some text' and trailers['late-data-bin'] == BYTES, trailers


def scenario_deadline():
    before = unary(Part(text='cancelled')).number
    error = failure(lambda: unary(Part(text='wait'), timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    until_cancelled(before + 1)


def scenario_cancel():
    before = unary(Part(text='cancelled')).number
    call = download(Part(text='wait', number=1))
    assert next(call).number == 0
    call.cancel()
    assert failure(lambda: next(call)).code() == grpc.StatusCode.CANCELLED
    until_cancelled(before + 1)


def scenario_big():
    part = Part(text='echo', data=bytes(4_000_000))
    assert unary(part) == part
    assert len(unary(Part(text='size', number=20_000_000)).data) == 20_000_000


def scenario_oversize():
    error = failure(lambda: unary(Part(text='echo', data=bytes(4_200_000))))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    unary(Part(text='echo'))


def scenario_unimplemented():
    for path in ['/interop.v1.Echo/Missing', '/interop.v1.Missing/Unary']:
        error = failure(lambda: channel.unary_unary(path, **coding)(Part()))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


globals()['scenario_' + sys.argv[2]]()
print('ok')
