using Google.Protobuf.WellKnownTypes;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>Events as people are shown them.</summary>
internal static class EventMapping
{
    public static Proto.Event ToProto(this EventRow row) => new()
    {
        Sequence = row.Sequence,
        At = row.At.ToTimestamp(),
        Kind = row.Kind.ToString().ToLowerInvariant(),
        Subject = row.Subject,
        Name = row.Name,
        Who = row.Who,
        What = row.What,
        Why = row.Why,
        Severity = row.Severity.ToString().ToLowerInvariant(),
        Lineage = row.Lineage,
        Generation = row.Generation,
        Step = row.Step,
        State = row.Phase?.ToProto() ?? Proto.JobState.Unspecified,
    };

    /// <summary>The kind of a name.</summary>
    /// <exception cref="Grpc.Core.RpcException">There is none of that name.</exception>
    public static EventKind ToKind(string name) => name switch
    {
        "job" => EventKind.Job,
        "worker" => EventKind.Worker,
        "corpus" => EventKind.Corpus,
        "coordinator" => EventKind.Coordinator,
        _ => throw Refusal.Invalid($"kinds has {Refusal.Show(name)}; job, worker, corpus and coordinator are allowed."),
    };
}
