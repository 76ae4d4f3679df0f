namespace Linformer.Worker.Tests.Agents;

/// <summary>An agent that knows two coordinators.</summary>
[Trait("Lane", "Processes")]
public sealed class AgentFailoverTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task TheAgentMovesOverToTheNextOneAndObeysNoOlderOneAgain()
    {
        await using var other = await FakeCoordinator.StartNewAsync();
        other.Epoch = Coordinator.Epoch + 1;
        await other.StopAsync();
        Start(Options("train") with { OtherCoordinators = [other.Address] });
        await Coordinator.WaitAsync(Name, peer => peer.Status is null ? null : peer);

        await Coordinator.StopAsync();
        await other.StartAsync();
        (await other.WaitAsync(Name, peer => peer.Status is null ? null : peer)).Hellos[^1].SeenEpoch.ShouldBe(Coordinator.Epoch);

        // The first is back, as one that stood still would be: it is asked, and not obeyed.
        await Coordinator.StartAsync();
        var before = other.Of(Name).Hellos.Count;
        other.Drop(Name);
        await other.WaitAsync(Name, peer => peer.Hellos.Count > before ? peer : null);
        Coordinator.Of(Name).Hellos[^1].SeenEpoch.ShouldBe(other.Epoch);
    }
}
