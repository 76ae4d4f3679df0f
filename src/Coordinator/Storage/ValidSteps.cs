namespace Linformer.Coordinator.Storage;

/// <summary>A generation with recorded steps.</summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="FirstStep">The least step that was recorded under it.</param>
public readonly record struct RecordedGeneration(int Lineage, int Generation, long FirstStep);

/// <summary>
/// Which of a generation's steps count: those before the first one of any newer generation. So the steps that count of one
/// generation follow those of the one before, and no step counts twice.
/// </summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="From">The least step that was recorded under it.</param>
/// <param name="Before">Only steps before this one.</param>
public readonly record struct ValidSteps(int Lineage, int Generation, long From, long Before)
{
    /// <summary>What counts of each generation that has any step that counts, in the order of the steps.</summary>
    /// <param name="generations">A job's generations from the oldest to the newest.</param>
    public static IReadOnlyList<ValidSteps> Of(IReadOnlyList<RecordedGeneration> generations)
    {
        var valid = new List<ValidSteps>();
        var before = long.MaxValue;
        for (var i = generations.Count - 1; i >= 0; i--)
        {
            var (lineage, generation, first) = generations[i];
            if (first >= before)
                continue;
            valid.Add(new ValidSteps(lineage, generation, first, before));
            before = first;
        }
        valid.Reverse();
        return valid;
    }

    /// <summary>The same of a job in the database.</summary>
    internal static IReadOnlyList<ValidSteps> Read(Session session, string jobId) => Of(session.All(
        """
        SELECT lineage, generation, first_step FROM generations WHERE job_id = $1 AND first_step IS NOT NULL
        ORDER BY lineage, generation
        """,
        row => new RecordedGeneration(row.GetInt32(0), row.GetInt32(1), row.GetInt64(2)),
        jobId));
}
