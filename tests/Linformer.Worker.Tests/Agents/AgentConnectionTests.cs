using Grpc.Core;
using Linformer.Protocol.Wire;
using Linformer.Worker.Agents;
using Linformer.Worker.Machines;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

[Trait("Lane", "Processes")]
public sealed class AgentConnectionTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task TheAgentSaysWhoItIs()
    {
        Start(Options("train", slots: 3) with { Address = "10.1.2.3", Processor = new Processor(Bfloat16: true, MemoryBytes: 3000) });

        var hello = (await Coordinator.WaitAsync(Name, peer => peer.Status is null ? null : peer)).Hellos[0];

        (hello.ProtocolVersion, hello.Name, hello.Host, hello.ProcessId, hello.Address).ShouldBe((ProtocolVersion.Current, Name, Environment.MachineName, Environment.ProcessId, "10.1.2.3"));
        hello.Slots.Select(slot => (slot.Number, slot.Device)).ShouldBe([(0, "cpu"), (1, "cpu"), (2, "cpu")]);
        hello.Slots.ShouldAllBe(slot => slot.Bfloat16 && slot.MemoryBytes == 1000);
        hello.Version.ShouldNotBeEmpty();
        hello.InstanceId.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task HeartbeatsComeWithoutAChange()
    {
        Start(Options("train"));
        await Coordinator.WaitAsync(Name, peer => peer.Statuses.Count >= 4 ? peer : null);
    }

    [Fact]
    public async Task AWrongTokenIsFinal()
    {
        var (_, running) = Start(Options("train") with { JoinToken = "another" });

        (await Should.ThrowAsync<AgentRefusedException>(running)).Message.ShouldBe("The join token is wrong.");
    }

    [Theory]
    [InlineData(StatusCode.AlreadyExists)]
    [InlineData(StatusCode.FailedPrecondition)]
    [InlineData(StatusCode.InvalidArgument)]
    public async Task ARefusalIsFinalAndEndsTheRanks(StatusCode code)
    {
        var (_, running) = Start(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.ProcessId > 0);

        Coordinator.Refuse = _ => new Status(code, "No, thanks.");
        Coordinator.Drop(Name);

        (await Should.ThrowAsync<AgentRefusedException>(running)).Message.ShouldBe("No, thanks.");
        members.ShouldAllBe(member => IsGone(member.ProcessId));
    }

    [Fact]
    public async Task AFinalGoodbyeIsFinal()
    {
        var (_, running) = Start(Options("train"));
        await Coordinator.WaitAsync(Name, peer => peer.Status);

        Coordinator.Send(Name, new V1.CoordinatorMessage { Goodbye = new V1.Goodbye { Reason = "another worker has the name", Final = true } });

        (await Should.ThrowAsync<AgentRefusedException>(running)).Message.ShouldBe("another worker has the name");
    }

    [Fact]
    public async Task AfterAnotherGoodbyeItComesBack()
    {
        Start(Options("train"));
        await Coordinator.WaitAsync(Name, peer => peer.Status);

        Coordinator.Send(Name, new V1.CoordinatorMessage { Goodbye = new V1.Goodbye { Reason = "restarting" } });

        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count == 2 ? peer : null);
    }

    [Fact]
    public async Task ACoordinatorThatIsNotThereYetIsWaitedFor()
    {
        await Coordinator.StopAsync();
        var (leave, running) = Start(Options("train"));
        await WaitForEventAsync("No connection with the coordinator");
        running.IsCompleted.ShouldBeFalse();

        await Coordinator.StartAsync();

        await Coordinator.WaitAsync(Name, peer => peer.Status);
        await leave.CancelAsync();
        await running;
    }

    [Fact]
    public async Task OneThatHasNobodyToTellLeavesAtOnce()
    {
        await Coordinator.StopAsync();
        var (leave, running) = Start(Options("train"));

        await leave.CancelAsync();

        await running.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task ACoordinatorOfALowerEpochIsNotObeyed()
    {
        Start(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.ProcessId > 0);

        Coordinator.Epoch = 2;
        Coordinator.Assign(Name, assignment => assignment.Groups.Clear());
        Coordinator.Drop(Name);
        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count >= 3 ? peer : null);
        members.ShouldAllBe(member => !IsGone(member.ProcessId));

        Coordinator.Epoch = 4;
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Groups.Count: 0 } status ? status : null);
        members.ShouldAllBe(member => IsGone(member.ProcessId));
    }

    [Fact]
    public async Task AnOlderAssignmentIsIgnored()
    {
        Start(Options("talks"));
        Coordinator.Assign(Name, _ => { });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.ProcessId > 0);

        Coordinator.Send(Name, new V1.CoordinatorMessage { Assignment = new V1.Assignment { Epoch = Coordinator.Epoch, Revision = 1 } });
        Coordinator.Send(Name, new V1.CoordinatorMessage { TelemetryAck = new V1.TelemetryAck { Sequence = long.MaxValue } });
        Coordinator.Send(Name, new V1.CoordinatorMessage());
        Coordinator.Send(Name, new V1.CoordinatorMessage { Rendezvous = new V1.RendezvousValues { Values = { new V1.RendezvousValue { JobId = "who" } } } });
        await Task.Delay(500);

        members.ShouldAllBe(member => !IsGone(member.ProcessId));
        Coordinator.Of(Name).Hellos.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task TheStorageOfTheCoordinatorIsRecognised()
    {
        Coordinator.StorageId = "0123";
        await File.WriteAllTextAsync(Path.Combine(Folder, "storage-id"), "0123\n");
        Start(Options("train"));

        await Coordinator.WaitAsync(Name, peer => peer.Status);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task AStorageThatIsAwayForAWhileEndsNobody(string? content)
    {
        var id = Path.Combine(Folder, "storage-id");
        Coordinator.StorageId = "0123";
        await File.WriteAllTextAsync(id, "0123\n");
        var (_, running) = Start(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.ProcessId > 0);

        File.Delete(id);
        if (content is not null)
        {
            await File.WriteAllTextAsync(id, content);
        }

        Coordinator.Drop(Name);
        var unfit = await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count >= 2 && peer.Status is { Unfit.Length: > 0 } status ? status : null);
        unfit.Unfit.ShouldStartWith($"the storage at {Folder} is not the cluster's any more: its file storage-id ");
        running.IsCompleted.ShouldBeFalse();
        members.ShouldAllBe(member => !IsGone(member.ProcessId));

        await File.WriteAllTextAsync(id, "4567\n");
        Coordinator.Drop(Name);
        (await Should.ThrowAsync<AgentRefusedException>(running)).Message.ShouldContain("has the id '4567'");
    }

    [Theory]
    [InlineData(null, "its file storage-id is not there")]
    [InlineData("", "its file storage-id has the id '', and the coordinator's has '0123'")]
    [InlineData("4567\n", "its file storage-id has the id '4567', and the coordinator's has '0123'")]
    public async Task AFolderThatIsNotTheCoordinatorsStorageIsRefused(string? content, string reason)
    {
        Coordinator.StorageId = "0123";
        if (content is not null)
        {
            await File.WriteAllTextAsync(Path.Combine(Folder, "storage-id"), content);
        }

        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var (_, running) = Start(Options("train"));

        (await Should.ThrowAsync<AgentRefusedException>(running)).Message.ShouldBe(
            $"The folder {Folder} of this worker is not the coordinator's storage root: {reason}. "
            + "Mount the storage that the coordinator uses, and start the worker with that folder as --data.");
        var told = Coordinator.Of(Name).Statuses.ShouldHaveSingleItem();
        told.Draining.ShouldBeTrue();
        told.Unfit.ShouldContain(reason);
        Directory.Exists(Path.Combine(Folder, "jobs")).ShouldBeFalse();
    }

    [Fact]
    public async Task SettingsThatCannotBeAreNamed()
    {
        (await Should.ThrowAsync<ArgumentException>(Start(Options("x") with { Slots = 0 }).Running)).Message.ShouldContain("slots are 0");
        (await Should.ThrowAsync<ArgumentException>(Start(Options("x") with { JoinToken = "a\nb" }).Running)).Message.ShouldContain("join token");
        (await Should.ThrowAsync<ArgumentException>(Start(Options("x") with { StorageRoot = "/no/such" }).Running)).Message.ShouldContain("/no/such");
        (await Should.ThrowAsync<ArgumentException>(Start(Options("x") with { Watchdog = new WatchdogOptions { Silence = TimeSpan.FromSeconds(0.1) } }).Running)).Message.ShouldContain("is 0.1 s; at least 0.5 s");
        (await Should.ThrowAsync<ArgumentException>(Start(Options("x") with { Coordinator = new Uri("ftp://a") }).Running)).Message.ShouldContain("ftp://a");
    }
}
