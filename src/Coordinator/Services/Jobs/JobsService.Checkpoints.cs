using System.Text.RegularExpressions;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Model.Files;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>The calls about a job's checkpoints.</summary>
internal sealed partial class JobsService
{
    private const int MostSkipped = 1000;
    private const int NamedCheckpoints = 20;

    public override async Task<Proto.CheckpointsResponse> Checkpoints(Proto.CheckpointsRequest request, ServerCallContext context)
    {
        var jobId = await reader.ResolveAsync(request.Job, context.CancellationToken);
        var rows = await telemetry.CheckpointsAsync(jobId, context.CancellationToken);
        return new Proto.CheckpointsResponse { Checkpoints = { rows.Select(JobMapping.ToProto) } };
    }

    public override async Task<Proto.Job> GoBack(Proto.GoBackRequest request, ServerCallContext context)
    {
        var caller = Principal.Of(context);
        var cancellationToken = context.CancellationToken;
        Refusal.CheckText("why", request.Why, MaxText);
        Refusal.CheckText("who", request.Who, MaxName);
        if (request.SkipSteps is < 0 or > MostSkipped)
            throw Refusal.Invalid($"skip_steps is {request.SkipSteps}; 0 to {MostSkipped:#,0} are allowed.");
        var jobId = await reader.ResolveAsync(request.Job, cancellationToken);
        var grain = grains.GetGrain<IJobGrain>(jobId);
        var before = await grain.Get(cancellationToken) ?? await CreateAsync(grain, jobId, cancellationToken);
        caller.RequireOwner($"Job {jobId}", before.Submitter);
        var checkpoint = await KeptAsync(jobId, request.Checkpoint, cancellationToken);
        var progress = await telemetry.ProgressAsync(jobId, cancellationToken);
        var change = new JobChange(caller.PersonName(request.Who), TokenText.Mask(request.Why));
        var back = await grain.GoBack(
            new JobGoBack(checkpoint.Name, checkpoint.Lineage, checkpoint.Step, request.SkipSteps, change), CancellationToken.None);
        await scheduler.PokeAsync(CancellationToken.None);
        var job = back.View.ToProto(progress, appliedStep: 0);
        job.Unchanged = back.Before;
        return job;
    }

    public override async Task ExportCheckpoint(
        Proto.ExportCheckpointRequest request, IServerStreamWriter<Proto.FileChunk> responseStream, ServerCallContext context)
    {
        using var place = streams.Enter(Principal.Of(context));
        using var stop = Stopping(context);
        var jobId = await reader.ResolveAsync(request.Job, stop.Token);
        var checkpoint = await KeptAsync(jobId, request.Checkpoint, stop.Token);
        await FolderExport.SendAsync(
            $"checkpoint {checkpoint.Name} of job {jobId}", options.DataFolder, JobFolders.Checkpoint(jobId, checkpoint.Name), responseStream, stop.Token);
    }

    /// <summary>A checkpoint that is on the storage.</summary>
    /// <exception cref="RpcException">The name is none, or there is no such checkpoint, or it is not kept any more.</exception>
    private async Task<CheckpointRow> KeptAsync(string jobId, string name, CancellationToken cancellationToken)
    {
        if (!CheckpointName().IsMatch(name))
            throw Refusal.Invalid($"checkpoint {Refusal.Show(name)} is not a checkpoint's name; one looks like l0000-g0001-s00000100.");
        var rows = await telemetry.CheckpointsAsync(jobId, cancellationToken);
        var kept = rows.Where(row => row.Kept).Select(row => row.Name).ToList();
        var left = kept.Count == 0 ? "it has none" : $"it has {string.Join(", ", kept.Take(NamedCheckpoints))}{(kept.Count > NamedCheckpoints ? ", …" : "")}";
        var row = rows.FirstOrDefault(row => row.Name == name) ?? throw Refusal.NotFound($"Job {jobId} has no checkpoint {name}; {left}.");
        // A worker names it and says of which step it is; ranks look by the name alone.
        if (FormattableString.Invariant($"l{row.Lineage:D4}-g{row.Generation:D4}-s{row.Step:D8}") != name)
            throw Refusal.Precondition($"Checkpoint {name} of job {jobId} was recorded as one of lineage {row.Lineage}, generation {row.Generation}, step {row.Step}, so it is not used.");
        if (!row.Kept || !IsThere(jobId, name))
            throw Refusal.Precondition($"Checkpoint {name} of job {jobId} is not on the storage any more; {left}.");
        return row;
    }

    private bool IsThere(string jobId, string name)
    {
        try
        {
            return Directory.Exists(ConfinedPath.Resolve(options.DataFolder, JobFolders.Checkpoint(jobId, name)));
        }
        catch (PathEscapeException)
        {
            throw Refusal.Precondition($"Checkpoint {name} of job {jobId} lies behind a symbolic link that leads out of the storage root, so it is not used.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [GeneratedRegex("^l[0-9]{4,10}-g[0-9]{4,10}-s[0-9]{8,19}\\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex CheckpointName();
}
