using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Linformer.Training.ProcessGroups;
using Microsoft.Win32.SafeHandles;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Ranks of one machine move their bytes through memory, and through TCP where they cannot.</summary>
[Collection(nameof(Alone))]
public sealed partial class SharedMemoryTests
{
    private const int HelloBytes = 56;
    private const int TokenAt = 32;
    private const int PlaceAt = 48;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void The_results_are_those_of_TCP_bit_for_bit(int worldSize)
    {
        int[] counts = [1, 15, 4096, 262_143, 1_000_003];
        var shared = Sums(worldSize, counts, _ => new GlooOptions());
        var overTcp = Sums(worldSize, counts, _ => new GlooOptions { ShareMemory = false });
        var mixed = Sums(worldSize, counts, rank => new GlooOptions { ShareMemory = rank > 0 });

        for (var i = 0; i < shared.Length; i++)
        {
            shared[i].ShouldBe(overTcp[i]);
            mixed[i].ShouldBe(overTcp[i]);
        }
    }

    [Theory]
    [InlineData(true, true, "127.0.0.1", 2)] // Each of the two ranks in this process has it in its memory.
    [InlineData(true, false, "127.0.0.1", 0)]
    [InlineData(false, true, "127.0.0.1", 0)]
    [InlineData(true, true, "127.0.0.2", 0)]
    public void Memory_is_shared_where_both_want_it_and_have_the_same_address(bool first, bool second, string firstAddress, int mappings)
    {
        var store = new InMemoryRendezvousStore();
        using (var one = new GlooProcessGroup(0, 2, 1, store, new GlooOptions { ShareMemory = first, BindAddress = firstAddress }))
        using (var other = new GlooProcessGroup(1, 2, 1, store, new GlooOptions { ShareMemory = second }))
        {
            one.Connected.Wait();
            other.Connected.Wait();
            Mappings().ShouldBe(mappings);
            OpenFiles().ShouldBe(0);
        }

        Mappings().ShouldBe(0);
    }

    [Fact]
    public void More_than_the_memory_holds_waits_for_its_reader()
    {
        const int Count = 2_000_000;
        Ranks.Run(3, group =>
        {
            // Eight times what has room, sent whole, while one rank or another is late.
            for (var repetition = 0; repetition < 6; repetition++)
            {
                using var sent = Tensors.Of(torch.ScalarType.Float32, Enumerable.Repeat(repetition + 1, Count));
                using var gathered = torch.zeros(3 * Count);
                Thread.Sleep(repetition % 3 == group.Rank ? 100 : 0);
                group.Broadcast(sent, (repetition + 1) % 3).Wait();
                group.AllGather(sent, gathered).Wait();
                gathered.sum().ToDouble().ShouldBe(3.0 * Count * (repetition + 1));
            }
        });
    }

    public static TheoryData<string> WrongOffers => ["nobody", "nothing", "a file", "a device", "a socket", "unsealed", "too short", "nameless"];

    [Theory]
    [MemberData(nameof(WrongOffers))]
    public void An_offer_that_is_not_the_memory_of_the_two_is_not_taken(string offer)
    {
        var path = Path.GetTempFileName();
        using var file = File.Open(offer == "a device" ? "/dev/zero" : path, FileMode.Open, FileAccess.ReadWrite);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var memory = offer switch
        {
            "unsealed" => LinkMemory(SizeOfLink(), isSealed: false),
            "too short" => LinkMemory(4096, isSealed: true),
            "nameless" => LinkMemory(SizeOfLink(), isSealed: true),
            _ => -1,
        };
        using var kept = new SafeFileHandle(memory, ownsHandle: memory >= 0);
        var (process, descriptor) = offer switch
        {
            "nobody" => (int.MaxValue, 3),
            "nothing" => (Environment.ProcessId, 100_000),
            "a socket" => (Environment.ProcessId, (int)socket.Handle),
            "unsealed" or "too short" or "nameless" => (Environment.ProcessId, memory),
            _ => (Environment.ProcessId, (int)file.SafeFileHandle.DangerousGetHandle()),
        };
        var store = new InMemoryRendezvousStore();
        using var group = new GlooProcessGroup(0, 2, 1, store);
        var token = Enumerable.Range(0, 16).Select(i => (byte)i).ToArray();
        store.Set("process-group/1/1", Encoding.UTF8.GetBytes($"127.0.0.1 1 {Convert.ToHexStringLower(token)}"));
        var own = Encoding.UTF8.GetString(store.Get("process-group/1/0", Ranks.Patience)).Split(' ');

        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        peer.Connect("127.0.0.1", int.Parse(own[1]));
        peer.Send(Hello(Convert.FromHexString(own[2]), process, descriptor));
        var answer = new byte[HelloBytes];
        peer.ReceiveTimeout = (int)Ranks.Patience.TotalMilliseconds;
        for (var received = 0; received < HelloBytes;)
        {
            var count = peer.Receive(answer, received, HelloBytes - received, SocketFlags.None);
            count.ShouldBePositive();
            received += count;
        }

        group.Connected.Wait();
        answer[TokenAt..PlaceAt].ShouldBe(token);
        BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(PlaceAt)).ShouldBe(0);
        Mappings().ShouldBe(0);
        File.Delete(path);
    }

    // What rank 1 of two says first.
    private static byte[] Hello(byte[] token, int process, int descriptor)
    {
        var hello = new byte[HelloBytes];
        "!LINFOR2"u8.CopyTo(hello);
        BinaryPrimitives.WriteInt64LittleEndian(hello.AsSpan(8), 1);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(16), 1);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(24), 2);
        token.CopyTo(hello, TokenAt);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(PlaceAt), process);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(PlaceAt + 4), descriptor);
        return hello;
    }

    // What a link of two ranks takes, its own page among it.
    private static long SizeOfLink()
    {
        var store = new InMemoryRendezvousStore();
        using var one = new GlooProcessGroup(0, 2, 7, store);
        using var other = new GlooProcessGroup(1, 2, 7, store);
        one.Connected.Wait();
        other.Connected.Wait();
        var range = File.ReadLines("/proc/self/maps").First(IsLink).Split(' ')[0].Split('-');
        return long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) - long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    private static int LinkMemory(long bytes, bool isSealed)
    {
        const uint CloseOnExec = 1, AllowSealing = 2;
        const int AddSeals = 1033, SealShrinkGrow = 1 | 2 | 4;
        var descriptor = MemoryFile("linformer-link", CloseOnExec | AllowSealing);
        descriptor.ShouldBePositive();
        Truncate(descriptor, bytes).ShouldBe(0);
        if (isSealed)
        {
            Control(descriptor, AddSeals, SealShrinkGrow).ShouldBe(0);
        }

        return descriptor;
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemoryFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int Truncate(int descriptor, long bytes);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, nint argument);

    // Rank 0's results of an all-reduce, a rounded one, a reduce-scatter and an all-gather for each count.
    private static float[][] Sums(int worldSize, int[] counts, Func<int, GlooOptions> options)
    {
        var store = new InMemoryRendezvousStore();
        var results = new List<float[]>();
        var errors = Ranks.Parallel(worldSize, rank =>
        {
            using var group = new GlooProcessGroup(rank, worldSize, 1, store, options(rank));
            foreach (var count in counts)
            {
                using var own = torch.randn(count, generator: new torch.Generator((ulong)(rank + 1)));
                using var sum = own.clone();
                using var rounded = own.clone();
                using var gathered = torch.zeros(count * worldSize);
                using var part = torch.zeros(count);
                group.AllReduce(sum).Wait();
                group.AllReduce(rounded, wire: WireFormat.BFloat16).Wait();
                group.AllGather(own, gathered).Wait();
                group.ReduceScatter(gathered, part).Wait();
                if (rank == 0)
                {
                    results.AddRange([.. new[] { sum, rounded, gathered, part }.Select(tensor => tensor.data<float>().ToArray())]);
                }
            }
        });
        errors.ShouldAllBe(error => error == null);
        return [.. results];
    }

    private static bool IsLink(string text) => text.Contains("memfd:linformer-link", StringComparison.Ordinal);

    private static int Mappings() => File.ReadLines("/proc/self/maps").Count(IsLink);

    private static int OpenFiles() => Directory.GetFiles("/proc/self/fd").Count(file =>
    {
        try
        {
            return IsLink(File.ResolveLinkTarget(file, returnFinalTarget: false)?.FullName ?? "");
        }
        catch (IOException)
        {
            return false; // Closed meanwhile.
        }
    });
}
