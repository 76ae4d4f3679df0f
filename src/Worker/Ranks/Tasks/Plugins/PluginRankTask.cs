using System.Text.Json;
using Linformer.Model.Files;
using Linformer.Training;
using Linformer.Training.Plugins;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary><c>task: plugin</c>.</summary>
internal sealed class PluginRankTask : IRankTask
{
    private readonly RankTaskContext _context;
    private readonly PluginContext _plugin;
    private readonly ITrainingTaskFactory _factory;
    private readonly ITrainingTask _made;
    private readonly string _shown;
    private readonly List<Tensor> _firstValues;

    /// <summary>Loads the plug-in and makes its task.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="PluginException">The plug-in is not allowed, cannot be loaded, fails, or makes what cannot be trained.</exception>
    public PluginRankTask(RankTaskContext context)
    {
        _context = context;
        var section = context.Job.Plugin!;
        _shown = section.Assembly;
        if (!context.Start.AllowPlugins)
        {
            throw new PluginException("This worker does not run tasks of others' (task plugin): it was started without --allow-plugins.");
        }

        using var settings = JsonDocument.Parse(section.Settings.Json);
        _plugin = new PluginContext
        {
            Device = context.Device,
            Training = context.Options,
            StorageRoot = context.Start.StorageRoot,
            Settings = settings.RootElement.Clone(),
            CorpusFolder = context.Job.HasCorpus ? context.Start.CorpusFolder : null,
        };
        var path = _plugin.PathOf(section.Assembly);
        PluginFiles.Check(path, _shown, _plugin.StorageRoot, context.Start.RunFolder);
        _factory = PluginLoader.Load(path, _shown, section.Type);
        _made = Make();
        Training = new GuardedTask(_made, _shown);
        try
        {
            PluginChecks.CheckModel(Training, context.Device, _shown);
            _firstValues = [.. _made.Model.parameters().Select(parameter => parameter.detach().clone().DetachFromDisposeScope())];
            Note = PluginChecks.Try(Training, context.Options, _shown);
        }
        catch
        {
            _made.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ITrainingTask Training { get; }

    /// <inheritdoc/>
    public string? WithoutKernels => null;

    /// <inheritdoc/>
    public string? Note { get; }

    /// <inheritdoc/>
    public void GiveFirstValues()
    {
        using (no_grad())
        {
            foreach (var (parameter, first) in _made.Model.parameters().Zip(_firstValues))
            {
                parameter.copy_(first);
            }
        }

        _context.LoadGivenWeights(_made.Model);
    }

    /// <inheritdoc/>
    public RankSummary Summary(long step, long parameters, EvaluationResult evaluation) =>
        new(step, parameters, evaluation.Loss, evaluation.Perplexity, double.NaN, evaluation.Predicted, _context.Start.ModelFolder);

    /// <inheritdoc/>
    public void Save() => WholeFolder.Write(_context.Start.ModelFolder, folder => PluginFault.Guard($"{_shown}: saving", () =>
    {
        _factory.Save(_made, _plugin, folder);
        return true;
    }));

    /// <inheritdoc/>
    public void Dispose()
    {
        _firstValues.ForEach(values => values.Dispose());
        Training.Dispose();
    }

    private ITrainingTask Make()
    {
        using var generator = manual_seed(_plugin.Seed);
        if (_plugin.Device.type == TorchSharp.DeviceType.CUDA)
        {
            cuda.manual_seed(_plugin.Seed);
        }

        var what = $"{_shown}: {_factory.GetType().FullName}.{nameof(ITrainingTaskFactory.Create)}";
        return PluginFault.Guard(what, () => _factory.Create(_plugin)) ?? throw new PluginException($"{what} gave no task.");
    }
}
