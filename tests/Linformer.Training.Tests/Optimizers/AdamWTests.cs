using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Model.Tests;
using Linformer.Training.Optimizers;
using Linformer.Training.Tests.Checkpoints;
using Linformer.Training.Tests.Trainers;
using TorchSharp;

namespace Linformer.Training.Tests.Optimizers;

[Trait("Lane", "Processes")]
public sealed class AdamWTests : IDisposable
{
    private const int Updates = 20;
    private const int Width = 37;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Agrees_with_PyTorch_over_20_updates()
    {
        Case[] cases =
        [
            Make(new AdamWOptions(0.9, 0.999, 1e-8, 0.01), scale: 1),
            Make(new AdamWOptions(0.9, 0.98, 1e-6, 0.1), scale: 1e-3),
            Make(new AdamWOptions(0.5, 0.9, 1e-3, 0.0), scale: 1e-2),
            Make(new AdamWOptions(0.0, 0.0, 1e-6, 1.0), scale: 10),
            Make(new AdamWOptions(0.95, 0.9999, 1e-10, 0.3), scale: 1e-6),
        ];
        var expected = RunPython(cases);
        for (var i = 0; i < cases.Length; i++)
        {
            Compare(cases[i], expected[i], $"case {i}");
        }
    }

    private static void Compare(Case @case, State[] expected, string about)
    {
        using var model = new LinearModel(@case.Parameters[0], @case.Parameters[1][0]);
        using var parameters = new FlatParameters(model, trailer: 4);
        using var optimizer = new AdamW(parameters, new AdamWOptions(@case.Beta1, @case.Beta2, @case.Epsilon, @case.WeightDecay));
        string[] names = ["weight", "bias"];
        for (var update = 0; update < Updates; update++)
        {
            for (var p = 0; p < names.Length; p++)
            {
                using var given = torch.tensor(@case.Gradients[update][p]);
                using var flat = model.get_parameter(names[p])!.grad!.view(-1);
                flat.copy_(given);
            }

            optimizer.Update(update + 1, @case.LearningRates[update]);
            for (var p = 0; p < names.Length; p++)
            {
                var slice = parameters.Slices.Single(s => s.Name == names[p]);
                var soFar = expected[..(update + 1)];
                ShouldAgree(slice, parameters.Values, [.. soFar.Select(state => state.Values[p])], $"{about}, update {update}, {names[p]}");
                ShouldAgree(slice, optimizer.FirstMoment, [.. soFar.Select(state => state.First[p])], $"{about}, update {update}, first moment of {names[p]}");
                ShouldAgree(slice, optimizer.SecondMoment, [.. soFar.Select(state => state.Second[p])], $"{about}, update {update}, second moment of {names[p]}");
            }
        }
    }

    // Relative to the largest element so far, since a first moment may come close to zero, but what it was rounded to before was not.
    private static void ShouldAgree(ParameterSlice slice, torch.Tensor flat, float[][] soFar, string about)
    {
        var expected = soFar[^1];
        using var view = slice.ViewOf(flat);
        var actual = Bits.FloatsOf(view);
        var scale = soFar.SelectMany(elements => elements).Max(Math.Abs);
        actual.Length.ShouldBe(expected.Length);
        for (var i = 0; i < actual.Length; i++)
        {
            actual[i].ShouldBe(expected[i], 1e-6 * scale, $"{about}[{i}]");
        }
    }

    private static Case Make(AdamWOptions options, double scale)
    {
        var random = new Random(1);
        float Normal() => (float)(scale * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        float[] Vector(int length, Func<float> draw) => [.. Enumerable.Range(0, length).Select(_ => draw())];
        return new Case(
            options.Beta1,
            options.Beta2,
            options.Epsilon,
            options.WeightDecay,
            [.. Enumerable.Range(1, Updates).Select(i => 1e-2 * Math.Min(i / 5.0, 1))],
            [Vector(Width, () => 1 + random.NextSingle()), Vector(1, () => 1 + random.NextSingle())],
            [.. Enumerable.Range(0, Updates).Select(_ => new[] { Vector(Width, Normal), Vector(1, Normal) })]);
    }

    private State[][] RunPython(Case[] cases)
    {
        var (input, output) = (Path.Combine(_folder.Root, "cases.json"), Path.Combine(_folder.Root, "out.json"));
        File.WriteAllText(input, JsonSerializer.Serialize(cases));
        Python.Run(Path.Combine(AppContext.BaseDirectory, "Optimizers", "adamw_reference.py"), input, output);
        return JsonSerializer.Deserialize<State[][]>(File.ReadAllText(output))!;
    }

    private sealed record Case(
        [property: JsonPropertyName("beta1")] double Beta1,
        [property: JsonPropertyName("beta2")] double Beta2,
        [property: JsonPropertyName("epsilon")] double Epsilon,
        [property: JsonPropertyName("weight_decay")] double WeightDecay,
        [property: JsonPropertyName("learning_rates")] double[] LearningRates,
        [property: JsonPropertyName("parameters")] float[][] Parameters,
        [property: JsonPropertyName("gradients")] float[][][] Gradients);

    private sealed record State(
        [property: JsonPropertyName("values")] float[][] Values,
        [property: JsonPropertyName("first")] float[][] First,
        [property: JsonPropertyName("second")] float[][] Second);
}
