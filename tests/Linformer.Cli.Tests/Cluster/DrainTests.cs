using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class DrainTests : ClusterTest
{
    [Fact]
    public async Task A_drain_waits_until_nothing_runs_on_the_worker()
    {
        DrainWorkerRequest? sent = null;
        Coordinator.WorkersService.OnDrain = request =>
        {
            sent = request;
            return Node(drained: true, new Slot { JobId = "tiny-abcde", Rank = 1 }, new Slot { Number = 1, JobId = "big-abcde", Rank = -1 });
        };
        var looks = 0;
        Coordinator.WorkersService.OnList = () => new ListWorkersResponse
        {
            Workers = { ++looks < 3 ? Node(drained: true, new Slot { JobId = "tiny-abcde", Rank = 1 }) : Node(drained: true, new Slot()) },
        };

        (await Run("drain", "node2", "--why", "new kernel")).ShouldBe(0);

        (sent!.Worker, sent.Why, sent.Undo, sent.Who).ShouldBe(("node2", "new kernel", false, Environment.UserName));
        Error.ToString().ShouldBe("node2 hands over; still runs tiny-abcde r1, big-abcde\nnode2 hands over; still runs tiny-abcde r1\n");
        Output.ToString().ShouldBe("node2 is drained: nothing runs there.\n");
    }

    [Fact]
    public async Task Json_is_an_object_whenever_something_has_changed()
    {
        Coordinator.WorkersService.OnDrain = _ => Node(drained: true, new Slot { JobId = "tiny-abcde", Rank = 1 });
        Coordinator.WorkersService.OnList = () => new ListWorkersResponse { Workers = { Node(drained: true, new Slot()) } };

        (await Run("drain", "node2", "--output", "json")).ShouldBe(0);

        Lines().Length.ShouldBe(2);
        Lines().ShouldAllBe(line => line.Contains("\"drained\":true", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_worker_that_has_left_is_not_waited_for()
    {
        Coordinator.WorkersService.OnDrain = _ => Node(drained: true, new Slot { JobId = "tiny-abcde", Rank = 1 });

        (await Run("drain", "node2")).ShouldBe(0);

        Output.ToString().ShouldBe("node2 is drained, and is not connected any more.\n");
    }

    [Fact]
    public async Task Ctrl_c_leaves_the_drain_in_place()
    {
        Coordinator.WorkersService.OnDrain = _ => Node(drained: true, new Slot { JobId = "tiny-abcde", Rank = 1 });
        Coordinator.WorkersService.OnList = () => new ListWorkersResponse { Workers = { Node(drained: true, new Slot { JobId = "tiny-abcde", Rank = 1 }) } };

        var run = Run("drain", "node2");
        await Written(Error, "still runs");
        await CtrlC();

        (await run).ShouldBe(130);
        Error.ToString().ShouldContain("node2 stays drained");
        Error.ToString().ShouldContain($"./linformer drain node2 --undo --coordinator {Coordinator.Address}");
    }

    [Fact]
    public async Task Undo_takes_the_drain_back_and_does_not_wait()
    {
        Coordinator.WorkersService.OnDrain = request => Node(drained: !request.Undo, new Slot { JobId = "tiny-abcde", Rank = 1 });

        (await Run("drain", "node2", "--undo")).ShouldBe(0);

        Output.ToString().ShouldBe("node2 gets ranks again.\n");
    }

    [Fact]
    public async Task An_unknown_worker_is_refused_with_those_that_there_are()
    {
        Coordinator.WorkersService.OnDrain = _ => throw JobsScript.Refusal(StatusCode.NotFound, "There is no worker 'node9'; there are node1, node2.");

        (await Run("drain", "node9")).ShouldBe(1);

        Error.ToString().ShouldBe("error: There is no worker 'node9'; there are node1, node2.\n");
    }

    [Fact]
    public async Task Workers_show_who_is_drained_and_who_hands_over()
    {
        Coordinator.Workers.Workers.Add(Node(drained: true, new Slot { Device = "cpu", JobId = "tiny-abcde", Rank = 1 }));
        Coordinator.Workers.Workers.Add(Node(drained: true, new Slot { Device = "cpu" }));

        (await Run("workers")).ShouldBe(0);

        Lines()[1].ShouldContain("draining");
        Lines()[2].ShouldContain("drained");
    }

    private static Protocol.V1.Worker Node(bool drained, params Slot[] slots) => new() { Name = "node2", Alive = true, Drained = drained, Slots = { slots } };
}
