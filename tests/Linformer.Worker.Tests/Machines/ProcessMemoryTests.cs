using System.Globalization;
using System.Runtime.InteropServices;
using Linformer.Worker.Machines;

namespace Linformer.Worker.Tests.Machines;

public sealed class ProcessMemoryTests
{
    private const int Large = 256 << 20;

    [Fact]
    public void MemoryIsWhatTheSystemCountsInPagesAndItsPeakStays()
    {
        var before = ProcessMemory.Read();
        var block = Marshal.AllocHGlobal(Large);
        var ones = Enumerable.Repeat((byte)1, 1 << 20).ToArray();
        for (var start = 0; start < Large; start += ones.Length)
        {
            Marshal.Copy(ones, 0, block + start, ones.Length);
        }

        var with = ProcessMemory.Read();
        var pages = long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], CultureInfo.InvariantCulture);
        Marshal.FreeHGlobal(block);
        var after = ProcessMemory.Read();

        // Other tests allocate at the same time.
        ((double)with.ResidentBytes).ShouldBe(pages * (double)Environment.SystemPageSize, 0.5 * Large);
        (with.ResidentBytes - before.ResidentBytes).ShouldBeGreaterThan(Large / 2);
        after.ResidentBytes.ShouldBeLessThan(with.ResidentBytes - (Large / 2));
        after.PeakBytes.ShouldBeGreaterThanOrEqualTo(with.ResidentBytes);
    }

    [Theory]
    [InlineData("Name:\tx\nVmHWM:\t  20 kB\nVmRSS:\t  12 kB\n", 12 << 10, 20 << 10)]
    [InlineData("VmRSS:\t12 kB\n", 12 << 10, 0)]
    [InlineData("VmRSS:\tx kB\nVmHWM: -1 kB", 0, 0)]
    [InlineData("VmRSS:\nVmHWM: 99999999999999999999 kB", 0, 0)]
    [InlineData("VmHWM: 9223372036854775807 kB", 0, 0)]
    [InlineData("", 0, 0)]
    public void WhatAFileDoesNotTellIsZero(string status, long resident, long peak) =>
        ProcessMemory.OfStatus(status.Split('\n')).ShouldBe(new ProcessMemory(resident, peak));
}
