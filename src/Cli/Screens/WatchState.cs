using Linformer.Cli.Charts;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>What the screen of a job that is watched shows.</summary>
public sealed record WatchState
{
    /// <summary>Where the job stands; null before that is known.</summary>
    public Job? Job { get; init; }

    /// <summary>The newest step's numbers.</summary>
    public MetricPoint? Metrics { get; init; }

    /// <summary>The newest loss of the held-out part, in nats per token.</summary>
    public double? HeldOutLoss { get; init; }

    /// <summary>How its corpus comes along, while it is prepared.</summary>
    public CorpusProgress? Corpus { get; init; }

    /// <summary>How long it still takes, where that is known.</summary>
    public TimeSpan? Left { get; init; }

    /// <summary>The loss by step.</summary>
    public IReadOnlyList<ChartPoint> Loss { get; init; } = [];

    /// <summary>The loss of the held-out part, by step.</summary>
    public IReadOnlyList<(long Step, double Value)> HeldOut { get; init; } = [];

    /// <summary>Tokens in a second by step.</summary>
    public IReadOnlyList<ChartPoint> TokensPerSecond { get; init; } = [];

    /// <summary>The learning rate by step.</summary>
    public IReadOnlyList<ChartPoint> LearningRate { get; init; } = [];

    /// <summary>The first steps of generations.</summary>
    public IReadOnlyList<long> Boundaries { get; init; } = [];

    /// <summary>Its ranks.</summary>
    public IReadOnlyList<Rank> Ranks { get; init; } = [];

    /// <summary>The newest sample of each rank.</summary>
    public IReadOnlyDictionary<int, RankSample> Samples { get; init; } = new Dictionary<int, RankSample>();

    /// <summary>The newest entries of its history, oldest first.</summary>
    public IReadOnlyList<HistoryEntry> History { get; init; } = [];

    /// <summary>The newest lines of its log, oldest first.</summary>
    public IReadOnlyList<LogLine> Log { get; init; } = [];

    /// <summary>What there is to say of the connection; empty for nothing.</summary>
    public string Notice { get; init; } = "";

    /// <summary>Whether the loss has a logarithmic scale.</summary>
    public bool LogScale { get; init; }
}
