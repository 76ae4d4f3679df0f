using Linformer.Data;
using Linformer.Data.Corpora;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Layers;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.RankProtocol;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary>What every task of a job is built from.</summary>
/// <param name="Job">The job.</param>
/// <param name="Start">The process's orders: folders.</param>
/// <param name="Options">How the job trains.</param>
/// <param name="Device">Where the model lives.</param>
public sealed record RankTaskContext(JobFile Job, StartMessage Start, TrainingOptions Options, Device Device)
{
    /// <summary>To be called when a part of a long micro-batch is done, so that the rank does not seem to hang.</summary>
    public Action Advanced { get; init; } = () => { };

    /// <summary>Where parameters live, and in what matrix products are computed.</summary>
    public Placement Placement => new(ScalarType.Float32, Device, Options.Precision);

    /// <summary>The tokenizer of the prepared corpus.</summary>
    public string TokenizerFile => Path.Combine(Start.CorpusFolder, CorpusPreparation.TokenizerFileName);

    /// <summary>Opens the sequences of the prepared corpus.</summary>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <exception cref="BadDataException">The corpus is too small, or the tokenizer has nothing to put between documents.</exception>
    public SequenceDataset OpenSequences(ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var special = tokenizer.Special;
        var separator = special.Separator ?? special.Begin ?? special.Unknown
            ?? throw new BadDataException("The tokenizer has neither </s> nor <s> nor <unk>, one of which must stand between documents.");
        var dataset = SequenceDataset.Open(Start.CorpusFolder, Job.Model.SequenceLength, Job.Corpus.HeldOut, separator);
        if (dataset.Training.Count == 0 || dataset.HeldOut.Count == 0)
        {
            var (training, heldOut) = (dataset.Training.Count, dataset.HeldOut.Count);
            dataset.Dispose();
            throw new BadDataException($"The corpus gives {training} training and {heldOut} held-out sequences of {Job.Model.SequenceLength} tokens; at least one of each is needed. Add text, or change corpus.heldOut ({Job.Corpus.HeldOut}).");
        }

        return dataset;
    }

    /// <summary>Which tensors of the folder that the job starts from were taken to the job's sequence length; null for none.</summary>
    public string? Resized { get; private set; }

    /// <summary>Notes them, so that the user is told.</summary>
    /// <param name="tensors">What was resized.</param>
    public void NoteResized(IReadOnlyList<ResizedTensor> tensors)
    {
        if (tensors.Count > 0)
        {
            Resized = $"The model of initializeFrom was taken to sequences of {Job.Model.SequenceLength} tokens: resized {string.Join("; ", tensors)}.";
        }
    }

    /// <summary>Why the head of the folder's model was of no use; null if it was taken, or there is none.</summary>
    public string? HeadAnew { get; set; }

    /// <summary>First values from the job's seed, or those of the folder that the job starts from.</summary>
    /// <param name="model">Module of which every parameter is overwritten.</param>
    /// <exception cref="BadDataException">The folder is not below the storage root.</exception>
    /// <exception cref="ModelFormatException">The folder's model has another shape.</exception>
    public void GiveFirstValues(nn.Module model)
    {
        Initialization.Apply(model, Options.Seed);
        LoadGivenWeights(model);
    }

    /// <summary>The values of the folder that the job starts from, if it says one.</summary>
    /// <param name="model">Module of which every parameter is overwritten then.</param>
    /// <exception cref="BadDataException">The folder is not below the storage root.</exception>
    /// <exception cref="ModelFormatException">The folder's model has another shape.</exception>
    public void LoadGivenWeights(nn.Module model)
    {
        if (Job.InitializeFrom is { } folder)
        {
            // The same rules as for the corpus: inside the storage root, links included.
            var weights = CorpusFiles.ResolveOne(Start.StorageRoot, $"{folder}/{ModelFolder.WeightsName}", "initializeFrom");
            NoteResized(ModelFolder.LoadResizedWeightsFile(weights, model));
        }
    }
}
