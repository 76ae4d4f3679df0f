using System.Runtime.InteropServices;
using System.Text;

namespace Linformer.Training.ProcessGroups;

/// <summary>
/// Gloo's collectives on raw memory. Every call but <see cref="Abort"/> waits until it is done; one
/// call at a time, in the same order on all ranks. Memory must stay where it is during a call.
/// </summary>
internal sealed class GlooContext : IDisposable
{
    private const int EndpointCapacity = 128;

    private readonly GlooHandle _handle;

    /// <summary>Starts to listen on a numeric address, at a port that the system chooses.</summary>
    /// <exception cref="NativeException">The address cannot be listened on.</exception>
    public unsafe GlooContext(int rank, int size, long generation, string bindAddress, bool sharesMemory)
    {
        Check(NativeMethods.Create(rank, size, generation, bindAddress, sharesMemory ? 1 : 0, out _handle, out var error), error);
        var text = stackalloc byte[EndpointCapacity];
        Check(NativeMethods.Endpoint(_handle, text, EndpointCapacity, out error), error);
        PortAndToken = Marshal.PtrToStringUTF8((nint)text)!;
    }

    /// <summary>What the others need to connect, behind the address under which this machine is reached.</summary>
    public string PortAndToken { get; }

    /// <summary>Connects with all other ranks.</summary>
    /// <param name="endpoints">"address port token" of every rank.</param>
    /// <param name="timeout">How long it may take.</param>
    public void Connect(IReadOnlyList<string> endpoints, TimeSpan timeout)
    {
        var lines = new StringBuilder();
        foreach (var endpoint in endpoints)
        {
            lines.Append(endpoint).Append('\n');
        }

        Check(NativeMethods.Connect(_handle, lines.ToString(), Milliseconds(timeout), out var error), error);
    }

    /// <summary>Combines the data of all ranks, in place.</summary>
    public void AllReduce(nint data, long count, ElementType type, ReduceOperation operation, TimeSpan timeout)
        => Check(NativeMethods.AllReduce(_handle, data, count, type, operation, Milliseconds(timeout), out var error), error);

    /// <summary>Sums the float32 data of all ranks, in place; what travels is rounded to bfloat16.</summary>
    public void AllReduceRounded(nint data, long count, TimeSpan timeout)
        => Check(NativeMethods.AllReduceRounded(_handle, data, count, Milliseconds(timeout), out var error), error);

    /// <summary>Combines the inputs of all ranks; each gets its part.</summary>
    /// <param name="input">worldSize · count elements.</param>
    /// <param name="output">count elements.</param>
    /// <param name="count">The elements of one rank.</param>
    /// <param name="type">The type of an element.</param>
    /// <param name="operation">How elements are combined.</param>
    /// <param name="timeout">How long it may take.</param>
    public void ReduceScatter(
        nint input, nint output, long count, ElementType type, ReduceOperation operation, TimeSpan timeout)
        => Check(
            NativeMethods.ReduceScatter(
                _handle, input, output, count, type, operation, Milliseconds(timeout), out var error),
            error);

    /// <summary>Puts the inputs of all ranks one behind the other.</summary>
    /// <param name="input">count elements.</param>
    /// <param name="output">worldSize · count elements.</param>
    /// <param name="count">The elements of one rank.</param>
    /// <param name="type">The type of an element.</param>
    /// <param name="timeout">How long it may take.</param>
    public void AllGather(nint input, nint output, long count, ElementType type, TimeSpan timeout)
        => Check(
            NativeMethods.AllGather(_handle, input, output, count, type, Milliseconds(timeout), out var error), error);

    /// <summary>Copies the data of one rank to all.</summary>
    public void Broadcast(nint data, long count, ElementType type, int root, TimeSpan timeout)
        => Check(NativeMethods.Broadcast(_handle, data, count, type, root, Milliseconds(timeout), out var error), error);

    /// <summary>Waits until all ranks have called it.</summary>
    public void Barrier(TimeSpan timeout)
        => Check(NativeMethods.Barrier(_handle, Milliseconds(timeout), out var error), error);

    /// <summary>Ends the call that runs, and every later one, at once. From any thread.</summary>
    public void Abort() => NativeMethods.Abort(_handle);

    public void Dispose() => _handle.Dispose();

    private static long Milliseconds(TimeSpan timeout) => (long)Math.Ceiling(timeout.TotalMilliseconds);

    private static void Check(NativeCode code, NativeError error)
    {
        if (code != NativeCode.Ok)
        {
            throw new NativeException(code, error.Peer, error.Message);
        }
    }
}

/// <summary>What the native library reported.</summary>
internal class NativeException(NativeCode code, int? peer, string message) : Exception(message)
{
    public NativeCode Code => code;

    public int? Peer => peer;
}
