"""Reads TensorBoard's event files with nothing of ours: its own checksums, its own decoding. Prints an event a line, as JSON."""
import json
import struct
import sys

TABLE = []
for octet in range(256):
    for _ in range(8):
        octet = (octet >> 1) ^ (0x82F63B78 if octet & 1 else 0)
    TABLE.append(octet)


def masked(data):
    crc = 0xFFFFFFFF
    for octet in data:
        crc = TABLE[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        octet = data[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = data[at:at + 8], at + 8
        elif kind == 2:
            size, at = varint(data, at)
            assert at + size <= len(data)
            value, at = data[at:at + size], at + size
        elif kind == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {kind}")
        yield number, value


def records(path):
    with open(path, "rb") as file:
        while head := file.read(12):
            length, check = struct.unpack("<QI", head)
            assert check == masked(head[:8]), "checksum of a length"
            data = file.read(length)
            assert len(data) == length, "cut short"
            assert struct.unpack("<I", file.read(4)) == (masked(data),), "checksum of a record"
            yield data


def text(tensor):
    parts = dict(fields(tensor))
    assert parts[1] == 7, "strings"
    assert dict(fields(dict(fields(parts[2]))[2])) == {1: 1}, "shape"
    return parts[8].decode()


def number(octets):
    value = struct.unpack("<f", octets)[0]
    return value if abs(value) < float("inf") else str(value)


def read(path):
    for record in records(path):
        event = {"wallTime": 0, "step": 0}
        for name, value in fields(record):
            if name == 1:
                event["wallTime"] = struct.unpack("<d", value)[0]
            elif name == 2:
                event["step"] = value
            elif name == 3:
                event["version"] = value.decode()
            elif name == 5:
                for _, item in fields(value):
                    parts = dict(fields(item))
                    event[parts[1].decode()] = number(parts[2]) if 2 in parts else text(parts[8])
                    if 9 in parts:
                        event["plugin"] = dict(fields(dict(fields(parts[9]))[1]))[1].decode()
        print(json.dumps(event))


assert masked(b"123456789") == (((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8) & 0xFFFFFFFF
read(sys.argv[1])
