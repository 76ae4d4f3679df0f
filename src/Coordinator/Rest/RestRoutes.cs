namespace Linformer.Coordinator.Rest;

/// <summary>
/// All methods that HTTP has. Fields that are not in the path come from the query, by their names in camelCase, unless there is a body.
/// </summary>
internal static class RestRoutes
{
    private const string Get = "GET";
    private const string Post = "POST";
    private const string Delete = "DELETE";

    /// <summary>The routes.</summary>
    public static IReadOnlyList<RestRoute> All { get; } =
    [
        new RestRoute(Get, "jobs", "Jobs/List").Calls("state", "states").Calls("name", "nameContains"),
        new(Post, "jobs", "Jobs/Submit") { Body = RestBody.JobFile, Answer = RestAnswer.Submission },
        new(Post, "jobs/check", "Jobs/Check") { Body = RestBody.JobFile },
        new(Get, "jobs/{job}", "Jobs/Show"),
        new(Delete, "jobs/{job}", "Jobs/Delete"),
        new(Post, "jobs/{job}/cancel", "Jobs/Cancel") { Body = RestBody.Fields },
        new(Post, "jobs/{job}/pause", "Jobs/Pause") { Body = RestBody.Fields },
        new(Post, "jobs/{job}/resume", "Jobs/Resume") { Body = RestBody.Fields },
        new(Post, "jobs/{job}/go-back", "Jobs/GoBack") { Body = RestBody.Fields },
        new(Get, "jobs/{job}/metrics", "Jobs/MetricRange"),
        new(Get, "jobs/{job}/metrics.csv", "Jobs/Metrics") { Answer = RestAnswer.MetricsCsv },
        new(Get, "jobs/{job}/samples", "Jobs/RankSamples"),
        new(Get, "jobs/{job}/logs", "Jobs/LogPage"),
        new(Get, "jobs/{job}/logs/text", "Jobs/Logs") { Answer = RestAnswer.LogText, Hidden = ["follow"] },
        new(Get, "jobs/{job}/checkpoints", "Jobs/Checkpoints"),
        new(Get, "jobs/{job}/checkpoints/{checkpoint}/download", "Jobs/ExportCheckpoint") { Answer = RestAnswer.Tar },
        new(Get, "jobs/{job}/model/download", "Jobs/Export") { Answer = RestAnswer.Tar },
        new(Get, "workers", "Workers/List"),
        new(Post, "workers/{worker}/drain", "Workers/Drain") { Body = RestBody.Fields },
        new(Get, "corpora", "Corpora/List"),
        new(Get, "corpora/{corpus}/preview", "Corpora/Preview"),
        new(Get, "cluster", "Cluster/Summary"),
        new RestRoute(Get, "events", "Cluster/Events").Calls("kind", "kinds"),
        new(Get, "whoami", "Tokens/WhoAmI"),
        new(Get, "tokens", "Tokens/List"),
        new(Post, "tokens", "Tokens/Create") { Body = RestBody.Fields },
        new(Delete, "tokens/{id}", "Tokens/Revoke"),
        new(Get, "audit", "Tokens/Audit"),
    ];
}
