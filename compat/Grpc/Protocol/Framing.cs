using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Grpc.Core;

namespace Grpc.Protocol;

/// <summary>A message on the wire: a flag (1 when compressed), the length in four bytes, big-endian, then the bytes.</summary>
internal static class Framing
{
    public const int HeaderSize = 5;
    public const int DefaultReceiveLimit = 4 * 1024 * 1024;

    /// <summary>Reads and checks a header; nothing is allocated for a message before this.</summary>
    public static int ReadHeader(ReadOnlySpan<byte> header, string? encoding, int? limit)
    {
        var flag = header[0];
        if (flag > 1)
        {
            throw new InvalidDataException($"A message header has the compression flag {flag}; allowed are 0 and 1.");
        }
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (length > int.MaxValue)
        {
            throw new InvalidDataException($"A message header announces {length} bytes; the most is {int.MaxValue}.");
        }
        if (length > limit)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size."));
        }
        if (flag == 1)
        {
            ThrowCompressed(encoding);
        }
        return (int)length;
    }

    public static void WriteHeader(IBufferWriter<byte> target, int length, int? limit)
    {
        if (length > limit)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted, "Sending message exceeds the maximum configured message size."));
        }
        // A growing array is made as large as it has to be at once; a pipe has segments of its own.
        var header = target.GetSpan(target is ArrayBufferWriter<byte> ? HeaderSize + length : HeaderSize);
        header[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)length);
        target.Advance(HeaderSize);
    }

    [DoesNotReturn]
    private static void ThrowCompressed(string? encoding) =>
        throw new RpcException(encoding switch
        {
            null => new Status(StatusCode.Internal, "Request did not include grpc-encoding value with compressed message."),
            "identity" => new Status(StatusCode.Internal, "Request sent 'identity' grpc-encoding value with compressed message."),
            _ => new Status(StatusCode.Unimplemented, $"Unsupported grpc-encoding value '{encoding}'. Supported encodings: identity"),
        });
}

/// <summary>Frames what a marshaller writes, straight into the target when the length is announced first.</summary>
internal sealed class MessageWriter(IBufferWriter<byte> target, int? limit) : SerializationContext
{
    private int? _length;
    private ArrayBufferWriter<byte>? _buffer;
    private bool _started;
    private bool _completed;

    public override void SetPayloadLength(int payloadLength)
    {
        Check(!_started);
        _length = payloadLength;
    }

    public override void Complete(byte[] payload)
    {
        Check(!_started);
        _started = _completed = true;
        Framing.WriteHeader(target, payload.Length, limit);
        target.Write(payload);
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        Check(!_completed);
        if (!_started)
        {
            _started = true;
            if (_length is { } length)
            {
                Framing.WriteHeader(target, length, limit);
            }
            else
            {
                _buffer = new ArrayBufferWriter<byte>();
            }
        }
        return _buffer ?? target;
    }

    public override void Complete()
    {
        Check(_started && !_completed);
        _completed = true;
        if (_buffer != null)
        {
            Framing.WriteHeader(target, _buffer.WrittenCount, limit);
            target.Write(_buffer.WrittenSpan);
        }
    }

    private static void Check(bool valid)
    {
        if (!valid)
        {
            throw new InvalidOperationException("A marshaller calls SetPayloadLength, GetBufferWriter and Complete in this order, or Complete with all bytes once.");
        }
    }
}

internal sealed class MessagePayload(ReadOnlySequence<byte> payload) : DeserializationContext
{
    public override int PayloadLength => (int)payload.Length;

    public override byte[] PayloadAsNewBuffer() => payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => payload;
}
