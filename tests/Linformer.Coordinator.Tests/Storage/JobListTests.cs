using System.Text;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteJobListTests() : JobListTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresJobListTests(PostgresFixture postgres) : JobListTests(postgres);

/// <summary>Lists of jobs in every order, against sorting in memory.</summary>
public abstract class JobListTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    // Capitals, marks and letters that no locale sorts as bytes do.
    private static readonly string[] Texts = ["a", "B", "b", "a-b", "ab", "Äb", "z", "a.b", "_", "\U0001F600", "\uFFFD"];

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseJobStore _jobs = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _jobs = new DatabaseJobStore(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task Pages_in_any_order_are_what_sorting_in_memory_gives_while_jobs_are_added_and_deleted()
    {
        var random = new Random(6);
        var known = new List<JobRow>();
        var erased = new HashSet<string>();
        for (var i = 0; i < 60; i++)
            known.Add(await AddAsync(random));
        for (var run = 0; run < 60; run++)
        {
            var filter = new JobFilter(
                random.Next(3) == 0 ? [JobPhase.Queued, JobPhase.Failed] : [], random.Next(3) == 0 ? "b" : "", random.Next(1, 20), null,
                random.Next(4) == 0 ? "person:" + Texts[random.Next(Texts.Length)] : "", (JobSort)random.Next(5), random.Next(2) == 0);
            var before = known.ToList();
            var added = new List<JobRow>();
            var seen = new List<string>();
            while (true)
            {
                var page = await _jobs.ListAsync(filter, None);
                page.Count.ShouldBeLessThanOrEqualTo(filter.PageSize);
                seen.AddRange(page.Select(row => row.View.JobId));
                if (page.Count < filter.PageSize)
                    break;
                filter = filter with { After = JobPlace.Of(page[^1], filter.Sort) };
                // The page's last job may go, and others come.
                if (random.Next(4) == 0)
                {
                    await new DatabaseDeletionStore(_database).EraseAsync(page[^1].View.JobId, None);
                    erased.Add(page[^1].View.JobId);
                }
                if (random.Next(3) == 0)
                    added.Add(await AddAsync(random));
            }
            known = [.. known.Concat(added).Where(row => !erased.Contains(row.View.JobId))];
            seen.ShouldBeUnique();
            var old = before.Select(row => row.View.JobId).ToHashSet();
            seen.Where(old.Contains).ShouldBe(Sorted(before, filter), $"{filter}");
            seen.Where(id => !old.Contains(id)).ShouldBe(Sorted(added, filter).Where(seen.Contains));
        }
    }

    private async Task<JobRow> AddAsync(Random random)
    {
        var phase = (JobPhase)random.Next(1, 8);
        var view = new JobView
        {
            JobId = $"id-{Guid.NewGuid():N}",
            Name = Texts[random.Next(Texts.Length)],
            Phase = phase,
            JobJson = "{}",
            Submitter = "person:" + Texts[random.Next(Texts.Length)],
            SubmittedAt = Some.Noon,
            Priority = random.Next(-2, 3),
            Revision = 1,
        };
        await _jobs.SaveAsync(view, None);
        return (await _jobs.FindAsync(view.JobId, None))!;
    }

    private static List<string> Sorted(List<JobRow> rows, JobFilter filter)
    {
        var matching = rows
            .Where(row => filter.Phases.Count == 0 || filter.Phases.Contains(row.View.Phase))
            .Where(row => row.View.Name.Contains(filter.NameContains, StringComparison.Ordinal))
            .Where(row => filter.Submitter.Length == 0 || row.View.Submitter == filter.Submitter);
        var sorted = (filter.Sort switch
        {
            JobSort.Name => matching.OrderBy(row => Bytes(row.View.Name), StringComparer.Ordinal),
            JobSort.Submitter => matching.OrderBy(row => Bytes(row.View.Submitter), StringComparer.Ordinal),
            JobSort.Phase => matching.OrderBy(row => row.View.Phase),
            JobSort.Priority => matching.OrderByDescending(row => row.View.Priority),
            _ => matching.OrderBy(_ => 0),
        }).ThenByDescending(row => row.Ordinal).Select(row => row.View.JobId).ToList();
        if (filter.Reverse)
            sorted.Reverse();
        return sorted;
    }

    private static string Bytes(string text) => Convert.ToHexString(Encoding.UTF8.GetBytes(text));
}
