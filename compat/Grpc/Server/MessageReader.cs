using System.Buffers;
using System.IO.Pipelines;
using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server;

/// <summary>Reads messages from a request's body.</summary>
internal sealed class MessageReader(HttpContext http, int? limit)
{
    private PipeReader Body => http.Request.BodyReader;

    /// <summary>Null at the end of the body.</summary>
    public async Task<T?> ReadAsync<T>(Func<DeserializationContext, T> deserializer, CancellationToken cancellationToken)
        where T : class
    {
        var read = await FillAsync(Framing.HeaderSize, cancellationToken);
        if (read.Buffer.IsEmpty)
        {
            return null;
        }
        var length = Advance(read, Framing.HeaderSize, ReadHeader);
        if (length == 0)
        {
            return deserializer(new MessagePayload(ReadOnlySequence<byte>.Empty));
        }
        read = await FillAsync(length, cancellationToken);
        return Advance(read, length, payload => deserializer(new MessagePayload(payload)));
    }

    public async Task ExpectEndAsync()
    {
        var read = await FillAsync(1, CancellationToken.None);
        var isEnd = read.Buffer.IsEmpty;
        Body.AdvanceTo(read.Buffer.Start);
        if (!isEnd)
        {
            throw new RpcException(new Status(StatusCode.Internal, "Additional data after the message received."));
        }
    }

    private async Task<ReadResult> FillAsync(int size, CancellationToken cancellationToken)
    {
        var read = await Body.ReadAtLeastAsync(size, cancellationToken);
        if (read.IsCanceled)
        {
            Body.AdvanceTo(read.Buffer.Start);
            throw new RpcException(new Status(StatusCode.Internal, "Incoming message cancelled."));
        }
        return read;
    }

    private int ReadHeader(ReadOnlySequence<byte> bytes)
    {
        Span<byte> header = stackalloc byte[Framing.HeaderSize];
        bytes.CopyTo(header);
        return Framing.ReadHeader(header, http.Request.Headers[Wire.Encoding], limit);
    }

    private T Advance<T>(ReadResult read, int size, Func<ReadOnlySequence<byte>, T> use)
    {
        var buffer = read.Buffer;
        if (buffer.Length < size)
        {
            Body.AdvanceTo(buffer.Start, buffer.End);
            throw new RpcException(new Status(StatusCode.Internal, "Incomplete message."));
        }
        try
        {
            return use(buffer.Slice(0, size));
        }
        finally
        {
            Body.AdvanceTo(buffer.GetPosition(size));
        }
    }
}
