using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Linformer.Data.Corpora;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;
using Linformer.Model.Files;

namespace Linformer.Data;

/// <summary>
/// Turns the files of a corpus into token shards: finds and fingerprints them, trains or loads the tokenizer, plans and makes
/// the shards, writes the manifest. What an earlier run made of the same content and settings is used again. Processes that
/// prepare the same corpus at the same time do the work twice, but never harm each other: files appear whole or not at all.
/// </summary>
public static class CorpusPreparation
{
    /// <summary>The tokenizer's file name in a prepared folder.</summary>
    public const string TokenizerFileName = "tokenizer.json";

    private const int TrainerVersion = 1;

    /// <summary>Prepares a corpus.</summary>
    /// <param name="settings">What it is made of.</param>
    /// <param name="root">The storage root.</param>
    /// <param name="cacheFolder">Where prepared corpora and trained tokenizers are kept; made if missing.</param>
    /// <param name="progress">Told how far it is, about a hundred times per phase.</param>
    /// <param name="cancellationToken">Stops the preparation. Finished shards stay and are used by the next attempt.</param>
    /// <returns>The prepared corpus.</returns>
    /// <exception cref="BadDataException">A file, the tokenizer or a setting is bad, or a shard made before is damaged.</exception>
    /// <exception cref="IOException">The cache folder cannot be written, for example because the disk is full.</exception>
    /// <exception cref="OperationCanceledException">The preparation was cancelled.</exception>
    public static PreparedCorpus Prepare(
        CorpusSettings settings, string root, string cacheFolder, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.ShardBytes < 1 || settings.TokenizerSampleBytes < 1)
        {
            throw new BadDataException($"Shards of {settings.ShardBytes} bytes and a tokenizer sample of {settings.TokenizerSampleBytes} bytes are not possible; both must be at least 1.");
        }

        var files = CorpusFiles.Resolve(root, settings.Files);
        var planned = Fingerprint(files, progress, cancellationToken);
        var tokenizer = settings.TokenizerFile is { } file
            ? LoadTokenizer(root, file)
            : TrainOrReuse(settings, files, planned, Path.Combine(cacheFolder, "tokenizers"), progress, cancellationToken);
        var plan = CorpusPlan.Create(planned, tokenizer, settings.Separator, settings.ShardBytes);
        var folder = Path.Combine(cacheFolder, "corpora", plan.Fingerprint[..16]);
        if (File.Exists(Path.Combine(folder, CorpusManifest.FileName)))
        {
            return new PreparedCorpus(folder, Verify(folder, plan, progress, cancellationToken), tokenizer, WasReused: true);
        }

        Directory.CreateDirectory(folder);
        AtomicFile.DeleteAbandoned(folder);
        var shards = MakeShards(plan, root, tokenizer, folder, files.Sum(f => f.Bytes), progress, cancellationToken);
        var manifest = CorpusManifest.Create(plan, shards);
        tokenizer.Save(Path.Combine(folder, TokenizerFileName));
        manifest.Save(folder);
        return new PreparedCorpus(folder, manifest, tokenizer, WasReused: false);
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
                using var handle = File.OpenHandle(file.FullPath, options: FileOptions.SequentialScan);
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
                throw new BadDataException($"{file.Path}: cannot be read: {e.Message}", e);
            }
        }

        return planned;
    }

    private static ByteBpeTokenizer LoadTokenizer(string root, string file)
    {
        // The same rules as for the corpus: inside the storage root, links included.
        var path = CorpusFiles.ResolveOne(root, file, "corpus.tokenizer.file");
        return ByteBpeTokenizer.Load(path);
    }

    private static ByteBpeTokenizer TrainOrReuse(
        CorpusSettings settings, IReadOnlyList<CorpusFile> files, List<PlannedFile> planned, string folder, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var trainer = new ByteBpeTrainer(settings.VocabularySize);
        var key = new StringBuilder($"{TrainerVersion} {settings.VocabularySize} {JsonSerializer.Serialize(settings.Separator)} {settings.TokenizerSampleBytes}");
        foreach (var (file, described) in planned.Zip(files))
        {
            key.Append($" {file.Sha256} {described.Format} {described.IsCompressed}");
        }

        var path = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key.ToString())))[..16] + ".json");
        if (File.Exists(path))
        {
            return ByteBpeTokenizer.Load(path);
        }

        var sample = TokenizerSample.Choose(files, settings.TokenizerSampleBytes);
        var meter = new Meter(PreparationPhase.TokenizerSample, sample.Sum(segment => segment.End - segment.Start), progress);
        TokenizerSample.Read(files, sample, settings.Separator, trainer, meter.Add, cancellationToken);
        var training = new Meter(PreparationPhase.TokenizerTraining, 100, progress);
        var tokenizer = trainer.Train(new Relay(training), cancellationToken);
        Directory.CreateDirectory(folder);
        AtomicFile.DeleteAbandoned(folder);
        tokenizer.Save(path);
        return tokenizer;
    }

    private static ShardInfo[] MakeShards(
        CorpusPlan plan, string root, ByteBpeTokenizer tokenizer, string folder, long bytes, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var meter = new Meter(PreparationPhase.Shards, bytes, progress);
        var shards = new ShardInfo[plan.Shards.Count];
        var options = new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount };
        try
        {
            Parallel.For(0, shards.Length, options, i => shards[i] = ShardMaker.Make(plan, i, root, tokenizer, folder, meter.Add, cancellationToken));
        }
        catch (AggregateException e)
        {
            // The first error says what is wrong; the others are mostly the same.
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        meter.Finish();
        return shards;
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

    /// <summary>Adds up what is done, from any thread, and reports each hundredth.</summary>
    private sealed class Meter(PreparationPhase phase, long total, IProgress<PreparationProgress>? progress)
    {
        private readonly Lock _lock = new();
        private long _done;
        private long _reported = -1;

        public void Add(long amount)
        {
            lock (_lock)
            {
                _done = Math.Min(total, _done + amount);
                var hundredth = total == 0 ? 100 : (long)((Int128)_done * 100 / total);
                if (hundredth > _reported)
                {
                    _reported = hundredth;
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
