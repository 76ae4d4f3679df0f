namespace Linformer.Training.Tests.ProcessGroups;

[Trait("Lane", "Processes")]
public sealed class RankProcessTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    private readonly string _folder = Directory.CreateTempSubdirectory("ranks-").FullName;
    private readonly List<RankProcess> _ranks = [];

    public void Dispose()
    {
        _ranks.ForEach(rank => rank.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(10, "gloo")]
    [InlineData(4_000_000, "gloo")]
    [InlineData(4_000_000, "tcp")]
    public void When_a_rank_is_killed_all_others_fail_and_end(int elements, string transport)
    {
        // With a timeout of ten minutes: nobody may depend on it.
        Start(4, elements, Long, transport);
        _ranks.ForEach(rank => rank.LastSum.ShouldBe("sum 4"));
        _ranks[1].Send("KILL");

        foreach (var survivor in new[] { _ranks[0], _ranks[2], _ranks[3] })
        {
            var (code, line) = survivor.WaitForExit();
            code.ShouldBe(3);
            line.ShouldMatch(@"^ProcessGroupException peer [0-3]: all-reduce of \d+ bytes on rank [0-3] of 4, generation 1: lost rank [0-3]: ");
        }
    }

    [Fact]
    public void Abort_ends_the_wait_for_a_rank_that_is_stopped()
    {
        Start(3, elements: 4_000_000, Long);
        _ranks[2].Send("STOP");
        _ranks[0].Abort("rank 2 hangs");

        _ranks[0].WaitForExit().ShouldBe(
            (3, "ProcessGroupAbortedException peer : all-reduce of 16000000 bytes on rank 0 of 3, generation 1: aborted: rank 2 hangs"));
        var (code, line) = _ranks[1].WaitForExit();
        code.ShouldBe(3);
        line.ShouldContain("lost rank 0");
    }

    [Theory]
    [InlineData("gloo")]
    [InlineData("tcp")]
    public void A_rank_that_is_stopped_is_noticed_at_the_timeout(string transport)
    {
        Start(2, elements: 1000, TimeSpan.FromSeconds(5), transport);
        _ranks[1].Send("STOP");
        var (code, line) = _ranks[0].WaitForExit();
        code.ShouldBe(3);
        line.ShouldStartWith("ProcessGroupException peer 1: ");
        line.ShouldContain("timed out waiting for rank 1");
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 60)]
    [InlineData(1, 20)]
    [InlineData(2, 40)]
    [Trait("Speed", "Slow")]
    public void A_rank_that_is_killed_while_state_is_handed_over_leaves_the_others_as_they_were(int killed, int milliseconds)
    {
        for (var rank = 0; rank < 3; rank++)
        {
            _ranks.Add(RankProcess.Exchanging(rank, worldSize: 3, _folder, elements: 3_000_000));
        }

        _ranks.ForEach(rank => rank.WaitUntilItWorks());
        Thread.Sleep(milliseconds);
        _ranks[killed].Send("KILL");
        foreach (var survivor in _ranks.Where((_, rank) => rank != killed))
        {
            var (code, line) = survivor.WaitForExit();
            code.ShouldBe(3, line);
            line.ShouldStartWith("kept: ");
            survivor.LastSum.ShouldBe("sum got");
        }
    }

    private void Start(int worldSize, int elements, TimeSpan timeout, string transport = "gloo")
    {
        for (var rank = 0; rank < worldSize; rank++)
        {
            _ranks.Add(new RankProcess(rank, worldSize, _folder, elements, timeout, [new("LINFORMER_PROCESS_GROUP", transport)]));
        }

        _ranks.ForEach(rank => rank.WaitUntilItWorks());
    }
}
