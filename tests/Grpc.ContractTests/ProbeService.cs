using Grpc.ContractTests.Contract;
using Grpc.Core;

namespace Grpc.ContractTests;

/// <summary>What the methods of a server do; each test sets what it needs.</summary>
internal sealed class Handlers
{
    public Func<Part, ServerCallContext, Task<Part>> Unary { get; init; } = (_, _) => throw new NotSupportedException();

    public Func<Part, IServerStreamWriter<Part>, ServerCallContext, Task> Download { get; init; } = (_, _, _) => throw new NotSupportedException();

    public Func<IAsyncStreamReader<Part>, ServerCallContext, Task<Part>> Upload { get; init; } = (_, _) => throw new NotSupportedException();

    public Func<IAsyncStreamReader<Part>, IServerStreamWriter<Part>, ServerCallContext, Task> Talk { get; init; } = (_, _, _) => throw new NotSupportedException();
}

internal sealed class ProbeService(Handlers handlers) : Probe.ProbeBase
{
    public override Task<Part> Unary(Part request, ServerCallContext context) => handlers.Unary(request, context);

    public override Task Download(Part request, IServerStreamWriter<Part> responseStream, ServerCallContext context) =>
        handlers.Download(request, responseStream, context);

    public override Task<Part> Upload(IAsyncStreamReader<Part> requestStream, ServerCallContext context) =>
        handlers.Upload(requestStream, context);

    public override Task Talk(
        IAsyncStreamReader<Part> requestStream, IServerStreamWriter<Part> responseStream, ServerCallContext context) =>
        handlers.Talk(requestStream, responseStream, context);
}
