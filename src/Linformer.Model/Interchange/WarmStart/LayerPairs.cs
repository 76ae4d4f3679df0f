using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>The layers of a Transformer beside those of the Linformer that is made of it.</summary>
internal sealed class LayerPairs
{
    private readonly MaskedLanguageModel _teacher;
    private readonly Dictionary<string, Tensor> _parameters;
    private readonly EncoderLayer[] _layers;
    private readonly Attention[] _teachers;
    private readonly Attention[] _students;

    public LayerPairs(MaskedLanguageModel teacher, MaskedLanguageModel student)
    {
        (_teacher, Student) = (teacher, student);
        _parameters = teacher.named_parameters().Select(p => (p.name, Tensor: (Tensor)p.parameter))
            .Concat(teacher.Encoder.named_buffers().Select(b => (b.name, Tensor: b.buffer)))
            .ToDictionary(p => p.name, p => p.Tensor, StringComparer.Ordinal);
        _layers = Of<EncoderLayer>(teacher);
        _teachers = Of<Attention>(teacher);
        _students = Of<Attention>(student);
    }

    public MaskedLanguageModel Student { get; }

    public int Count => _layers.Length;

    /// <summary>The projections of the Linformer, by their names.</summary>
    public IReadOnlyList<(string Name, Tensor Parameter)> Projections =>
        [.. Student.named_parameters().Where(p => IsProjection(p.name)).Select(p => (p.name, (Tensor)p.parameter))];

    /// <summary>Whether a parameter is E or F.</summary>
    public static bool IsProjection(string name) =>
        name.EndsWith("projection", StringComparison.Ordinal) || name.EndsWith("projection_key", StringComparison.Ordinal) || name.EndsWith("projection_value", StringComparison.Ordinal);

    /// <summary>What each layer's attention reads, and what the Transformer's gives for it, both [batch, n, hidden].</summary>
    /// <param name="ids">[batch, n].</param>
    public IReadOnlyList<(Tensor Input, Tensor Output)> Teach(Tensor ids)
    {
        using var noGrad = no_grad();
        var isPre = _teacher.Config.Normalization == Normalization.Pre;
        var x = Embedded(ids, isPre);
        var seen = new List<(Tensor, Tensor)>();
        for (var layer = 0; layer < Count; layer++)
        {
            var input = isPre ? Norm(x, $"encoder.layers.{layer}.attention_norm") : x;
            seen.Add((input, _teachers[layer].call(input, null)));
            x = _layers[layer].call(x, null);
        }

        return seen;
    }

    /// <summary>What the Linformer's attention gives.</summary>
    public Tensor Attend(int layer, Tensor input) => _students[layer].call(input, null);

    // A module that is reached in more than one way is listed as often.
    private static T[] Of<T>(MaskedLanguageModel model) => [.. model.named_modules().Select(pair => pair.module).OfType<T>().Distinct()];

    private Tensor Embedded(Tensor ids, bool isPre)
    {
        var positions = _parameters.TryGetValue("encoder.position.weight", out var learned) ? learned : _parameters["position_waves"];
        var words = _parameters["encoder.token.weight"].index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], -1);
        var x = words + positions.narrow(0, 0, ids.shape[1]);
        x = isPre || !_parameters.ContainsKey("encoder.norm.weight") ? x : Norm(x, "encoder.norm");
        return _parameters.TryGetValue("encoder.embedding_dense.weight", out var dense)
            ? nn.functional.linear(x, dense, _parameters["encoder.embedding_dense.bias"])
            : x;
    }

    private Tensor Norm(Tensor x, string name) =>
        nn.functional.layer_norm(x, [x.shape[^1]], _parameters[name + ".weight"], _parameters[name + ".bias"], _teacher.Config.NormEpsilon);
}
