"""An independent reader and writer of safetensors, from the format's description alone: struct, json, numpy.

write FILE: writes the sample that the C# tests expect.
read FILE: prints every tensor and the metadata as JSON, one line.
"""
import json
import struct
import sys

import numpy as np

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
          "I8": "<i1", "U8": "<u1", "BOOL": "<u1"}


def write(path):
    tensors = {
        "scalar": ("F64", np.array(1.5, "<f8")),
        "matrix": ("F32", np.arange(6, dtype="<f4").reshape(2, 3) / 4),
        "half": ("F16", np.array([1, -2, 0.5], "<f2")),
        "brain": ("BF16", np.array([0x3F80, 0xC000], "<u2")),
        "long": ("I64", np.array([-(2**63), 2**63 - 1], "<i8")),
        "bytes": ("U8", np.array([0, 255], "<u1")),
        "truth": ("BOOL", np.array([1, 0, 1], "<u1")),
        "empty": ("I32", np.zeros((3, 0), "<i4")),
        "größe ☃": ("I8", np.array([-128], "<i1")),
    }
    header, offset, body = {"__metadata__": {"format": "pt", "note": "naïve ☃"}}, 0, b""
    for name, (dtype, array) in tensors.items():
        data = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        body += data
    text = json.dumps(header, ensure_ascii=False).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def read(path):
    raw = open(path, "rb").read()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length].decode())
    result = {"headerLength": length, "metadata": header.pop("__metadata__", None), "tensors": {}, "order": []}
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, end = info["data_offsets"]
        array = np.frombuffer(raw[8 + length + start:8 + length + end], DTYPES[info["dtype"]]).reshape(info["shape"])
        result["order"].append(name)
        result["tensors"][name] = {"dtype": info["dtype"], "shape": list(array.shape),
                                   "values": array.astype("<f8").ravel().tolist()}
    result["end"] = max((i["data_offsets"][1] for i in header.values()), default=0) + 8 + length == len(raw)
    print(json.dumps(result))


{"write": write, "read": read}[sys.argv[1]](sys.argv[2])
