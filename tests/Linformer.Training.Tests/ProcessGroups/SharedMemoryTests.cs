using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Ranks of one machine move their bytes through memory, and through TCP where they cannot.</summary>
[Collection(nameof(Alone))]
public class SharedMemoryTests
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
        Ranks.Run(2, group =>
        {
            // A rank that is late, again and again, and messages far larger than what has room.
            for (var repetition = 0; repetition < 4; repetition++)
            {
                using var buffer = Tensors.Of(torch.ScalarType.Float32, Enumerable.Repeat(group.Rank + 1, 5_000_000));
                Thread.Sleep(repetition % 2 == group.Rank ? 100 : 0);
                group.AllReduce(buffer).Wait();
                buffer.sum().ToDouble().ShouldBe(15_000_000);
            }
        });
    }

    public static TheoryData<string> WrongOffers => ["nobody", "nothing", "a file", "a device", "a socket"];

    [Theory]
    [MemberData(nameof(WrongOffers))]
    public void An_offer_that_is_not_the_memory_of_the_two_is_not_taken(string offer)
    {
        var path = Path.GetTempFileName();
        using var file = File.Open(offer == "a device" ? "/dev/zero" : path, FileMode.Open, FileAccess.ReadWrite);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var (process, descriptor) = offer switch
        {
            "nobody" => (int.MaxValue, 3),
            "nothing" => (Environment.ProcessId, 100_000),
            "a socket" => (Environment.ProcessId, (int)socket.Handle),
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

    private static int Mappings() => File.ReadLines("/proc/self/maps").Count(line => line.Contains("memfd:linformer-link", StringComparison.Ordinal));

    private static int OpenFiles() =>
        Directory.GetFiles("/proc/self/fd").Count(file => (File.ResolveLinkTarget(file, returnFinalTarget: false)?.FullName ?? "").Contains("linformer-link", StringComparison.Ordinal));
}
