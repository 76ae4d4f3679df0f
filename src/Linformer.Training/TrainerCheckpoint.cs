using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Data;
using Linformer.Model;
using Linformer.Model.SafeTensors;
using Linformer.Training.Checkpoints;
using Linformer.Training.Selection;
using Linformer.Training.Sharding;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>
/// A copy of a trainer's state at one step, and the way back. Keyed by the parameters' logical names, so that any
/// number of ranks, and other programs, can read it.
/// </summary>
public sealed class TrainerCheckpoint : IDisposable
{
    /// <summary>The parameters.</summary>
    public const string ModelFile = "model.safetensors";

    /// <summary>
    /// Both moments of AdamW, as <c>first_moment.&lt;name&gt;</c> and <c>second_moment.&lt;name&gt;</c>; with local steps those of the rank
    /// that wrote it, and the outer momentum of all as <c>outer_momentum.&lt;name&gt;</c>.
    /// </summary>
    public const string OptimizerFile = "optimizer.safetensors";

    /// <summary>Counters and the histories of losses and ranks.</summary>
    public const string StateFile = "trainer.json";

    private const string FirstMoment = "first_moment.";
    private const string SecondMoment = "second_moment.";
    private const string OuterMomentum = "outer_momentum.";

    // A state that lacks a field is damaged, not zero.
    private static readonly JsonSerializerOptions StateOptions = new()
    {
        RespectRequiredConstructorParameters = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly IReadOnlyList<ParameterSlice> _slices;
    private readonly State _state;
    private readonly long _samples;
    private readonly Tensor _values;
    private readonly Tensor _firstMoment;
    private readonly Tensor _secondMoment;
    private readonly Tensor? _outerMomentum;

    private TrainerCheckpoint(Trainer trainer, int globalBatch, Moments? gathered)
    {
        _slices = trainer.Parameters.Slices;
        var state = trainer.State;
        _state = new State(state.Step, state.Updates, state.LossHistory.Mean, state.LossHistory.Count, state.World.Segments, state.Evaluations.OrNull);
        _samples = state.Step * globalBatch;
        _values = Copy(trainer.Parameters.Values);
        _firstMoment = gathered is null ? Copy(trainer.Optimizer.FirstMoment) : gathered.First.alias().DetachFromDisposeScope();
        _secondMoment = gathered is null ? Copy(trainer.Optimizer.SecondMoment) : gathered.Second.alias().DetachFromDisposeScope();
        _outerMomentum = trainer.Outer is { } outer ? Copy(outer.Momentum) : null;
    }

    /// <summary>The step at which the copy was taken.</summary>
    public long Step => _state.Step;

    /// <summary>Copies the state. Training may go on at once.</summary>
    /// <param name="trainer">The trainer, between two steps.</param>
    /// <param name="globalBatch">Sequences per step.</param>
    /// <param name="gathered">
    /// What <see cref="Trainer.GatherMoments"/> gave, where the moments are shared out over the ranks; the copy shares it, so that it must
    /// not change, but may be disposed. Null where the trainer holds all moments.
    /// </param>
    /// <exception cref="InvalidOperationException">Neither the trainer nor what was gathered has all moments.</exception>
    public static TrainerCheckpoint Take(Trainer trainer, int globalBatch, Moments? gathered = null)
    {
        if (!(gathered ?? trainer.Optimizer.Moments).Shard.IsWhole)
        {
            throw new InvalidOperationException("This rank holds a part of the moments, which are shared out over the ranks; they have to be gathered first.");
        }

        using var noGrad = no_grad();
        return new TrainerCheckpoint(trainer, globalBatch, gathered);
    }

    /// <summary>Writes the copy.</summary>
    /// <param name="store">The job's checkpoints.</param>
    /// <param name="lineage">The lineage that committed the step.</param>
    /// <param name="generation">The generation that committed the step.</param>
    /// <param name="jobJson">The job with all settings resolved.</param>
    /// <param name="cancellationToken">Ends the writing; nothing of the checkpoint remains.</param>
    /// <exception cref="CheckpointException">It cannot be written; nothing of it remains.</exception>
    public Task<CheckpointInfo> WriteAsync(
        CheckpointStore store, int lineage, int generation, string jobJson, CancellationToken cancellationToken = default) =>
        store.WriteAsync(
            new CheckpointId(lineage, generation, _state.Step),
            new CheckpointMetadata(_samples, SampleOrder.Version, jobJson),
            [
                new CheckpointFile(ModelFile, stream => Write(stream, ("", _values))),
                new CheckpointFile(OptimizerFile, stream => Write(stream, [(FirstMoment, _firstMoment), (SecondMoment, _secondMoment), .. Outer(_outerMomentum)])),
                new CheckpointFile(StateFile, stream => JsonSerializer.Serialize(stream, _state, StateOptions)),
            ],
            cancellationToken);

    /// <summary>Puts a verified checkpoint into a trainer. When this throws, the trainer must not be used.</summary>
    /// <param name="info">The checkpoint, verified.</param>
    /// <param name="trainer">A trainer of the same model.</param>
    /// <param name="globalBatch">Sequences per step.</param>
    /// <param name="advanced">Called whenever a tensor has been read; null for nobody.</param>
    /// <exception cref="CheckpointException">It is of another sample order, or its batches were of another size.</exception>
    /// <exception cref="ModelFormatException">It is of another model.</exception>
    /// <exception cref="SafeTensorsException">It lacks a tensor.</exception>
    public static void Restore(CheckpointInfo info, Trainer trainer, int globalBatch, Action? advanced = null)
    {
        if (info.Metadata.SampleOrderVersion != SampleOrder.Version)
        {
            throw new CheckpointException($"{info.Folder}: its samples were taken in version {info.Metadata.SampleOrderVersion} of the sample order; this program has version {SampleOrder.Version}.");
        }

        var state = ReadState(info);
        if (state.Step != info.Id.Step || state.Updates < 0 || state.Updates > state.Step || state.GoodLosses < 0 || !double.IsFinite(state.MeanLoss))
        {
            throw new CheckpointException($"{info.PathOf(StateFile)}: says step {state.Step}, {state.Updates} updates and {state.GoodLosses} good losses of mean {state.MeanLoss}, which the state after step {info.Id.Step} cannot have.");
        }

        if (info.Metadata.SamplesConsumed != (Int128)state.Step * globalBatch)
        {
            throw new CheckpointException($"{info.Folder}: {info.Metadata.SamplesConsumed} samples were used up in {state.Step} steps, which is not {globalBatch} a step: training.globalBatch must stay as it was.");
        }

        var slices = trainer.Parameters.Slices;
        trainer.HoldAllMoments();
        Read(info.PathOf(ModelFile), slices, advanced, ("", trainer.Parameters.Values));
        Read(info.PathOf(OptimizerFile), slices, advanced, [(FirstMoment, trainer.Optimizer.FirstMoment), (SecondMoment, trainer.Optimizer.SecondMoment), .. Outer(trainer.Outer?.Momentum)]);
        trainer.ContinueFrom(new TrainerState(state.Step, state.Updates, new LossHistory(state.MeanLoss, state.GoodLosses), WorldOf(state, info))
        {
            Evaluations = EvaluationHistory.Of(state.Evaluations, state.Step),
        });
    }

    /// <summary>Puts the parameters of a verified checkpoint into a trainer, and nothing else of it.</summary>
    /// <param name="info">The checkpoint, verified.</param>
    /// <param name="trainer">A trainer of the same model.</param>
    /// <exception cref="ModelFormatException">It is of another model.</exception>
    /// <exception cref="SafeTensorsException">It lacks a tensor.</exception>
    public static void ReadParameters(CheckpointInfo info, Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(info);
        ArgumentNullException.ThrowIfNull(trainer);
        Read(info.PathOf(ModelFile), trainer.Parameters.Slices, advanced: null, ("", trainer.Parameters.Values));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _values.Dispose();
        _firstMoment.Dispose();
        _secondMoment.Dispose();
        _outerMomentum?.Dispose();
    }

    private static (string Prefix, Tensor Flat)[] Outer(Tensor? momentum) => momentum is null ? [] : [(OuterMomentum, momentum)];

    // To the host at once: the device's buffers change with the next step, and another thread writes these.
    private static Tensor Copy(Tensor tensor) =>
        (tensor.device_type == DeviceType.CPU ? tensor.clone() : tensor.cpu()).DetachFromDisposeScope();

    private void Write(Stream stream, params ReadOnlySpan<(string Prefix, Tensor Flat)> buffers)
    {
        using var scope = NewDisposeScope();
        var entries = new List<SafeTensorEntry>();
        foreach (var (prefix, flat) in buffers)
        {
            entries.AddRange(_slices.Select(slice => Weights.Entry(prefix + slice.Name, slice.ViewOf(flat))));
        }

        SafeTensorsWriter.Write(stream, entries);
    }

    private static WorldHistory WorldOf(State state, CheckpointInfo info)
    {
        try
        {
            // Checkpoints of older versions do not say.
            return state.World is null ? WorldHistory.Unknown(state.Step) : new WorldHistory(state.World, state.Step);
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{info.PathOf(StateFile)}: {e.Message}", e);
        }
    }

    private static State ReadState(CheckpointInfo info)
    {
        try
        {
            return JsonSerializer.Deserialize<State>(File.ReadAllText(info.PathOf(StateFile)), StateOptions)
                ?? throw new CheckpointException($"{info.PathOf(StateFile)}: is empty.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CheckpointException($"{info.PathOf(StateFile)}: {e.Message}", e);
        }
    }

    private static void Read(string path, IReadOnlyList<ParameterSlice> slices, Action? advanced, params ReadOnlySpan<(string Prefix, Tensor Flat)> buffers)
    {
        using var file = SafeTensorsFile.Open(path);
        var strange = file.Tensors.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var (prefix, flat) in buffers)
        {
            foreach (var slice in slices)
            {
                using var view = slice.ViewOf(flat);
                Weights.ReadInto(file, prefix + slice.Name, view);
                strange.Remove(prefix + slice.Name);
                advanced?.Invoke();
            }
        }

        // A model of fewer layers would find all that it needs.
        if (strange.Count > 0)
        {
            throw new ModelFormatException($"{path}: tensor '{strange.Order(StringComparer.Ordinal).First()}' is not one of the model that is trained.");
        }
    }

    /// <summary>What is in <see cref="StateFile"/>.</summary>
    /// <param name="Step">Steps taken.</param>
    /// <param name="Updates">Updates applied.</param>
    /// <param name="MeanLoss">Running mean of the good losses.</param>
    /// <param name="GoodLosses">Good losses so far.</param>
    /// <param name="World">How many ranks computed each step; null where that is not known.</param>
    /// <param name="Evaluations">What came of the evaluations; null for nothing.</param>
    private sealed record State(
        long Step,
        long Updates,
        double MeanLoss,
        long GoodLosses,
        IReadOnlyList<WorldSegment>? World = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<EvaluationPoint>? Evaluations = null);
}
