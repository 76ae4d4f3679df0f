using Google.Protobuf;
using Grpc.Core;
using Interop.Grpc.Contract;

namespace Interop.Grpc;

/// <summary>The service of echo.proto.</summary>
internal sealed class EchoService(EchoService.Counter cancelled) : Echo.EchoBase
{
    public const string Detail = "größer als 100 %\nund 🙂";

    public static readonly byte[] Bytes = [0, 1, 127, 128, 255, 10, 13];

    public override async Task<Part> Unary(Part request, ServerCallContext context)
    {
        switch (request.Text)
        {
            case "fail":
                throw Failure((StatusCode)request.Number);
            case "wait":
                await WaitAsync(context);
                return request;
            case "size":
                return new Part { Data = ByteString.CopyFrom(new byte[request.Number]) };
            case "cancelled":
                return new Part { Number = cancelled.Value };
            default:
                await EchoMetadataAsync(context);
                return request;
        }
    }

    public override async Task Download(Part request, IServerStreamWriter<Part> responseStream, ServerCallContext context)
    {
        for (var i = 0; i < request.Number; i++)
        {
            await responseStream.WriteAsync(new Part { Number = i });
        }
        if (request.Text == "fail")
        {
            throw Failure(StatusCode.Aborted);
        }
        if (request.Text == "wait")
        {
            await WaitAsync(context);
        }
    }

    public override async Task<Part> Upload(IAsyncStreamReader<Part> requestStream, ServerCallContext context)
    {
        var answer = new Part();
        await foreach (var part in requestStream.ReadAllAsync())
        {
            answer.Number++;
            answer.Text += part.Text;
        }
        return answer;
    }

    public override async Task Talk(
        IAsyncStreamReader<Part> requestStream, IServerStreamWriter<Part> responseStream, ServerCallContext context)
    {
        await foreach (var part in requestStream.ReadAllAsync())
        {
            await responseStream.WriteAsync(part);
        }
    }

    private static RpcException Failure(StatusCode code) =>
        new(new Status(code, Detail), new Metadata { { "late-text", "sorry" }, { "late-data-bin", Bytes } });

    private static async Task EchoMetadataAsync(ServerCallContext context)
    {
        var headers = new Metadata();
        if (context.RequestHeaders.GetValue("x-text") is { } text)
        {
            headers.Add("back-text", text);
            context.ResponseTrailers.Add("late-text", text);
        }
        if (context.RequestHeaders.GetValueBytes("x-data-bin") is { } bytes)
        {
            headers.Add("back-data-bin", bytes);
            context.ResponseTrailers.Add("late-data-bin", bytes);
        }
        await context.WriteResponseHeadersAsync(headers);
    }

    private async Task WaitAsync(ServerCallContext context)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }
        finally
        {
            cancelled.Add();
        }
    }

    public sealed class Counter
    {
        private int _value;

        public int Value => Volatile.Read(ref _value);

        public void Add() => Interlocked.Increment(ref _value);
    }
}
