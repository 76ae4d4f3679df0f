using Linformer.Chaos.Processes;

namespace Chaos;

/// <summary>Processes are found by their mark, and told apart by their state.</summary>
[Trait("Lane", "Processes")]
public sealed class ProcessTableTests : IDisposable
{
    private readonly string _mark = Guid.NewGuid().ToString("N");
    private readonly string _log = Path.GetTempFileName();

    public void Dispose() => File.Delete(_log);

    [Fact]
    public async Task A_marked_process_and_its_child_are_found_whatever_becomes_of_the_parent()
    {
        // The shell starts a sleep, tells, and waits for it.
        using var shell = OwnedProcess.Start(["/bin/sh", "-c", "sleep 600 & echo started; wait"], _mark, _log);
        await UntilAsync(() => File.ReadAllText(_log).Contains("started", StringComparison.Ordinal));
        // Maybe it has told before the other has become the sleep.
        await UntilAsync(() => ProcessTable.Children(shell.Id) is [var one] && ProcessTable.CommandLine(one) == "sleep 600");

        ProcessTable.WithVariable(OwnedProcess.MarkVariable, _mark).Count.ShouldBe(2);
        var child = ProcessTable.Children(shell.Id).ShouldHaveSingleItem();

        shell.Send(Signal.Kill);
        (await shell.WaitAsync(CancellationToken.None)).ShouldBe(128 + 9);
        ProcessTable.WithVariable(OwnedProcess.MarkVariable, _mark).ShouldBe([child]);

        ProcessTable.Send(child, Signal.Stop);
        await UntilAsync(() => !ProcessTable.IsRunning(child));
        ProcessTable.IsAlive(child).ShouldBeTrue();
        ProcessTable.Send(child, Signal.Kill);
        await UntilAsync(() => !ProcessTable.IsAlive(child));
        ProcessTable.WithVariable(OwnedProcess.MarkVariable, _mark).ShouldBeEmpty();
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!condition())
            await Task.Delay(10, limit.Token);
    }
}
