using Linformer.Worker.Machines;

namespace Linformer.Worker.Tests.Machines;

/// <summary>Readings of machines that are folders.</summary>
public sealed class MachineReaderTests : IDisposable
{
    private const string Memory = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-machine-");
    private readonly HandSetTime _time = new();

    [Fact]
    public void TheMachineCountsWhereNothingLimitsThisProcess()
    {
        // user nice system idle iowait irq softirq steal guest guest_nice
        Write("proc/stat", "cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n");
        Write("proc/meminfo", Memory);
        var reader = Reader();
        reader.Read().ShouldBeNull();

        Write("proc/stat", "cpu  120 5 60 840 60 1 2 2 9 9\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n");

        reader.ReadMemory().ShouldBe(1000 << 10);
        // Of 90 ticks, 40 were busy: 20 + 5 + 10 + 1 + 2 + 2.
        reader.Read().ShouldBe(new MachineLoad(44.4, 2, 600 << 10, 1000 << 10, 0));
        reader.Read().ShouldBeNull();
    }

    [Fact]
    public void TheTightestLimitOfTheGroupsAroundThisProcessCounts()
    {
        Write("proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\n");
        Write("proc/meminfo", Memory);
        Write("proc/self/cgroup", "1:name=systemd:/other\n0::/pods/pod7/main\n");
        Write("group/pods/pod7/main/cpu.max", "max 100000\n");
        Write("group/pods/pod7/main/memory.max", "max\n");
        Write("group/pods/pod7/cpu.max", "150000 100000\n");
        Write("group/pods/pod7/cpu.stat", "usage_usec 5000000\nuser_usec 1\n");
        Write("group/pods/pod7/memory.max", "500000\n");
        Write("group/pods/pod7/memory.current", "300000\n");
        Write("group/pods/pod7/memory.stat", "anon 1\ninactive_file 100000\nactive_file 7\n");
        Write("group/pods/cpu.max", "300000 100000\n");
        Write("group/pods/memory.max", "900000\n");
        var reader = Reader();
        reader.Read().ShouldBeNull();

        _time.Pass(10);
        Write("group/pods/pod7/cpu.stat", "usage_usec 11000000\n");

        reader.ReadMemory().ShouldBe(500_000);
        // Six seconds of the fifteen that one and a half processors have in ten.
        reader.Read().ShouldBe(new MachineLoad(40, 2, 200_000, 500_000, 0));
    }

    [Fact]
    public void ALimitBeyondTheMachineIsNone()
    {
        Write("proc/stat", "cpu  0 0 0 0 0 0 0 0\ncpu0 1\n");
        Write("proc/meminfo", Memory);
        Write("proc/self/cgroup", "0::/\n");
        Write("group/cpu.max", "800000 100000\n");
        Write("group/cpu.stat", "usage_usec 1\n");
        Write("group/memory.max", "99999999999\n");
        Write("group/memory.current", "5\n");
        var reader = Reader();
        reader.Read();
        Write("proc/stat", "cpu  1 0 0 3 0 0 0 0\ncpu0 1\n");
        _time.Pass(1);

        reader.Read().ShouldBe(new MachineLoad(25, 1, 600 << 10, 1000 << 10, 0));
    }

    [Theory]
    [InlineData("", Memory)]
    [InlineData("cpu x y z\n", Memory)]
    [InlineData("cpu  1 2\n", Memory)]
    [InlineData("cpu  1 2 3 4 -5 6 7 8\n", Memory)]
    [InlineData("cpu  1 2 3 4 5 6 7 8\n", "MemTotal: 5 kB\n")]
    [InlineData("cpu  1 2 3 4 5 6 7 8\n", "MemTotal: 5 kB\nMemAvailable: 9223372036854775807 kB\n")]
    public void WhatCannotBeReadIsNoReading(string stat, string memory)
    {
        Write("proc/stat", stat);
        Write("proc/meminfo", memory);
        var reader = Reader();
        reader.Read().ShouldBeNull();
        reader.Read().ShouldBeNull();
        new MachineReader(_time, Path.Combine(_folder.FullName, "none"), "none").Read().ShouldBeNull();
    }

    [Fact]
    public void ThisMachineIsBetweenIdleAndFull()
    {
        var reader = new MachineReader(TimeProvider.System);
        reader.Read();
        MachineLoad? load;
        while ((load = reader.Read()) is null)
        {
            Thread.Sleep(10);
        }

        load.Value.ProcessorPercent.ShouldBeInRange(0, 100);
        load.Value.Processors.ShouldBeGreaterThan(0);
        // What the collector goes by is the machine's memory, or the share of a limit that it may take.
        load.Value.MemoryBytes.ShouldBeGreaterThanOrEqualTo(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        load.Value.UsedMemoryBytes.ShouldBeInRange(Environment.WorkingSet / 2, load.Value.MemoryBytes);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private MachineReader Reader() => new(_time, Path.Combine(_folder.FullName, "proc"), Path.Combine(_folder.FullName, "group"));

    private void Write(string file, string text)
    {
        var path = Path.Combine(_folder.FullName, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private sealed class HandSetTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _now;

        public void Pass(int seconds) => _now += seconds;
    }
}
