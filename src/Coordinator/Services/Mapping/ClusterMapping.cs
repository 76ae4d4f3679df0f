using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Workers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>Workers and corpora as people are shown them.</summary>
internal static class ClusterMapping
{
    public static Proto.Worker ToProto(this WorkerView view)
    {
        var worker = new Proto.Worker
        {
            Name = view.Identity.Name,
            Alive = view.Alive,
            Host = view.Identity.Host,
            ProcessId = view.Identity.ProcessId,
            Address = view.Identity.Address,
            Version = view.Identity.Version,
            ConnectedAt = view.ConnectedAt.ToTimestamp(),
            LastSeen = view.LastSeen.ToTimestamp(),
            Draining = view.Status.Draining,
            Drained = view.Drained.Length > 0,
            LostMetricPoints = view.Status.LostMetricPoints,
            LostLogLines = view.Status.LostLogLines,
            Unfit = view.Status.Unfit,
            AllowsPlugins = view.Identity.AllowsPlugins,
        };
        if (view.Status.Load is { } load)
        {
            worker.Load = new Proto.MachineLoad
            {
                ProcessorPercent = load.ProcessorPercent,
                Processors = load.Processors,
                UsedMemoryBytes = load.UsedMemoryBytes,
                MemoryBytes = load.MemoryBytes,
                FreeStorageBytes = load.FreeStorageBytes,
            };
        }
        var busy = view.Assignment.Groups
            .SelectMany(group => group.Members.Select(place => (group, place)))
            .GroupBy(pair => pair.place.Slot)
            .ToDictionary(pairs => pairs.Key, pairs => pairs.First());
        foreach (var slot in view.Identity.Slots)
        {
            var shown = new Proto.Slot { Number = slot.Number, Device = slot.Device, Bfloat16 = slot.Bfloat16, MemoryBytes = slot.MemoryBytes };
            if (slot.Gpu is { } gpu)
                shown.Gpu = new Proto.Gpu { Uuid = gpu.Uuid, Name = gpu.Name, MemoryBytes = gpu.MemoryBytes };
            if (view.Status.GpuReadings.FirstOrDefault(reading => reading.Slot == slot.Number) is { } read)
                shown.GpuReading = new Proto.GpuReading { UsedMemoryBytes = read.UsedMemoryBytes, Temperature = read.Temperature, Utilization = read.Utilization };
            if (busy.TryGetValue(slot.Number, out var run))
            {
                shown.JobId = run.group.JobId;
                shown.Rank = run.group.Plan?.RankOf(run.place.Member) ?? -1;
            }
            worker.Slots.Add(shown);
        }
        return worker;
    }

    public static Proto.Corpus ToProto(this CorpusView view)
    {
        var corpus = new Proto.Corpus
        {
            Id = view.CorpusId,
            State = view.Stage switch
            {
                CorpusStage.Planning => Proto.CorpusState.Planning,
                CorpusStage.Sharding => Proto.CorpusState.Sharding,
                CorpusStage.Finishing => Proto.CorpusState.Finishing,
                CorpusStage.Ready => Proto.CorpusState.Ready,
                CorpusStage.Failed => Proto.CorpusState.Failed,
                _ => Proto.CorpusState.Unspecified,
            },
            Fingerprint = view.Plan?.Fingerprint ?? "",
            Folder = view.Plan?.Folder ?? "",
            Shards = view.Totals?.Shards ?? view.Plan?.Shards ?? 0,
            ShardsDone = view.ShardsDone,
            Documents = view.Totals?.Documents ?? 0,
            Tokens = view.Totals?.Tokens ?? 0,
            VocabularySize = view.Totals?.VocabularySize ?? view.Plan?.VocabularySize ?? 0,
            Error = view.Error,
            Progress = view.Progress?.ToProto(),
            UpdatedAt = view.UpdatedAt.ToTimestamp(),
        };
        AddSettings(corpus, view.SettingsJson);
        return corpus;
    }

    private static void AddSettings(Proto.Corpus corpus, string json)
    {
        using var settings = JsonDocument.Parse(json);
        if (settings.RootElement.TryGetProperty("files", out var files))
            corpus.Files.AddRange(files.EnumerateArray().Select(file => file.GetString() ?? ""));
        if (!settings.RootElement.TryGetProperty("tokenizer", out var tokenizer))
            return;
        corpus.Tokenizer = tokenizer.TryGetProperty("file", out var path)
            ? path.GetString() ?? ""
            : $"{tokenizer.GetProperty("kind").GetString()}, {tokenizer.GetProperty("vocabularySize")} tokens";
    }
}
