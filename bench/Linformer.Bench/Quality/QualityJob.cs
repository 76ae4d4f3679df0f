using Linformer.Protocol;

namespace Linformer.Bench.Quality;

/// <summary>
/// The job that the comparisons of quality vary: a model so small that a few minutes of one processor teach it something, and as many tokens in
/// a step whatever the length of a sequence.
/// </summary>
internal static class QualityJob
{
    /// <summary>Tokens of a step, so that a run is told by its steps.</summary>
    public const int TokensPerStep = 4096;

    private const double LearningRate = 1.5e-3;

    /// <summary>The job, with linear attention and one projection layerwise.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="files">The corpus's files, relative to the storage root.</param>
    /// <param name="length">n, at most <see cref="TokensPerStep"/>.</param>
    /// <param name="steps">Its steps.</param>
    /// <param name="seed">Its seed: of first values, order and masking.</param>
    public static JobFile Create(string name, string files, int length, int steps, int seed)
    {
        var batch = TokensPerStep / length;
        return new JobFile
        {
            Name = name,
            Corpus = new CorpusSection
            {
                Files = [files],
                Tokenizer = new TokenizerSection { Kind = TokenizerKind.ByteBpe, VocabularySize = 1024 },
                HeldOut = 0.02,
                ShuffleBlock = 8,
            },
            Model = new ModelSection
            {
                Preset = "linformer-tiny",
                Layers = 2,
                Heads = 2,
                Hidden = 128,
                FeedForward = 512,
                SequenceLength = length,
                ProjectedLength = 128,
                Dropout = 0,
            },
            Training = new TrainingSection
            {
                Steps = steps,
                GlobalBatch = batch,
                MicroBatch = batch,
                LearningRate = LearningRate,
                WarmupSteps = steps / 10,
                Seed = seed,
                EvaluateEvery = steps,
                CheckpointEvery = steps,
            },
            Ranks = new RanksSection { Min = 1, Max = 1 },
        };
    }
}
