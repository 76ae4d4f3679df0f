using System.Text;
using Linformer.Coordinator.Rendezvous;

namespace Linformer.Coordinator.Tests.Rendezvous;

public class RendezvousLogTests
{
    [Fact]
    public void Values_are_read_in_order_from_a_cursor_on()
    {
        var log = new RendezvousLog(1);
        log.Set(0, 1, Entry("a")).ShouldBeTrue();
        var first = log.Read(0, 1, "");
        log.Set(0, 1, Entry("b"));

        Keys(first).ShouldBe("a");
        Keys(log.Read(0, 1, first.Cursor)).ShouldBe("b");
        Keys(log.Read(0, 1, "")).ShouldBe("a b");
    }

    [Fact]
    public void The_same_value_again_is_kept_once()
    {
        var log = new RendezvousLog(1);
        log.Set(0, 1, Entry("a"));

        log.Set(0, 1, Entry("a")).ShouldBeFalse();
        Keys(log.Read(0, 1, "")).ShouldBe("a");
    }

    [Fact]
    public void A_newer_generation_drops_the_older_and_late_values_of_it()
    {
        var log = new RendezvousLog(1);
        log.Set(0, 1, Entry("a"));
        log.Set(0, 2, Entry("b"));

        log.Set(0, 1, Entry("late")).ShouldBeFalse();
        Keys(log.Read(0, 2, "")).ShouldBe("b");
        Keys(log.Read(0, 1, "")).ShouldBe("");
        log.Set(1, 1, Entry("c")).ShouldBeTrue();
        Keys(log.Read(1, 1, "")).ShouldBe("c");
    }

    [Fact]
    public void A_cursor_of_another_log_begins_anew()
    {
        var before = new RendezvousLog(1);
        before.Set(0, 1, Entry("a"));
        before.Set(0, 1, Entry("b"));
        var cursor = before.Read(0, 1, "").Cursor;
        var log = new RendezvousLog(2);
        log.Set(0, 1, Entry("b"));
        log.Set(0, 1, Entry("a"));
        log.Set(0, 1, Entry("c"));

        Keys(log.Read(0, 1, cursor)).ShouldBe("b a c");
        Keys(log.Read(0, 1, "2:99")).ShouldBe("b a c");
        Keys(log.Read(0, 1, "nonsense")).ShouldBe("b a c");
    }

    [Fact]
    public void Pages_and_values_are_bounded()
    {
        var log = new RendezvousLog(1);
        for (var i = 0; i < 1100; i++)
            log.Set(0, 1, Entry($"k{i}"));

        var page = log.Read(0, 1, "");

        page.Entries.Length.ShouldBe(1000);
        log.Read(0, 1, page.Cursor).Entries.Length.ShouldBe(100);
        Should.Throw<ArgumentException>(() => log.Set(0, 1, Entry("big") with { Value = [.. new byte[RendezvousLog.LargestValue + 1]] }))
            .Message.ShouldContain("'big' has 65,537 bytes; allowed are 0 to 65,536");
        Should.Throw<ArgumentException>(() => log.Set(0, 1, Entry(""))).Message.ShouldContain("allowed are 1 to 512");
    }

    [Fact]
    public void A_generation_has_a_limit_in_bytes()
    {
        var log = new RendezvousLog(1);
        for (var i = 0; i < RendezvousLog.MostBytes / RendezvousLog.LargestValue; i++)
            log.Set(0, 1, new RendezvousEntry("w1", $"k{i}", [.. new byte[RendezvousLog.LargestValue]]));

        Should.Throw<ArgumentException>(() => log.Set(0, 1, Entry("more"))).Message.ShouldContain("of together 64 MiB");
        log.Set(0, 2, Entry("next")).ShouldBeTrue();
    }

    private static RendezvousEntry Entry(string key) => new("w1", key, [.. Encoding.UTF8.GetBytes("value of " + key)]);

    private static string Keys(RendezvousPage page) => string.Join(' ', page.Entries.Select(entry => entry.Key));
}
