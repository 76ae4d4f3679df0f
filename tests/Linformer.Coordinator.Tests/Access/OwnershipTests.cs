using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class OwnershipTests : IAsyncLifetime
{
    private SecureCoordinator _coordinator = null!;
    private Metadata _ada = null!;
    private Metadata _bob = null!;

    public async Task InitializeAsync()
    {
        _coordinator = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { UnfinishedJobs = 10, CallsPerSecond = 0 } });
        _ada = await _coordinator.AsAsync("ada", Proto.Role.Submitter);
        _bob = await _coordinator.AsAsync("bob", Proto.Role.Submitter);
    }

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task A_job_is_changed_by_its_submitter_and_by_admins_and_read_by_all()
    {
        var request = TestCoordinator.Request();
        request.Submitter = "somebody-else";
        var job = (await _coordinator.Jobs.SubmitAsync(request, _bob)).Job;
        job.Submitter.ShouldBe("person:bob");

        Func<Metadata, Task<Proto.Job>>[] changes =
        [
            async caller => await _coordinator.Jobs.PauseAsync(new Proto.ChangeRequest { Job = job.Id, Who = "bob" }, caller),
            async caller => await _coordinator.Jobs.ResumeAsync(new Proto.ChangeRequest { Job = job.Id, Who = "bob" }, caller),
            async caller => await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = "small", Who = "bob" }, caller),
        ];
        foreach (var change in changes)
        {
            var refusal = await Refused.With(StatusCode.PermissionDenied, () => change(_ada));
            refusal.Status.Detail.ShouldContain(job.Id);
            refusal.Status.Detail.ShouldContain("person:bob");
        }
        var shown = await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id }, _ada);
        shown.Job.State.ShouldBe(Proto.JobState.Queued);
        shown.History.ShouldHaveSingleItem().Who.ShouldBe("person:bob");

        await changes[0](_bob);
        await changes[1](_coordinator.Admin);
        await changes[2](_bob);
        var history = (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id }, _ada)).History;
        history.Select(entry => entry.Who).Where(who => who.StartsWith("person:", StringComparison.Ordinal)).Distinct().ShouldBe(["person:bob", "person:admin"], ignoreOrder: true);
    }

    [Fact]
    public async Task Workers_are_drained_by_admins()
    {
        using var agent = new FakeAgent(_coordinator.Coordinator);
        await agent.JoinAsync();
        var request = new Proto.DrainWorkerRequest { Worker = "w1", Who = "somebody", Why = "repair" };
        await Refused.With(StatusCode.PermissionDenied, async () => await _coordinator.Workers.DrainAsync(request, _bob));
        (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest(), _ada)).Workers.ShouldHaveSingleItem().Drained.ShouldBeFalse();
        (await _coordinator.Workers.DrainAsync(request, _coordinator.Admin)).Drained.ShouldBeTrue();
    }

    [Fact]
    public async Task A_key_of_another_user_neither_gives_away_that_job_nor_stands_in_the_way()
    {
        var key = Guid.NewGuid().ToString();
        var first = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request("secret-plan", key: key), _ada);
        var other = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request("other-plan", key: key), _bob);
        (other.Existed, other.Job.Name, other.Job.Submitter).ShouldBe((false, "other-plan", "person:bob"));
        var again = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request("secret-plan", key: key), _ada);
        (again.Existed, again.Job.Id).ShouldBe((true, first.Job.Id));
        // An own key with another file is refused as ever, with the key as it was given.
        var refusal = await Refused.With(StatusCode.AlreadyExists, async () => await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request("third", key: key), _bob));
        refusal.Status.Detail.ShouldContain($"'{key}'");
        refusal.Status.Detail.ShouldContain(other.Job.Id);
        refusal.Status.Detail.ShouldNotContain(first.Job.Id);
    }

    [Fact]
    public async Task Sixty_submissions_at_once_do_not_exceed_what_a_user_may_have()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            try
            {
                await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request($"job-{i}"), _ada);
                return "";
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.ResourceExhausted)
            {
                return exception.Status.Detail;
            }
        }));
        results.Count(result => result.Length == 0).ShouldBe(10);
        results.Where(result => result.Length > 0).ShouldAllBe(result => result.Contains("person:ada has 10 jobs that have not ended"));
        var jobs = (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { PageSize = 500 }, _ada)).Jobs;
        jobs.Count.ShouldBe(10);

        // Others have their own; one that has ended makes room.
        await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _bob);
        await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = jobs[0].Id }, _ada);
        await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _ada);
        await Refused.With(StatusCode.ResourceExhausted, async () => await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _ada));
    }

    [Fact]
    public async Task A_submission_that_is_sent_again_is_found_at_the_limit_too()
    {
        var key = Guid.NewGuid().ToString();
        var first = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(key: key), _ada);
        for (var i = 1; i < 10; i++)
            await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), _ada);
        (await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(key: key), _ada)).Job.Id.ShouldBe(first.Job.Id);
    }
}
