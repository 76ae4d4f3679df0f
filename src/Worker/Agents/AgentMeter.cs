using System.Diagnostics.Metrics;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// The measurements of the agents of this process, for whoever listens to the meter <c>Linformer.Worker</c>. Each has the attribute
/// <c>worker</c>, as one process may have several agents. What is read is read of those that are at work at that moment.
/// </summary>
internal static class AgentMeter
{
    /// <summary>The meter's name.</summary>
    public const string Name = "Linformer.Worker";

    private static readonly Meter Meter = new(Name);
    private static readonly Lock Gate = new();
    private static readonly List<AgentWork> Agents = [];

    // Steps take from a millisecond to some seconds; phases are parts of them.
    private static readonly InstrumentAdvice<double> StepBuckets = new()
    {
        HistogramBucketBoundaries = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    };

    private static readonly Histogram<double> StepDuration = Meter.CreateHistogram(
        "linformer.worker.step.duration", "s", "What ranks need for each phase of a step, as means over the steps of their samples; of all jobs, as jobs come without end.", tags: null, StepBuckets);

    private static readonly Counter<long> Reconnections = Meter.CreateCounter<long>(
        "linformer.worker.coordinator.reconnections", "{connection}", "How often a coordinator has welcomed the worker again.");

    static AgentMeter()
    {
        // Read of what there is, so that what is counted of a job goes with it.
        Count("linformer.worker.steps", "{step}", "Steps that ranks have applied.", agent => OfRanks<long>(agent, rank => rank.Steps == 0 ? [] : [(rank.Steps, [])]));
        Count("linformer.worker.tokens", "{token}", "Tokens that ranks have put through the model, each its own.", agent => OfRanks<long>(agent, rank => rank.Tokens == 0 ? [] : [(rank.Tokens, [])]));
        Count("linformer.worker.step.time", "s", "Time of ranks by the phase of the step; all phases together are the wall time.", agent => OfRanks(agent, PhaseTimes));
        Count("linformer.worker.rank.starts", "{process}", "Rank processes that were started.", agent => OfJobs(agent, job => job.Starts));
        Count("linformer.worker.rank.failures", "{process}", "Rank processes that have failed, or could not be started.", agent => OfJobs(agent, job => job.Failures));
        Gauge("linformer.worker.ranks", "{process}", "Rank processes by how far they are.", RanksByPhase);
        Gauge("linformer.worker.rank.memory", "By", "Resident memory of a rank.", agent => OfSamples(agent, sample => sample.MemoryBytes));
        Gauge("linformer.worker.rank.memory.peak", "By", "The most memory of a rank that ever was resident.", agent => OfSamples(agent, sample => sample.PeakMemoryBytes));
        Gauge("linformer.worker.telemetry.buffered", "{item}", "Metrics, log lines and samples that the coordinator has not recorded yet.", agent => [Of<long>(agent, agent.Telemetry.Filled.Items)]);
        Gauge("linformer.worker.telemetry.buffered.size", "By", "The memory that they take.", agent => [Of(agent, agent.Telemetry.Filled.Bytes)]);
        Gauge("linformer.worker.coordinator.connected", "1", "Whether a coordinator is connected.", agent => [Of(agent, agent.IsConnected ? 1L : 0)]);
        Gauge("linformer.worker.processors", "{processor}", "Processors that the worker may use.", agent => OfMachine<long>(agent, load => load.Processors));
        Gauge("linformer.worker.memory.used", "By", "Memory of the machine, or of what the worker may have of it, that is taken.", agent => OfMachine(agent, load => load.UsedMemoryBytes));
        Gauge("linformer.worker.memory.limit", "By", "All memory of the machine, or what the worker may have of it.", agent => OfMachine(agent, load => load.MemoryBytes));
        Gauge("linformer.worker.storage.free", "By", "Free on the file system of the shared storage.", agent => OfMachine(agent, load => load.FreeStorageBytes));
        Gauge("linformer.worker.gpu.memory.used", "By", "Memory of a slot's GPU that is taken, by whomever.", agent => OfGpus(agent, gpu => gpu.UsedMemoryBytes));
        Gauge("linformer.worker.gpu.temperature", "Cel", "Temperature of a slot's GPU.", agent => OfGpus<long>(agent, gpu => gpu.Temperature));
        Meter.CreateObservableGauge(
            "linformer.worker.gpu.utilization", () => OfAll(agent => OfGpus(agent, gpu => gpu.Utilization / 100.0)), "1", "Of the time, in which a slot's GPU computed something, 0 to 1.");
        Meter.CreateObservableGauge(
            "linformer.worker.processor.utilization", () => OfAll(agent => OfMachine(agent, load => load.ProcessorPercent / 100)), "1", "Of the time of all processors, 0 to 1.");
        Meter.CreateObservableCounter(
            "linformer.worker.telemetry.lost", () => OfAll(Losses), "{item}", "Metrics, log lines and samples that were dropped, as the buffer was full.");
    }

    /// <summary>An agent is at work: its readings are shown until the result is disposed of.</summary>
    public static IDisposable Show(AgentWork agent)
    {
        lock (Gate)
        {
            Agents.Add(agent);
        }

        return new Shown(agent);
    }

    /// <summary>A rank has measured itself.</summary>
    public static void Sampled(string worker, RankSampleMessage sample)
    {
        foreach (var (phase, seconds) in sample.Seconds)
        {
            StepDuration.Record(seconds / sample.Steps, Attribute("worker", worker), Attribute("phase", Word(phase)));
        }
    }

    /// <summary>A coordinator has welcomed the worker, not for the first time.</summary>
    public static void Reconnected(string worker) => Reconnections.Add(1, Attribute("worker", worker));

    private static void Count<T>(string name, string unit, string description, Func<AgentWork, IEnumerable<Measurement<T>>> read)
        where T : struct => Meter.CreateObservableCounter(name, () => OfAll(read), unit, description);

    private static void Gauge(string name, string unit, string description, Func<AgentWork, IEnumerable<Measurement<long>>> read) =>
        Meter.CreateObservableGauge(name, () => OfAll(read), unit, description);

    private static List<Measurement<T>> OfAll<T>(Func<AgentWork, IEnumerable<Measurement<T>>> read)
        where T : struct
    {
        lock (Gate)
        {
            return [.. Agents.SelectMany(read)];
        }
    }

    // All phases, so that one that nobody is in falls to 0.
    private static IEnumerable<Measurement<long>> RanksByPhase(AgentWork agent)
    {
        var counts = agent.Ranks.CountBy(rank => rank.Phase).ToDictionary();
        return Enum.GetValues<V1.MemberPhase>()
            .Where(phase => phase is not (V1.MemberPhase.Unspecified or V1.MemberPhase.Ended))
            .Select(phase => Of(agent, (long)counts.GetValueOrDefault(phase), Attribute("phase", Word(phase))));
    }

    // A rank has one value, also while a process that had its number before is still there.
    private static IEnumerable<Measurement<long>> OfSamples(AgentWork agent, Func<RankSampleMessage, long> value) =>
        from rank in agent.Ranks
        where rank.Sample is not null
        group rank by (rank.JobId, rank.Rank) into same
        select Of(agent, value(same.MaxBy(rank => rank.Sample!.Generation)!.Sample!), Attribute("job", same.Key.JobId), Attribute("rank", same.Key.Rank));

    private static IEnumerable<Measurement<long>> OfJobs(AgentWork agent, Func<JobCounter, long> value) =>
        agent.Counters.Read().Where(job => value(job) > 0).Select(job => Of(agent, value(job), Attribute("job", job.Job)));

    private static IEnumerable<Measurement<T>> OfRanks<T>(AgentWork agent, Func<RankCounts, IEnumerable<(T Value, KeyValuePair<string, object?>[] Further)>> values)
        where T : struct =>
        from job in agent.Counters.Read()
        from rank in job.Ranks
        from value in values(rank)
        select Of(agent, value.Value, [Attribute("job", job.Job), Attribute("rank", rank.Rank), .. value.Further]);

    private static IEnumerable<(double Value, KeyValuePair<string, object?>[] Further)> PhaseTimes(RankCounts rank) =>
        rank.Seconds.Select(phase => (phase.Value, (KeyValuePair<string, object?>[])[Attribute("phase", Word(phase.Key))]));

    private static IEnumerable<Measurement<T>> OfMachine<T>(AgentWork agent, Func<MachineLoad, T> value)
        where T : struct => agent.Machine.Newest is { } load ? [Of(agent, value(load))] : [];

    private static IEnumerable<Measurement<T>> OfGpus<T>(AgentWork agent, Func<GpuReading, T> value)
        where T : struct => agent.Gpus.Newest.Select(gpu => Of(agent, value(gpu.Reading), Attribute("slot", gpu.Slot)));

    private static IEnumerable<Measurement<long>> Losses(AgentWork agent) =>
    [
        Of(agent, agent.Telemetry.LostMetricPoints, Attribute("kind", "metric")),
        Of(agent, agent.Telemetry.LostLogLines, Attribute("kind", "log")),
        Of(agent, agent.Telemetry.LostSamples, Attribute("kind", "sample")),
    ];

    private static Measurement<T> Of<T>(AgentWork agent, T value, params ReadOnlySpan<KeyValuePair<string, object?>> attributes)
        where T : struct => new(value, [Attribute("worker", agent.Name), .. attributes]);

    private static KeyValuePair<string, object?> Attribute(string name, object value) => new(name, value);

    // Lower-case words, as everywhere that something is read by people.
    private static string Word(Enum value) => value.ToString().ToLowerInvariant();

    private sealed class Shown(AgentWork agent) : IDisposable
    {
        public void Dispose()
        {
            lock (Gate)
            {
                Agents.Remove(agent);
            }
        }
    }
}
