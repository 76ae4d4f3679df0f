using Grpc.Core;

namespace Grpc.ContractTests;

/// <summary>What calls are expected to end in.</summary>
internal static class Expect
{
    public static async Task<RpcException> StatusAsync<T>(AsyncUnaryCall<T> call, StatusCode code)
    {
        using (call)
        {
            var exception = await Should.ThrowAsync<RpcException>(call.ResponseAsync);
            exception.StatusCode.ShouldBe(code, exception.Status.ToString());
            call.GetStatus().StatusCode.ShouldBe(code);
            return exception;
        }
    }

    public static async Task<RpcException> StatusAsync(Task task, StatusCode code)
    {
        var exception = await Should.ThrowAsync<RpcException>(task);
        exception.StatusCode.ShouldBe(code, exception.Status.ToString());
        return exception;
    }

    public static async Task<List<T>> ReadAllAsync<T>(IAsyncStreamReader<T> stream)
    {
        var messages = new List<T>();
        await foreach (var message in stream.ReadAllAsync())
        {
            messages.Add(message);
        }
        return messages;
    }
}

/// <summary>Something that one side waits for and the other side makes happen; waiting has an end, so that no test hangs.</summary>
internal sealed class Signal
{
    private readonly TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsSet => _source.Task.IsCompleted;

    public void Set() => _source.TrySetResult();

    public Task WaitAsync() => _source.Task.WaitAsync(TimeSpan.FromSeconds(30));
}
