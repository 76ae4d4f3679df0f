namespace Linformer.Training.Tests.ProcessGroups.Nccl;

[Trait("Lane", "Processes")]
public sealed class NcclProcessTests : IDisposable
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
    [InlineData(10)]
    [InlineData(1_000_000)]
    public void When_a_rank_is_killed_all_others_fail_and_end(int elements)
    {
        Start(3, elements, Long);
        _ranks.ForEach(rank => rank.LastSum.ShouldBe("sum 3"));
        _ranks[1].Send("KILL");
        foreach (var survivor in new[] { _ranks[0], _ranks[2] })
        {
            var (code, line) = survivor.WaitForExit();
            code.ShouldBe(3, line);
            line.ShouldContain("remote process exited or there was a network error");
        }
    }

    [Fact]
    public void When_nobody_hears_of_a_rank_that_is_killed_Abort_ends_the_wait()
    {
        Start(3, elements: 1000, Long, ("NCCL_DOUBLE_SILENT_PEERS", "1"));
        _ranks[1].Send("KILL");
        _ranks[0].Abort("rank 1 is gone");
        _ranks[2].Abort("rank 1 is gone");
        foreach (var survivor in new[] { _ranks[0], _ranks[2] })
        {
            var (code, line) = survivor.WaitForExit();
            code.ShouldBe(3, line);
            line.ShouldStartWith("ProcessGroupAbortedException");
            line.ShouldEndWith("aborted: rank 1 is gone");
        }
    }

    [Fact]
    public void A_rank_that_is_stopped_is_noticed_at_the_timeout()
    {
        Start(2, elements: 1000, TimeSpan.FromSeconds(3));
        _ranks[1].Send("STOP");
        var (code, line) = _ranks[0].WaitForExit();
        code.ShouldBe(3);
        line.ShouldContain("timed out waiting for the other ranks");
    }

    [Fact]
    public void A_rank_that_is_killed_while_state_is_handed_over_leaves_the_others_as_they_were()
    {
        for (var rank = 0; rank < 3; rank++)
        {
            _ranks.Add(RankProcess.Exchanging(rank, worldSize: 3, _folder, elements: 500_000, Environment()));
        }

        _ranks.ForEach(rank => rank.WaitUntilItWorks());
        _ranks[0].Send("KILL");
        foreach (var survivor in _ranks.Skip(1))
        {
            var (code, line) = survivor.WaitForExit();
            code.ShouldBe(3, line);
            line.ShouldStartWith("kept: ");
            survivor.LastSum.ShouldBe("sum got");
        }
    }

    [Theory]
    [InlineData("NCCL_DOUBLE_VERSION", "2804", "NCCL is of version 2.8.4; at least 2.26.2 is needed.")]
    [InlineData("NCCL_DOUBLE_VERSION", "22501", "NCCL is of version 2.25.1; at least 2.26.2 is needed.")]
    [InlineData("NCCL_DOUBLE_GPUS", "0", "no GPU can be used: no CUDA-capable device is detected (CUDA 100). Check the driver with nvidia-smi, and CUDA_VISIBLE_DEVICES, which is not set.")]
    [InlineData("CUDA_VISIBLE_DEVICES", "GPU-none", "no GPU can be used: no CUDA-capable device is detected (CUDA 100). Check the driver with nvidia-smi, and CUDA_VISIBLE_DEVICES, which is 'GPU-none'.")]
    [InlineData("NCCL_DOUBLE_FAIL", "cudaGetDeviceCount=35", "no GPU can be used: CUDA driver version is insufficient for CUDA runtime version (CUDA 35).")]
    [InlineData("LINFORMER_NCCL_LIBRARY", "/nowhere/libnccl.so.2", "NCCL cannot be loaded: /nowhere/libnccl.so.2: ")]
    [InlineData("LINFORMER_NCCL_LIBRARY", "", "NCCL cannot be loaded: libnccl.so.2: ")]
    [InlineData("LINFORMER_CUDART_LIBRARY", "/nowhere/libcudart.so", "the CUDA runtime cannot be loaded: /nowhere/libcudart.so: ")]
    public void What_is_missing_is_said(string name, string value, string message)
    {
        _ranks.Add(RankProcess.Available(Environment((name, value))));
        var (code, line) = _ranks[0].WaitForExit();
        code.ShouldBe(3, line);
        line.ShouldStartWith(message);
    }

    [Fact]
    public void The_version_is_said_when_nothing_is_missing()
    {
        _ranks.Add(RankProcess.Available(Environment()));
        _ranks[0].WaitForExit().ShouldBe((0, "NCCL 2.27.3"));
    }

    private static Dictionary<string, string> Environment(params ReadOnlySpan<(string Name, string Value)> more)
    {
        var all = new Dictionary<string, string>(NcclDouble.Double.Variables, StringComparer.Ordinal) { ["LINFORMER_PROCESS_GROUP"] = "nccl" };
        foreach (var (name, value) in more)
        {
            all[name] = value;
        }

        return all;
    }

    private void Start(int worldSize, int elements, TimeSpan timeout, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        for (var rank = 0; rank < worldSize; rank++)
        {
            _ranks.Add(new RankProcess(rank, worldSize, _folder, elements, timeout, Environment(environment)));
        }

        _ranks.ForEach(rank => rank.WaitUntilItWorks());
    }
}
