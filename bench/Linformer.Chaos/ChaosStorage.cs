using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Linformer.Chaos;

/// <summary>A storage root with a small corpus. Where this user may mount, what jobs write lies on a small file system of its own.</summary>
public sealed class ChaosStorage : IDisposable
{
    private const int CorpusFiles = 30;
    private const int WordsPerFile = 700;
    private const string Words =
        "whale ship sea captain harpoon boat crew mast wind wave night day deep old man white water line oil deck rope sail hand eye voice";

    private readonly bool _mounted;

    /// <summary>Makes the storage root.</summary>
    /// <param name="folder">Holds the root and the logs of the cluster; made if it is not there.</param>
    /// <param name="smallDisk">Whether to put what jobs write on a file system of 96 MB, which a fault can fill.</param>
    /// <exception cref="InvalidOperationException">The small file system cannot be mounted.</exception>
    public ChaosStorage(string folder, bool smallDisk)
    {
        Folder = Path.GetFullPath(folder);
        Directory.CreateDirectory(Root);
        Directory.CreateDirectory(Logs);
        Directory.CreateDirectory(Jobs);
        if (smallDisk)
        {
            Run("mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", Jobs);
            _mounted = true;
        }

        Directory.CreateDirectory(Path.Combine(Root, "corpora"));
        for (var file = 0; file < CorpusFiles; file++)
            File.WriteAllText(Path.Combine(Root, "corpora", $"{file:00}.txt"), Text(file));
    }

    /// <summary>Everything of the run.</summary>
    public string Folder { get; }

    /// <summary>What <c>--data</c> names.</summary>
    public string Root => Path.Combine(Folder, "data");

    /// <summary>The logs of coordinator and workers.</summary>
    public string Logs => Path.Combine(Folder, "logs");

    /// <summary>Whether a disk can be filled without harm to others.</summary>
    public bool HasSmallDisk => _mounted;

    private string Jobs => Path.Combine(Root, "jobs");

    private string Filler => Path.Combine(Jobs, "filler");

    /// <summary>Where a job keeps its checkpoints.</summary>
    public string Checkpoints(string job) => Path.Combine(Jobs, job, "checkpoints");

    /// <summary>Which ranks took which step, written when the job is done.</summary>
    public string History(string job) => Path.Combine(Jobs, job, "history.json");

    /// <summary>The weights of a finished job.</summary>
    public string Weights(string job) => Path.Combine(Root, "models", job, "model.safetensors");

    /// <summary>Writes a job file of a model that is small enough for steps of some milliseconds.</summary>
    /// <param name="name">The job's name.</param>
    /// <param name="shape">How long it takes, on how many ranks.</param>
    /// <returns>The file's path.</returns>
    public string WriteJob(string name, JobShape shape)
    {
        var path = Path.Combine(Folder, name + ".yaml");
        File.WriteAllText(path, new SmallJob(name, shape.Steps)
        {
            GlobalBatch = shape.GlobalBatch,
            WarmupSteps = 20,
            EvaluateEvery = Math.Max(50, shape.CheckpointEvery),
            CheckpointEvery = shape.CheckpointEvery,
            Ranks = $"{{ min: {shape.RanksMin}, max: {shape.RanksMax}, threads: 1 }}",
        }.ToYaml());
        return path;
    }

    /// <summary>Fills the small disk to its last byte.</summary>
    public void Fill()
    {
        var block = new byte[64 << 10];
        using var filler = new FileStream(Filler, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (true)
                filler.Write(block);
        }
        catch (IOException)
        {
            // Full: that was the purpose.
        }
    }

    /// <summary>Frees it again.</summary>
    public void Free() => File.Delete(Filler);

    /// <summary>Flips some bytes in the largest file of a job's newest checkpoint.</summary>
    /// <param name="job">The job.</param>
    /// <param name="seed">Decides which bytes.</param>
    /// <returns>The file, relative to the checkpoints; null when there is no checkpoint yet.</returns>
    public string? DamageNewestCheckpoint(string job, int seed)
    {
        try
        {
            var newest = new DirectoryInfo(Checkpoints(job)).GetDirectories("l*-s*").MaxBy(folder => folder.Name[^8..]);
            if (newest?.GetFiles().MaxBy(file => file.Length) is not { Length: > 0 } file)
                return null;
            var random = new Random(seed);
            using var stream = file.Open(FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            for (var flip = 0; flip < 8; flip++)
            {
                stream.Position = random.NextInt64(stream.Length);
                var value = stream.ReadByte();
                stream.Position--;
                stream.WriteByte((byte)(value ^ 0xff));
            }

            return Path.Combine(newest.Name, file.Name);
        }
        catch (IOException)
        {
            return null; // just being replaced by a newer one
        }
    }

    /// <summary>Copies what jobs wrote off the small disk, so that it outlives the run.</summary>
    public void Keep()
    {
        if (!_mounted)
            return;
        var kept = Directory.CreateDirectory(Path.Combine(Folder, "jobs")).FullName;
        Free();
        Run("cp", "-r", Jobs + "/.", kept);
    }

    /// <summary>Takes the small disk away; files elsewhere stay.</summary>
    public void Dispose()
    {
        if (_mounted)
            Run("umount", "-l", Jobs);
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {error.Trim()}");
    }

    // Words follow one another by a rule with noise, so that there is something to learn.
    private static string Text(int seed)
    {
        var vocabulary = Words.Split(' ');
        var random = new Random(seed);
        var text = new StringBuilder();
        var word = random.Next(vocabulary.Length);
        for (var i = 0; i < WordsPerFile; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{vocabulary[word]}{(i % 11 == 10 ? ".\n" : " ")}");
            word = random.Next(4) == 0 ? random.Next(vocabulary.Length) : ((word * 7) + 3) % vocabulary.Length;
        }

        return text.ToString();
    }
}

/// <summary>How much a job has to do, on how many ranks.</summary>
/// <param name="Steps">Its steps.</param>
/// <param name="RanksMax">The most ranks.</param>
/// <param name="RanksMin">The fewest.</param>
/// <param name="GlobalBatch">Sequences of a step: what sets its time.</param>
/// <param name="CheckpointEvery">Steps between checkpoints.</param>
public sealed record JobShape(int Steps, int RanksMax, int RanksMin = 1, int GlobalBatch = 24, int CheckpointEvery = 20);
