using Linformer.Model.SafeTensors;
using TorchSharp;

namespace Linformer.Model.Tests;

/// <summary>Outputs and gradients against an implementation in Python that shares nothing with this one.</summary>
[Trait("Lane", "Processes")]
public sealed class PythonParityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<ProjectionSharing, Normalization, AttentionKind, bool> Variants()
    {
        var data = new TheoryData<ProjectionSharing, Normalization, AttentionKind, bool>();
        foreach (var padded in new[] { false, true })
        {
            foreach (var sharing in Enum.GetValues<ProjectionSharing>())
            {
                data.Add(sharing, Normalization.Pre, AttentionKind.Linear, padded);
            }

            data.Add(ProjectionSharing.KeyValue, Normalization.Post, AttentionKind.Linear, padded);
            data.Add(ProjectionSharing.Layerwise, Normalization.Pre, AttentionKind.Full, padded);
        }

        return data;
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Variants))]
    public void Float32_agrees_with_PyTorch_to_1e_5(ProjectionSharing sharing, Normalization normalization, AttentionKind attention, bool padded) =>
        Compare(ModelVariants.Config(sharing, normalization, attention), padded, torch.ScalarType.Float32, tolerance: 1e-5);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Float64_agrees_with_PyTorch_to_1e_11(ProjectionSharing sharing, Normalization normalization, AttentionKind attention, bool padded) =>
        Compare(ModelVariants.Config(sharing, normalization, attention), padded, torch.ScalarType.Float64, tolerance: 1e-11);

    [Fact]
    public void Projections_of_every_kind_agree_with_PyTorch() => CompareAll(
        from sharing in Enum.GetValues<ProjectionSharing>()
        from kind in Enum.GetValues<ProjectionKind>()
        let config = ModelVariants.Config(sharing) with { Projection = kind, ProjectedLength = 4, ProjectionBias = kind == ProjectionKind.Learned }
        from run in new[]
        {
            new Run($"{sharing}, {kind}, padded", config, Padded: true, torch.ScalarType.Float64, 1e-11),
            new Run($"{sharing}, {kind}, one key/value head", config with { KeyValueHeads = 1, HeadSize = 7 }, Padded: false, torch.ScalarType.Float64, 1e-11),
        }
        select run);

    [Fact]
    public void Lengths_of_each_layer_agree_with_PyTorch() => CompareAll(
        from kind in Enum.GetValues<ProjectionKind>()
        let config = ModelVariants.Config(ProjectionSharing.Headwise) with { Projection = kind, ProjectedLengths = [8, 2], FeedForwards = [17, 40] }
        select new Run(kind.ToString(), config, Padded: true, torch.ScalarType.Float64, 1e-11));

    // Reversible layers lose some digits where they compute their inputs anew from their outputs.
    [Fact]
    public void Models_of_every_other_shape_agree_with_PyTorch() => CompareAll(
        from variant in ModelVariants.Others
        from run in new[]
        {
            new Run($"{variant.Key}, padded", variant.Value, Padded: true, torch.ScalarType.Float64, 1e-11),
            new Run($"{variant.Key}, float32", variant.Value, Padded: false, torch.ScalarType.Float32, variant.Value.Reversible ? 1e-4 : 3e-5),
        }
        select run);

    private void Compare(LinformerConfig config, bool padded, torch.ScalarType type, double tolerance) =>
        CompareAll([new Run("", config, padded, type, tolerance)]);

    // In one process: to start it takes longer than all that it computes.
    private void CompareAll(IEnumerable<Run> all)
    {
        using var scope = torch.NewDisposeScope();
        var runs = all.ToList();
        var models = runs.ConvertAll(run => ModelVariants.Build(run.Config, run.Type));
        var batches = runs.ConvertAll(run => new Batch(run));
        foreach (var (i, model) in models.Index())
        {
            ModelFolder.Save(_folder.File($"{i}"), model);
            batches[i].Write(_folder.File($"{i}/batch.safetensors"));
        }

        Python.Run(
            Path.Combine(AppContext.BaseDirectory, "Reference", "linformer_reference.py"),
            [.. runs.Index().SelectMany(run => new[] { "config.json", "model.safetensors", "batch.safetensors", "out.safetensors" }, (run, file) => _folder.File($"{run.Index}/{file}"))]);
        foreach (var (i, run) in runs.Index())
        {
            using var expected = SafeTensorsFile.Open(_folder.File($"{i}/out.safetensors"));
            ShouldAgree(run, models[i], batches[i], expected);
            models[i].Dispose();
        }
    }

    private static void ShouldAgree(Run run, MaskedLanguageModel model, Batch batch, SafeTensorsFile expected)
    {
        var hidden = model.Encoder.call(batch.Ids, batch.Mask);
        var logits = model.call(batch.Ids, batch.Mask);
        var loss = torch.nn.functional.cross_entropy(model.LogitsAt(batch.Ids, batch.Mask, batch.Positions), batch.Targets, reduction: torch.nn.Reduction.Sum);
        loss.backward();

        var all = torch.ones(1, dtype: torch.ScalarType.Float64);
        var rows = batch.Mask?.ne(0).unsqueeze(-1).to_type(torch.ScalarType.Float64) ?? all;
        ShouldAgree(run, "hidden_states", hidden, expected, rows);
        ShouldAgree(run, "logits", logits, expected, rows);
        ShouldAgree(run, "loss", loss.reshape(1), expected, all);
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (parameter.requires_grad)
            {
                ShouldAgree(run, "grad." + name, parameter.grad!, expected, all);
            }
            else
            {
                parameter.grad.ShouldBeNull($"{run.Name}: {name}");
            }
        }
    }

    private static void ShouldAgree(Run run, string name, torch.Tensor actual, SafeTensorsFile expectedFile, torch.Tensor rows)
    {
        var expected = Weights.Read(expectedFile, name);
        actual.shape.ShouldBe(expected.shape, name);
        var difference = ((actual.detach().to_type(torch.ScalarType.Float64) - expected) * rows).abs().max().item<double>();
        var scale = Math.Max(1, (expected * rows).abs().max().item<double>());
        (difference / scale).ShouldBeLessThan(run.Tolerance, $"{run.Name}: {name}");
    }

    private sealed record Run(string Name, LinformerConfig Config, bool Padded, torch.ScalarType Type, double Tolerance);

    private sealed class Batch
    {
        private const int Size = 3;

        public Batch(Run run)
        {
            var length = run.Padded ? 11 : run.Config.SequenceLength;
            long[] places = [1, 4, length, length + 2, (2 * length) + 1];
            Ids = torch.tensor(ModelVariants.Ids(Size * length, run.Config.VocabularySize, seed: 3), [Size, length]);
            Mask = run.Padded ? MaskOf(length) : null;
            Positions = torch.tensor(places);
            Targets = torch.tensor(ModelVariants.Ids(places.Length, run.Config.VocabularySize, seed: 4));
        }

        public torch.Tensor Ids { get; }

        public torch.Tensor? Mask { get; }

        public torch.Tensor Positions { get; }

        public torch.Tensor Targets { get; }

        public void Write(string path)
        {
            var tensors = new List<(string, torch.Tensor)> { ("input_ids", Ids), ("positions", Positions), ("targets", Targets) };
            if (Mask is not null)
            {
                tensors.Add(("attention_mask", Mask));
            }

            Weights.Write(path, tensors);
        }

        /// <summary>Lengths 11, 7 and 3 of 11.</summary>
        private static torch.Tensor MaskOf(int length) =>
            torch.tensor([.. Enumerable.Range(0, Size * length).Select(i => i % length < length - (4 * (i / length)) ? 1L : 0L)], [Size, length]);
    }
}
