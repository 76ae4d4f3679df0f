using Linformer.Coordinator.Scheduling;

namespace Linformer.Coordinator.Tests.Scheduling;

public class StragglersTests
{
    [Fact]
    public void Slow_is_who_takes_half_again_the_others_median_and_20_ms_more()
    {
        Find(100, 100, 100, 230).ShouldBe("4: 2.3");
        Find(100, 100, 149).ShouldBe("");
        Find(100, 230).ShouldBe("2: 2.3");
        Find(10, 29).ShouldBe("");
        Find(10, 31).ShouldBe("2: 3.1");
        Find(100, 200, 300, 1000).ShouldBe("4: 5.0");
    }

    [Fact]
    public void Who_is_not_known_does_not_count_and_one_alone_is_never_slow()
    {
        Find(0, 100, 230).ShouldBe("3: 2.3");
        Find(0, 230).ShouldBe("");
        Find().ShouldBe("");
    }

    private static string Find(params double[] times) => string.Join(
        ' ', Stragglers.Find([.. times.Select((time, i) => (i + 1, time))]).Select(slow => FormattableString.Invariant($"{slow.Member}: {slow.Factor:0.0}")));
}
