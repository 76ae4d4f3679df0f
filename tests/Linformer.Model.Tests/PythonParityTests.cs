using Linformer.Model.SafeTensors;
using TorchSharp;

namespace Linformer.Model.Tests;

/// <summary>Outputs and gradients against an implementation in Python that shares nothing with this one.</summary>
[Trait("Lane", "Processes")]
public sealed class PythonParityTests : IDisposable
{
    private const int Batch = 3;

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

    private void Compare(LinformerConfig config, bool padded, torch.ScalarType type, double tolerance)
    {
        using var scope = torch.NewDisposeScope();
        using var model = ModelVariants.Build(config, type);
        var length = padded ? 11 : config.SequenceLength;
        var ids = torch.tensor(ModelVariants.Ids(Batch * length, config.VocabularySize, seed: 3), [Batch, length]);
        var mask = padded ? Mask(length) : null;
        long[] places = [1, 4, length, length + 2, (2 * length) + 1];
        var positions = torch.tensor(places);
        var targets = torch.tensor(ModelVariants.Ids(places.Length, config.VocabularySize, seed: 4));

        var hidden = model.Encoder.call(ids, mask);
        var logits = model.call(ids, mask);
        var loss = torch.nn.functional.cross_entropy(model.LogitsAt(ids, mask, positions), targets, reduction: torch.nn.Reduction.Sum);
        loss.backward();

        using var expected = RunPython(model, ids, mask, positions, targets);
        var rows = padded ? mask!.ne(0).unsqueeze(-1).to_type(torch.ScalarType.Float64) : torch.ones(1, dtype: torch.ScalarType.Float64);
        ShouldAgree("hidden_states", hidden, expected, tolerance, rows);
        ShouldAgree("logits", logits, expected, tolerance, rows);
        ShouldAgree("loss", loss.reshape(1), expected, tolerance, torch.ones(1, dtype: torch.ScalarType.Float64));
        foreach (var (name, parameter) in model.named_parameters())
        {
            ShouldAgree("grad." + name, parameter.grad!, expected, tolerance, torch.ones(1, dtype: torch.ScalarType.Float64));
        }
    }

    private SafeTensorsFile RunPython(MaskedLanguageModel model, torch.Tensor ids, torch.Tensor? mask, torch.Tensor positions, torch.Tensor targets)
    {
        ModelFolder.Save(_folder.File("model"), model);
        var batch = new List<(string, torch.Tensor)> { ("input_ids", ids), ("positions", positions), ("targets", targets) };
        if (mask is not null)
        {
            batch.Add(("attention_mask", mask));
        }

        Weights.Write(_folder.File("batch.safetensors"), batch);
        Python.Run(
            Path.Combine(AppContext.BaseDirectory, "Reference", "linformer_reference.py"),
            _folder.File("model/config.json"),
            _folder.File("model/model.safetensors"),
            _folder.File("batch.safetensors"),
            _folder.File("out.safetensors"));
        return SafeTensorsFile.Open(_folder.File("out.safetensors"));
    }

    /// <summary>Lengths 11, 7 and 3 of 11.</summary>
    private static torch.Tensor Mask(int length) =>
        torch.tensor([.. Enumerable.Range(0, Batch * length).Select(i => i % length < length - (4 * (i / length)) ? 1L : 0L)], [Batch, length]);

    private static void ShouldAgree(string name, torch.Tensor actual, SafeTensorsFile expectedFile, double tolerance, torch.Tensor rows)
    {
        var expected = Weights.Read(expectedFile, name);
        actual.shape.ShouldBe(expected.shape, name);
        var difference = ((actual.detach().to_type(torch.ScalarType.Float64) - expected) * rows).abs().max().item<double>();
        var scale = Math.Max(1, (expected * rows).abs().max().item<double>());
        (difference / scale).ShouldBeLessThan(tolerance, name);
    }
}
