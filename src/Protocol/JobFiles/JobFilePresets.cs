using System.Reflection;

namespace Linformer.Protocol;

/// <summary>A job file to begin with.</summary>
/// <param name="Name">Short and unique: that of its file under <c>examples/</c>.</param>
/// <param name="Title">A heading.</param>
/// <param name="Description">What it trains, and what it takes.</param>
/// <param name="Yaml">The job file, with comments.</param>
public sealed record JobFilePreset(string Name, string Title, string Description, string Yaml);

/// <summary>The job files of <c>examples/</c>, which whoever submits a job can begin with.</summary>
public static class JobFilePresets
{
    /// <summary>All of them, from the quickest to the largest.</summary>
    public static IReadOnlyList<JobFilePreset> All { get; } =
    [
        Read("smoke", "Smoke test", "Twenty steps of a tiny model: whether corpus, workers and storage work together, in a minute."),
        Read("tiny", "Tiny", "Two layers of width 128 on a few megabytes of English: minutes on two CPU cores."),
        Read("small", "Small", "Four layers of width 256 with every common setting written out: some hours on CPUs, minutes on a GPU."),
        Read("base", "Base", "Twelve layers of width 768, the size of RoBERTa-base: for GPUs, or many CPU ranks and patience."),
        Read("long-documents", "Long documents", "Sequences of 4,096 tokens projected to 256, where linear attention pays most."),
    ];

    /// <summary>The preset of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static JobFilePreset Get(string name) =>
        All.FirstOrDefault(preset => preset.Name == name)
        ?? throw new ArgumentException($"There is no preset '{name}'; there are {string.Join(", ", All.Select(preset => preset.Name))}.", nameof(name));

    private static JobFilePreset Read(string name, string title, string description)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream($"examples/{name}.yaml")!);
        return new JobFilePreset(name, title, description, reader.ReadToEnd());
    }
}
