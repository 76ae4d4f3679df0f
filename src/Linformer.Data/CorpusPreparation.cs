using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;
using Linformer.Model.Files;

namespace Linformer.Data;

/// <summary>
/// Turns the files of a corpus into token shards: finds and fingerprints them, trains or loads the tokenizer, plans and makes
/// the shards, writes the manifest. What an earlier run made of the same content and settings is used again.
/// <para>
/// One process can do it all (<see cref="Prepare"/>), or several share the steps: one plans (<see cref="Plan"/>), all make
/// shards, one finishes (<see cref="Finish"/>). Every file is the same whoever makes it. Processes that do the same step at
/// the same time do the work twice, but never harm each other, and one that dies leaves nothing half-made: files appear
/// whole or not at all.
/// </para>
/// </summary>
public static class CorpusPreparation
{
    /// <summary>The tokenizer's file name in a prepared folder.</summary>
    public const string TokenizerFileName = "tokenizer.json";

    private const int TrainerVersion = 1;
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(10);

    /// <summary>Prepares a corpus: all the steps, in this process.</summary>
    /// <param name="settings">What it is made of.</param>
    /// <param name="root">The storage root.</param>
    /// <param name="cacheFolder">Where prepared corpora and trained tokenizers are kept; made if missing.</param>
    /// <param name="progress">Told how far it is, about a hundred times per phase.</param>
    /// <param name="cancellationToken">Stops the preparation. Finished shards stay and are used by the next attempt.</param>
    /// <returns>The prepared corpus.</returns>
    /// <exception cref="BadDataException">A file, the tokenizer or a setting is bad, or a shard made before is damaged.</exception>
    /// <exception cref="IOException">The system cannot read a file, or write the cache folder, for example because the disk is full.</exception>
    /// <exception cref="OperationCanceledException">The preparation was cancelled.</exception>
    public static PreparedCorpus Prepare(
        CorpusSettings settings, string root, string cacheFolder, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var planned = Plan(settings, root, cacheFolder, progress, cancellationToken);
        if (planned.Existing is { } existing)
        {
            return new PreparedCorpus(planned.Folder, existing, planned.Tokenizer, WasReused: true);
        }

        MakeShards(planned.Plan, planned.Tokenizer, planned.Folder, root, 0, planned.Plan.Shards.Count, progress, cancellationToken);
        return new PreparedCorpus(planned.Folder, Finish(planned.Folder, planned.Plan.Fingerprint), planned.Tokenizer, WasReused: false);
    }

    /// <summary>
    /// The first step: fingerprints the files, trains or loads the tokenizer, and leaves the plan and the tokenizer in the
    /// corpus's folder for whoever makes the shards. Or finds that the corpus is ready, and checks every byte of it.
    /// </summary>
    /// <param name="settings">What it is made of.</param>
    /// <param name="root">The storage root.</param>
    /// <param name="cacheFolder">Where prepared corpora and trained tokenizers are kept; made if missing.</param>
    /// <param name="progress">Told how far it is, about a hundred times per phase.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The plan: the same whoever makes it.</returns>
    /// <exception cref="BadDataException">A file, the tokenizer or a setting is bad, or a shard made before is damaged.</exception>
    /// <exception cref="IOException">The system cannot read a file, or write the cache folder, for example because the disk is full.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static PlannedCorpus Plan(
        CorpusSettings settings, string root, string cacheFolder, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.ShardBytes < 1 || settings.TokenizerSampleBytes < 1)
        {
            throw new BadDataException($"Shards of {settings.ShardBytes} bytes and a tokenizer sample of {settings.TokenizerSampleBytes} bytes are not possible; both must be at least 1.");
        }

        var files = CorpusFiles.Resolve(root, settings.Files);
        var heldOut = HeldOutFiles(root, settings, files);
        var hashed = Fingerprint([.. files, .. heldOut], progress, cancellationToken);
        var tokenizer = settings.TokenizerFile is { } file
            ? LoadTokenizer(root, file)
            : TrainOrReuse(settings, files, hashed[..files.Count], Path.Combine(cacheFolder, "tokenizers"), progress, cancellationToken);
        var plan = CorpusPlan.Create(hashed, tokenizer, settings.Separator, settings.ShardBytes, settings.Examples, heldOut.Count);
        var folder = Path.Combine(cacheFolder, "corpora", plan.Fingerprint[..16]);
        if (File.Exists(Path.Combine(folder, CorpusManifest.FileName)))
        {
            return new PlannedCorpus(folder, plan, tokenizer, Verify(folder, plan, progress, cancellationToken));
        }

        Directory.CreateDirectory(folder);
        AtomicFile.DeleteAbandoned(folder);
        tokenizer.Save(Path.Combine(folder, TokenizerFileName));
        plan.Save(folder);
        return new PlannedCorpus(folder, plan, tokenizer, Existing: null);
    }

    /// <summary>The middle step, which any number of processes may share: makes some of the shards of a plan.</summary>
    /// <param name="folder">The corpus's folder, with what <see cref="Plan"/> has left there.</param>
    /// <param name="fingerprint">The plan's fingerprint.</param>
    /// <param name="root">The storage root.</param>
    /// <param name="first">The first shard to make.</param>
    /// <param name="count">How many to make, at least 1.</param>
    /// <param name="progress">Told how far it is, about a hundred times.</param>
    /// <param name="cancellationToken">Stops the work. Finished shards stay.</param>
    /// <returns>The shards, in order: the same whoever makes them, and when they had been made before.</returns>
    /// <exception cref="BadDataException">A file of the corpus is bad or not what it was; the plan is damaged or of another corpus; it has no such shards.</exception>
    /// <exception cref="IOException">There is no plan, the system cannot read a file, or a shard cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static IReadOnlyList<ShardInfo> MakeShards(
        string folder, string fingerprint, string root, int first, int count, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var plan = CorpusPlan.Load(folder, fingerprint);
        if (first < 0 || count < 1 || first > plan.Shards.Count - count)
        {
            throw new BadDataException($"Shards {first} to {first + (long)count - 1} are not possible; the plan in {folder} has shards 0 to {plan.Shards.Count - 1}.");
        }

        return MakeShards(plan, TokenizerFile.Load(Path.Combine(folder, TokenizerFileName)), folder, root, first, count, progress, cancellationToken);
    }

    /// <summary>The last step: checks that every shard of a plan is there and writes the manifest, which makes the corpus ready.</summary>
    /// <param name="folder">The corpus's folder.</param>
    /// <param name="fingerprint">The plan's fingerprint.</param>
    /// <returns>The manifest: the same whoever writes it.</returns>
    /// <exception cref="BadDataException">The plan is damaged or of another corpus, a shard is damaged, or the corpus has no text.</exception>
    /// <exception cref="IOException">There is no plan, a shard is missing, or the manifest cannot be written.</exception>
    public static CorpusManifest Finish(string folder, string fingerprint)
    {
        var plan = CorpusPlan.Load(folder, fingerprint);
        var shards = Enumerable.Range(0, plan.Shards.Count).Select(index => ShardMaker.Find(plan, index, folder)).ToList();
        var manifest = CorpusManifest.Create(plan, shards);
        manifest.Save(folder);
        return manifest;
    }

    private static IReadOnlyList<CorpusFile> HeldOutFiles(string root, CorpusSettings settings, IReadOnlyList<CorpusFile> files)
    {
        if (settings.Examples is not { } layout)
        {
            return files.FirstOrDefault(file => file.Format is CorpusFormat.Table or CorpusFormat.Csv) is { } table
                ? throw new BadDataException($"{table.Path}: a table has no text to train on by itself; name its columns in corpus.examples.")
                : settings.HeldOutFiles is null ? [] : throw new BadDataException("corpus.heldOutFiles is for corpora of labelled examples, which corpus.examples describes.");
        }

        var heldOut = settings.HeldOutFiles is { } patterns ? CorpusFiles.Resolve(root, patterns) : [];
        foreach (var file in files.Concat(heldOut))
        {
            ExampleReader.CheckFormat(file, layout);
        }

        var training = files.Select(file => file.Path).ToHashSet(StringComparer.Ordinal);
        return heldOut.FirstOrDefault(file => training.Contains(file.Path)) is { } both
            ? throw new BadDataException($"{both.Path}: is in corpus.files and in corpus.heldOutFiles; what is measured on is not trained on.")
            : heldOut;
    }

    private static List<PlannedFile> Fingerprint(IReadOnlyList<CorpusFile> files, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var meter = new Meter(PreparationPhase.Fingerprint, files.Sum(file => file.Bytes), progress);
        var planned = new List<PlannedFile>();
        var buffer = new byte[1 << 20];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in files)
        {
            try
            {
                using var handle = file.Open(FileOptions.SequentialScan);
                var position = 0L;
                while (RandomAccess.Read(handle, buffer, position) is var read and > 0)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    hash.AppendData(buffer, 0, read);
                    position += read;
                    meter.Add(read);
                }

                planned.Add(new PlannedFile(file.Path, position, Convert.ToHexStringLower(hash.GetHashAndReset())));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Unreadable.As($"{file.Path}: cannot be read: {e.Message}", e);
            }
        }

        return planned;
    }

    private static ITokenizer LoadTokenizer(string root, string file)
    {
        // The same rules as for the corpus: inside the storage root, links included.
        var path = CorpusFiles.ResolveOne(root, file, "corpus.tokenizer.file");
        return TokenizerFile.Load(path);
    }

    private static ITokenizer TrainOrReuse(
        CorpusSettings settings, IReadOnlyList<CorpusFile> files, List<PlannedFile> planned, string folder, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var trainer = new ByteBpeTrainer(settings.VocabularySize);
        var key = new StringBuilder($"{TrainerVersion} {settings.VocabularySize} {JsonSerializer.Serialize(settings.Separator)} {settings.TokenizerSampleBytes}");
        if (settings.Examples is { } layout)
        {
            key.Append($" {JsonSerializer.Serialize(layout)}");
        }

        foreach (var (file, described) in planned.Zip(files))
        {
            key.Append($" {file.Sha256} {described.Format} {described.IsCompressed}");
        }

        var path = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key.ToString())))[..16] + ".json");
        if (File.Exists(path))
        {
            return TokenizerFile.Load(path);
        }

        var sample = TokenizerSample.Choose(files, settings.TokenizerSampleBytes);
        var meter = new Meter(PreparationPhase.TokenizerSample, sample.Sum(segment => segment.End - segment.Start), progress);
        TokenizerSample.Read(files, sample, settings, trainer, meter.Add, cancellationToken);
        var training = new Meter(PreparationPhase.TokenizerTraining, 100, progress);
        var tokenizer = trainer.Train(new Relay(training), cancellationToken);
        Directory.CreateDirectory(folder);
        AtomicFile.DeleteAbandoned(folder);
        tokenizer.Save(path);
        return tokenizer;
    }

    private static ShardInfo[] MakeShards(
        CorpusPlan plan, ITokenizer tokenizer, string folder, string root, int first, int count, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var wanted = plan.Shards.Skip(first).Take(count).SelectMany(shard => shard).ToList();
        foreach (var index in wanted.Select(segment => segment.File).Distinct())
        {
            // The plan is a file that others can write to.
            CorpusFiles.ResolveOne(root, plan.Files[index].Path, "The plan of the corpus");
        }

        var meter = new Meter(PreparationPhase.Shards, wanted.Sum(segment => segment.End - segment.Start), progress);
        var shards = new ShardInfo[count];
        InThreads(count, i => shards[i] = ShardMaker.Make(plan, first + i, root, tokenizer, folder, meter.Add, cancellationToken), cancellationToken);
        meter.Finish();
        return shards;
    }

    // Threads of their own, one per processor: those of the pool may have a connection to keep alive meanwhile.
    private static void InThreads(int count, Action<int> work, CancellationToken cancellationToken)
    {
        var next = -1;
        ExceptionDispatchInfo? error = null;
        var threads = Enumerable.Range(0, Math.Min(count, Environment.ProcessorCount)).Select(_ => new Thread(Run) { IsBackground = true, Name = "shards" }).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        // The first error says what is wrong; the others are mostly the same.
        error?.Throw();
        cancellationToken.ThrowIfCancellationRequested();

        void Run()
        {
            try
            {
                int index;
                while (Volatile.Read(ref error) is null && !cancellationToken.IsCancellationRequested && (index = Interlocked.Increment(ref next)) < count)
                {
                    work(index);
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref error, ExceptionDispatchInfo.Capture(e), null);
            }
        }
    }

    private static CorpusManifest Verify(string folder, CorpusPlan plan, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var manifest = CorpusManifest.Load(folder);
        if (manifest.Fingerprint != plan.Fingerprint)
        {
            throw new BadDataException($"The manifest in {folder} is of another corpus (its fingerprint is {manifest.Fingerprint}, expected {plan.Fingerprint}).");
        }

        var meter = new Meter(PreparationPhase.Verification, manifest.Shards.Sum(shard => shard.Bytes), progress);
        manifest.Verify(folder, meter.Add, cancellationToken);
        meter.Finish();
        return manifest;
    }

    /// <summary>Adds up what is done, from any thread, and reports each hundredth, and sooner where one takes long.</summary>
    private sealed class Meter(PreparationPhase phase, long total, IProgress<PreparationProgress>? progress)
    {
        private readonly Lock _lock = new();
        private long _done;
        private long _reported = -1;
        private long _reportedAt;

        public void Add(long amount)
        {
            lock (_lock)
            {
                _done = Math.Min(total, _done + amount);
                var hundredth = total == 0 ? 100 : (long)((Int128)_done * 100 / total);
                if (hundredth > _reported || (amount > 0 && Stopwatch.GetElapsedTime(_reportedAt) > LongestSilence))
                {
                    (_reported, _reportedAt) = (hundredth, Stopwatch.GetTimestamp());
                    progress?.Report(new PreparationProgress(phase, _done, total));
                }
            }
        }

        public void Finish() => Add(total);

        public void MoveTo(long done) => Add(done - _done);
    }

    private sealed class Relay(Meter meter) : IProgress<double>
    {
        public void Report(double value) => meter.MoveTo((long)(value * 100));
    }
}
