using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.ProcessGroups;

public sealed class RendezvousStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rendezvous-").FullName;

    public static TheoryData<string> Kinds => ["memory", "files"];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_was_set_is_got_and_the_last_value_counts(string kind)
    {
        var store = Make(kind);
        var bytes = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        store.Set("a/b", [1, 2]);
        store.Set("a/b", bytes);
        store.Set("empty", []);
        store.Get("a/b", Ranks.Patience).ShouldBe(bytes);
        store.Get("empty", Ranks.Patience).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Keys_are_apart_and_never_paths(string kind)
    {
        var store = Make(kind);
        string[] keys = ["..", ".", "../outside", "a/b", "a%2Fb", "a b", "Ä", "A", "a"];
        foreach (var key in keys)
        {
            store.Set(key, [(byte)Array.IndexOf(keys, key)]);
        }

        foreach (var key in keys)
        {
            store.Get(key, Ranks.Patience).ShouldBe([(byte)Array.IndexOf(keys, key)], key);
        }

        File.Exists(Path.Combine(_folder, "..", "outside")).ShouldBeFalse();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Get_waits_for_Set(string kind)
    {
        var store = Make(kind);
        using var started = new ManualResetEventSlim();
        byte[]? value = null;
        var reader = new Thread(() =>
        {
            started.Set();
            value = store.Get("late", Ranks.Patience);
        });
        reader.Start();
        started.Wait();
        store.Set("late", [42]);
        reader.Join(Ranks.Patience).ShouldBeTrue();
        value.ShouldBe([42]);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Get_names_the_key_when_the_time_is_over(string kind)
        => Should.Throw<TimeoutException>(() => Make(kind).Get("missing", TimeSpan.FromMilliseconds(20)))
            .Message.ShouldContain("'missing'");

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Get_ends_when_it_is_cancelled(string kind)
    {
        var store = Make(kind);
        using var cancellation = new CancellationTokenSource();
        Exception? error = null;
        var reader = new Thread(() => error = Record.Exception(
            () => store.Get("missing", TimeSpan.FromHours(1), cancellation.Token)));
        reader.Start();
        cancellation.Cancel();
        reader.Join(Ranks.Patience).ShouldBeTrue();
        error.ShouldBeOfType<OperationCanceledException>();
    }

    private IRendezvousStore Make(string kind)
        => kind == "memory" ? new InMemoryRendezvousStore() : new FileRendezvousStore(_folder);
}
