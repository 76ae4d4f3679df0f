using Linformer.Data;
using Linformer.Data.Shards;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>A part of a corpus's preparation that this machine does, from the assignment to the report of its end.</summary>
internal sealed class LeaseRunner(V1.CorpusLease lease, WorkerAgentOptions options, StorageWatch storage, Action<bool> changed, ILogger logger)
    : IProgress<PreparationProgress>, IDisposable
{
    private readonly string _root = Path.GetFullPath(options.StorageRoot);
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _cancel = new();
    private readonly V1.LeaseStatus _status = new() { LeaseId = lease.LeaseId, CorpusId = lease.CorpusId, Phase = V1.LeasePhase.Working };
    private LeaseStage _stage;

    /// <summary>Completes when nothing is done any more.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>For the reconciler.</summary>
    public HeldLease Held
    {
        get
        {
            lock (_gate)
            {
                return new HeldLease(lease.LeaseId, _stage);
            }
        }
    }

    /// <summary>Starts the work, on a thread of its own.</summary>
    public void Start() => Ended = Task.Run(RunAsync);

    /// <summary>Ends the work soon; what is whole stays for whoever gets the lease next.</summary>
    public void Cancel()
    {
        lock (_gate)
        {
            if (_stage != LeaseStage.Working)
            {
                return;
            }

            _stage = LeaseStage.Cancelled;
        }

        _ = _cancel.CancelAsync();
    }

    /// <summary>How far it is.</summary>
    public V1.LeaseStatus Status()
    {
        lock (_gate)
        {
            return _status.Clone();
        }
    }

    public void Dispose() => _cancel.Dispose();

    void IProgress<PreparationProgress>.Report(PreparationProgress value)
    {
        var (phase, unit) = value.Phase switch
        {
            PreparationPhase.Fingerprint => ("fingerprinting the files", "bytes"),
            PreparationPhase.TokenizerSample => ("reading the tokenizer's sample", "bytes"),
            PreparationPhase.TokenizerTraining => ("training the tokenizer", "percent"),
            PreparationPhase.Verification => ("checking the shards", "bytes"),
            _ => ("making shards", "bytes"),
        };
        lock (_gate)
        {
            _status.Progress = new V1.CorpusProgress { Phase = phase, Done = value.Done, Total = value.Total, Unit = unit };
        }

        changed(false);
    }

    private async Task RunAsync()
    {
        if (await storage.LookAsync() is { } lost)
        {
            Fail(lost, permanent: false, lost);
            return;
        }

        try
        {
            await Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        catch (OperationCanceledException)
        {
            Fail("cancelled", permanent: false);
        }
        catch (Exception e)
        {
            logger.Error(e, "The lease {Lease} of corpus {Corpus} failed", lease.LeaseId, lease.CorpusId);
            if (await storage.LookAsync() is { } loss)
            {
                Fail($"{loss} ({e.Message})", permanent: false, loss);
                return;
            }

            Fail(e.Message, permanent: e is BadDataException or JobFileException or ModelFormatException or ArgumentException);
        }
    }

    private void Run()
    {
        switch (lease.Work)
        {
            case V1.CorpusWork.Plan:
                Finish(plan: Plan());
                break;
            case V1.CorpusWork.Shards:
                var (first, count) = AssignmentReader.Shards(lease);
                CorpusPreparation.MakeShards(Folder(), lease.Fingerprint, _root, first, count, this, _cancel.Token);
                Finish();
                break;
            case V1.CorpusWork.Manifest:
                Finish(manifest: Result(CorpusPreparation.Finish(Folder(), lease.Fingerprint)));
                break;
            default:
                throw new BadDataException($"This worker does not know the work '{lease.Work}'.");
        }
    }

    private V1.PlanResult Plan()
    {
        var settings = AssignmentReader.CorpusSettings(lease.CorpusSettings, options);
        var planned = CorpusPreparation.Plan(settings, _root, new StorageLayout(_root).Cache, this, _cancel.Token);
        return new V1.PlanResult
        {
            Fingerprint = planned.Plan.Fingerprint,
            Folder = Path.GetRelativePath(_root, planned.Folder).Replace(Path.DirectorySeparatorChar, '/'),
            Shards = planned.Plan.Shards.Count,
            VocabularySize = planned.Plan.VocabularySize,
            Existing = planned.Existing is { } existing ? Result(existing) : null,
        };
    }

    private string Folder() => AssignmentReader.Inside(_root, lease.Folder, "corpus folder");

    private static V1.ManifestResult Result(CorpusManifest manifest) => new()
    {
        Documents = manifest.Documents,
        Tokens = manifest.Tokens,
        VocabularySize = manifest.VocabularySize,
        Shards = manifest.Shards.Count,
    };

    private void Finish(V1.PlanResult? plan = null, V1.ManifestResult? manifest = null)
    {
        lock (_gate)
        {
            _stage = LeaseStage.Ended;
            _status.Phase = V1.LeasePhase.Done;
            (_status.Plan, _status.Manifest) = (plan, manifest);
        }

        logger.Information("The lease {Lease} of corpus {Corpus} is done", lease.LeaseId, lease.CorpusId);
        changed(true);
    }

    private void Fail(string error, bool permanent, string? storageLoss = null)
    {
        lock (_gate)
        {
            _stage = LeaseStage.Ended;
            (_status.Phase, _status.Error, _status.Permanent) = (V1.LeasePhase.Failed, error, permanent);
        }

        // In the same status, or the work would come back at once.
        if (storageLoss is not null)
        {
            storage.Note(storageLoss);
        }

        changed(true);
    }
}
