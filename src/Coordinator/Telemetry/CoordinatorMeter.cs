using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using System.Reflection;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Telemetry;

/// <summary>What one coordinator and its cluster are like now: instruments that are observed, and never wait for anything.</summary>
internal sealed class CoordinatorMeter : IDisposable
{
    // Of each of the jobs that have series of their own: an instrument has at most 2,000 series.
    private const int MostMeasures = 8;

    private readonly Meter _meter;
    private readonly ClusterGauges _gauges;
    private readonly TimeProvider _time;

    public CoordinatorMeter(ClusterGauges gauges, CoordinatorDatabase database, CoordinatorOptions options, TimeProvider time)
    {
        (_gauges, _time) = (gauges, time);
        _meter = new Meter(new MeterOptions(CoordinatorInstruments.MeterName) { Scope = this });
        AddCoordinator(database, options);
        AddQueue();
        AddJobs();
        AddWorkers();
        AddRest();
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?> State(Enum state) => new("state", state.ToString().ToLowerInvariant());

    private static Measurement<double> Of(JobReading job, double value) => new(value, Names(job.View));

    private static KeyValuePair<string, object?>[] Names(JobView view) => [new("job.id", view.JobId), new("job.name", view.Name)];

    private static bool IsUsed(WorkerView worker, WorkerSlot slot) =>
        worker.Assignment.Groups.Any(group => group.Members.Any(place => place.Slot == slot.Number));

    private static string StateOf(WorkerView worker) => !worker.Alive ? "lost" : worker.IsLeaving ? "draining" : "alive";

    private void AddCoordinator(CoordinatorDatabase database, CoordinatorOptions options)
    {
        var version = typeof(CoordinatorMeter).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";
        var started = _time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;
        _meter.CreateObservableGauge("linformer.coordinator.active", () => database.Lost.IsCompleted ? 0 : 1, description: "1 while this coordinator holds the lease and serves, 0 while it stands by");
        _meter.CreateObservableGauge("linformer.coordinator.epoch", () => database.Epoch, description: "The epoch of the coordinator's lease: one more at each start");
        _meter.CreateObservableGauge("linformer.coordinator.start.time", () => started, "s", "When the coordinator began to serve, as Unix time");
        _meter.CreateObservableGauge(
            "linformer.build.info", () => new Measurement<int>(1, new KeyValuePair<string, object?>("version", version)), description: "The version of the program");
        _meter.CreateObservableGauge("linformer.db.write.queue", () => database.QueuedWrites, "{write}", "Writes that wait for the database");
        if (options.Certificate is { } certificate)
        {
            _meter.CreateObservableGauge(
                "linformer.certificate.expiry", () => (certificate.Certificate.NotAfter.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds, "s",
                "When the coordinator's certificate ends, as Unix time");
        }
    }

    private void AddQueue()
    {
        Observe("linformer.jobs", "{job}", "Jobs by state", reading =>
            Enum.GetValues<JobPhase>().Select(phase => new Measurement<double>(reading.Jobs.GetValueOrDefault(phase), State(phase))));
        Observe("linformer.queue.length", "{job}", "Jobs that wait for slots", reading => [new(reading.Jobs.GetValueOrDefault(JobPhase.Queued))]);
        Observe("linformer.queue.wait.max", "s", "How long the first of the jobs that wait for slots has waited", reading => [new(reading.LongestWait.TotalSeconds)]);
    }

    private void AddJobs()
    {
        OfJobs("linformer.job.steps", "{step}", "Steps of an unfinished job", _ => true, job => job.View.TotalSteps);
        OfJobs("linformer.job.step.committed", "{step}", "The newest committed step of a job", _ => true, job => job.Progress?.CommittedStep);
        OfJobs("linformer.job.step.age", "s", "How long a running job has not committed a step, or had its ranks", IsRunning, job => job.SinceStep.TotalSeconds);
        OfJobs("linformer.job.loss", "{nat}", "Loss of the newest step of a running job, per predicted token", job => IsRunning(job) && !Applies(job), job => job.Progress?.LastMetric?.Loss);
        OfJobs("linformer.job.loss.held_out", "{nat}", "Newest loss on held-out text of a running job, per predicted token", IsRunning, job => job.Progress?.HeldOutLoss);
        Observe("linformer.job.measure", "", "What the newest evaluation of a running job measured beside the loss, such as accuracy", reading => reading.Unfinished
            .Where(IsRunning)
            .SelectMany(job => (job.Progress?.Measures?.Values ?? ImmutableSortedDictionary<string, double>.Empty).Take(MostMeasures).Select(measure =>
                new Measurement<double>(measure.Value, (KeyValuePair<string, object?>[])[.. Names(job.View), new("measure", measure.Key)]))));
        OfJobs("linformer.job.tokens", "{token}/s", "Tokens that all ranks of a running job train on in a second", job => IsRunning(job) && !Applies(job), job => job.Progress?.LastMetric?.TokensPerSecond);
        OfJobs("linformer.job.documents", "{document}/s", "Documents that all ranks of a running job apply a model to in a second", job => IsRunning(job) && Applies(job), job => job.Progress?.LastMetric?.TokensPerSecond);
        OfJobs("linformer.job.ranks", "{rank}", "Ranks in the newest generation of a running job", IsRunning, job => job.View.Plan?.Members.Length ?? 0);
        OfJobs("linformer.job.ranks.wanted", "{rank}", "The most ranks that an unfinished job takes", job => job.View.Phase != JobPhase.Paused, job => job.View.RanksMax);
        OfJobs("linformer.job.stragglers", "{rank}", "Ranks of a running job that are far slower than the others", IsRunning, job => job.View.Slow.Length);
        OfJobs("linformer.job.generation", "{generation}", "The newest generation of an unfinished job", _ => true, job => job.View.Generation);

        static bool Applies(JobReading job) => JobTaskFacts.Of(job.View.JobJson).DocumentsPerStep > 0;
        static bool IsRunning(JobReading job) => job.View.Phase == JobPhase.Running;
    }

    private void AddWorkers()
    {
        Observe("linformer.workers", "{worker}", "Workers by state", reading => ((string[])["alive", "draining", "lost"]).Select(state =>
            new Measurement<double>(reading.Workers.Count(worker => StateOf(worker) == state), new KeyValuePair<string, object?>("state", state))));
        Observe("linformer.slots", "{slot}", "Slots of workers that are alive", reading => reading.Workers
            .Where(worker => worker.Alive)
            .SelectMany(worker => worker.Identity.Slots.Select(slot => (slot.Device, State: IsUsed(worker, slot) ? "used" : "free")))
            .Concat([("cpu", "used"), ("cpu", "free")])
            .CountBy(slot => slot)
            .Select(slot => new Measurement<double>(
                slot.Value - (slot.Key.Item1 == "cpu" ? 1 : 0), new KeyValuePair<string, object?>("device", slot.Key.Item1), new KeyValuePair<string, object?>("state", slot.Key.Item2))));
        OfWorkers("linformer.worker.heartbeat.age", "s", "How long ago a worker was last heard", (_, worker) => (_time.GetUtcNow() - worker.LastSeen).TotalSeconds);
        OfWorkers("linformer.worker.up", "", "1 while a worker's agent is heard, 0 once it is lost", (_, worker) => worker.Alive ? 1 : 0);
        _meter.CreateObservableCounter(
            "linformer.telemetry.lost",
            () => (_gauges.Last?.Workers ?? []).SelectMany(worker => (Measurement<long>[])[Lost(worker, "metric-points", worker.Status.LostMetricPoints), Lost(worker, "log-lines", worker.Status.LostLogLines)]),
            "{item}", "Telemetry that workers had to drop since their start");

        static Measurement<long> Lost(WorkerView worker, string kind, long count) =>
            new(count, new KeyValuePair<string, object?>("worker", worker.Identity.Name), new KeyValuePair<string, object?>("kind", kind));
    }

    private void AddRest()
    {
        Observe("linformer.corpora", "{corpus}", "Corpora by state", reading =>
            Enum.GetValues<CorpusStage>().Select(stage => new Measurement<double>(reading.Corpora.GetValueOrDefault(stage), State(stage))));
        Observe("linformer.storage.free", "By", "What the coordinator may still write to a file system", reading =>
            reading.Storage.Select(one => new Measurement<double>(one.FreeBytes, new KeyValuePair<string, object?>("storage", one.Name))));
        Observe("linformer.storage.size", "By", "The size of a file system", reading =>
            reading.Storage.Select(one => new Measurement<double>(one.SizeBytes, new KeyValuePair<string, object?>("storage", one.Name))));
        Observe("linformer.reading.age", "s", "How old what these metrics tell of jobs, workers and corpora is", reading => [new((_time.GetUtcNow() - reading.At).TotalSeconds)]);
    }

    private void OfJobs(string name, string unit, string description, Func<JobReading, bool> has, Func<JobReading, double?> value) =>
        Observe(name, unit, description, reading => reading.Unfinished.Where(has).Select(job => (job, value(job))).Where(pair => pair.Item2 is not null).Select(pair => Of(pair.job, pair.Item2!.Value)));

    private void OfWorkers(string name, string unit, string description, Func<ClusterReading, WorkerView, double> value) =>
        Observe(name, unit, description, reading => reading.Workers.Select(worker => new Measurement<double>(value(reading, worker), new KeyValuePair<string, object?>("worker", worker.Identity.Name))));

    private void Observe(string name, string unit, string description, Func<ClusterReading, IEnumerable<Measurement<double>>> values) =>
        _meter.CreateObservableGauge(name, () => _gauges.Last is { } reading ? values(reading) : [], unit, description);
}
