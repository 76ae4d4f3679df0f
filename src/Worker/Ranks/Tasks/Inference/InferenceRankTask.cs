using System.Security.Cryptography;
using Linformer.Data;
using Linformer.Data.Corpora;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Training;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks.Inference;

/// <summary><c>task: inference</c>.</summary>
internal sealed class InferenceRankTask : IRankTask
{
    private const int Format = 1;

    private readonly InferenceModel _model;
    private readonly DocumentSet _documents;
    private readonly InferenceOutput _output;
    private readonly InferenceTask _task;
    private readonly string _folder;

    /// <summary>Loads model and corpus, and opens the folder of the results.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="BadDataException">The corpus is damaged, or the folder of the results holds others.</exception>
    /// <exception cref="ModelFormatException">The model folder is none, or its model is not for that.</exception>
    public InferenceRankTask(RankTaskContext context)
    {
        var (job, start) = (context.Job, context.Start);
        var section = job.Inference!;
        var config = CorpusFiles.ResolveOne(start.StorageRoot, $"{section.Model}/{ConfigFile.Name}", "inference.model");
        var weights = CorpusFiles.ResolveOne(start.StorageRoot, $"{section.Model}/{ModelFolder.WeightsName}", "inference.model");
        _folder = section.Output is { } output ? Agents.AssignmentReader.Inside(start.StorageRoot, output, "inference.output") : start.ModelFolder;
        var tokenizer = TokenizerFile.Load(context.TokenizerFile);
        _documents = DocumentSet.Open(start.CorpusFolder);
        try
        {
            _model = new InferenceModel(Path.GetDirectoryName(config)!, section, context, tokenizer.Special);
            var identity = new
            {
                format = Format,
                corpus = _documents.Manifest.Fingerprint,
                model = new { config = HashOf(config), weights = HashOf(weights) },
                // Where they lie is no part of what they are.
                settings = section with { Model = "", Output = null },
                precision = $"{context.Options.Precision}",
                threads = start.Threads,
                device = $"{context.Device.type}",
            };
            _output = new InferenceOutput(_folder, InferenceResults.Extension(_model.Head), identity, kernels: WithoutKernels is null);
            _task = new InferenceTask(_model, _documents, _output, section.ShardDocuments, context.Advanced);
            CheckSteps(context.Options);
        }
        catch
        {
            _model?.Dispose();
            _documents.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ITrainingTask Training => _task;

    /// <inheritdoc/>
    public string? WithoutKernels => _model.WithoutKernels;

    /// <inheritdoc/>
    public string? Note => _output.BegunWithKernels is { } begun && begun != (WithoutKernels is null)
        ? $"The results in {_folder} were begun {(begun ? "with" : "without")} kernels, and this rank computes {(begun ? "without" : "with")} them: the same to rounding, not to the bit."
        : null;

    /// <summary>The number that nothing depends on is 0.</summary>
    public void GiveFirstValues()
    {
        using var noGrad = no_grad();
        foreach (var parameter in _task.Model.parameters())
        {
            parameter.zero_();
        }
    }

    /// <inheritdoc/>
    public RankSummary Summary(long step, long parameters, EvaluationResult evaluation) =>
        new(step, _model.Parameters, double.NaN, double.NaN, double.NaN, _documents.Count, _folder);

    /// <inheritdoc/>
    public void Save() => _output.Finish(_task.TrainingSequences, _documents.Count);

    /// <inheritdoc/>
    public void Dispose()
    {
        _task.Dispose();
        _model.Dispose();
        _documents.Dispose();
    }

    private static string HashOf(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    private void CheckSteps(TrainingOptions options)
    {
        var steps = InferenceJobs.Parts(_task.TrainingSequences, options.GlobalBatch);
        if (options.MicroBatch != 1 || options.Steps != steps)
        {
            throw new BadDataException($"The job has {options.Steps} steps; the {_documents.Count} documents of its corpus take {steps}.");
        }
    }
}
