using System.Net.Sockets;
using System.Text;
using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.ProcessGroups;

public class StrangerTests
{
    [Fact]
    public void Connections_from_strangers_do_not_disturb_the_rendezvous()
    {
        var store = new InMemoryRendezvousStore();
        using var first = new GlooProcessGroup(0, 3, 1, store);
        var strangers = Enumerable.Range(0, 100).Select(i => Stranger(store, i)).ToList();

        using var second = new GlooProcessGroup(1, 3, 1, store);
        strangers.AddRange(Enumerable.Range(0, 100).Select(i => Stranger(store, i)));
        using var third = new GlooProcessGroup(2, 3, 1, store);

        GlooProcessGroup[] groups = [first, second, third];
        Array.ForEach(groups, group => group.Connected.Wait());
        var errors = Ranks.Parallel(3, rank =>
        {
            using var buffer = Tensors.Of(TorchSharp.torch.ScalarType.Int32, [rank, 1]);
            groups[rank].AllReduce(buffer).Wait();
            buffer.Values().ShouldBe([3, 3]);
        });
        strangers.ForEach(stranger => stranger.Dispose());
        errors.ShouldAllBe(error => error == null);
    }

    [Fact]
    public void A_rank_of_another_generation_is_not_let_in()
    {
        // Generation 2 finds the endpoint of generation 1's rank 0 in its store.
        var store = new InMemoryRendezvousStore();
        using var old = new GlooProcessGroup(0, 2, 1, store, new GlooOptions { Timeout = TimeSpan.FromSeconds(20) });
        var endpoint = Encoding.UTF8.GetString(store.Get("process-group/1/0", Ranks.Patience));
        store.Set("process-group/1/1", Encoding.UTF8.GetBytes(endpoint));

        using var stale = new GlooProcessGroup(1, 2, 2, new StoreThatTells(endpoint, 1));
        Should.Throw<ProcessGroupException>(stale.Connected.Wait).Peer.ShouldBe(0);
        old.Connected.IsCompleted.ShouldBeFalse();
    }

    // Connects to rank 0 and, in turn, says nothing, talks garbage, talks and leaves, or resets the connection.
    private static Socket Stranger(InMemoryRendezvousStore store, int number)
    {
        var port = int.Parse(Encoding.UTF8.GetString(store.Get("process-group/1/0", Ranks.Patience)).Split(' ')[1]);
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect("127.0.0.1", port);
        if (number % 4 == 0)
        {
            return socket;
        }

        try
        {
            var garbage = new byte[1 + (number * 7)];
            new Random(number).NextBytes(garbage);
            socket.Send(garbage);
            if (number % 4 == 2)
            {
                socket.Shutdown(SocketShutdown.Both);
            }
        }
        catch (SocketException)
        {
            // Thrown out already.
        }

        if (number % 4 == 3)
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
            socket.Close();
        }

        return socket;
    }
}
