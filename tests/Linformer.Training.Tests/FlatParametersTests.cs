using Linformer.Model;
using Linformer.Training.Tests.Trainers;
using static TorchSharp.torch;

namespace Linformer.Training.Tests;

public class FlatParametersTests
{
    private const int Trailer = 5;

    public static TheoryData<ProjectionSharing> Sharings() => new(Enum.GetValues<ProjectionSharing>());

    [Theory]
    [MemberData(nameof(Sharings))]
    public void Every_parameter_has_one_place_and_keeps_its_values(ProjectionSharing sharing)
    {
        using var model = Build(sharing);
        var before = model.named_parameters().ToDictionary(p => p.name, p => Bits.BitsOf(p.parameter));
        var shapes = model.named_parameters().ToDictionary(p => p.name, p => p.parameter.shape);
        using var flat = new FlatParameters(model, Trailer);

        flat.Slices.Select(slice => slice.Name).ShouldBe(before.Keys, ignoreOrder: true);
        var all = Bits.BitsOf(flat.Values);
        foreach (var slice in flat.Slices)
        {
            slice.Shape.ShouldBe(shapes[slice.Name]);
            slice.Length.ShouldBe(before[slice.Name].Length);
            all.AsSpan((int)slice.Offset, (int)slice.Length).SequenceEqual(before[slice.Name]).ShouldBeTrue(slice.Name);
            Bits.BitsOf(model.get_parameter(slice.Name)!).ShouldBe(before[slice.Name], slice.Name);
        }

        var inOrder = flat.Slices.OrderBy(slice => slice.Offset).ToArray();
        for (var i = 1; i < inOrder.Length; i++)
        {
            inOrder[i].Offset.ShouldBeGreaterThanOrEqualTo(inOrder[i - 1].Offset + inOrder[i - 1].Length, "they overlap");
        }

        (inOrder[^1].Offset + inOrder[^1].Length).ShouldBeLessThanOrEqualTo(flat.Length);
        flat.Values.shape.ShouldBe([flat.Length]);
        flat.Gradients.shape.ShouldBe([flat.Length]);
        flat.GradientsAndTrailer.shape.ShouldBe([flat.Length + Trailer]);
    }

    [Fact]
    public void What_is_frozen_has_no_place_and_no_gradient()
    {
        var config = new LinformerConfig { VocabularySize = 30, Layers = 2, Heads = 2, Hidden = 8, FeedForward = 16, SequenceLength = 8, ProjectedLength = 4, Sharing = ProjectionSharing.None };
        using var model = new MaskedLanguageModel(config with { TrainProjection = false });
        Initialization.Apply(model, seed: 1);
        var frozen = model.named_parameters().Where(p => p.name.Contains("projection", StringComparison.Ordinal)).ToArray();
        var before = frozen.Select(p => Bits.BitsOf(p.parameter)).ToArray();
        using var flat = new FlatParameters(model, Trailer);

        flat.Slices.Select(slice => slice.Name).ShouldBe(model.named_parameters().Select(p => p.name).Except(frozen.Select(p => p.name)), ignoreOrder: true);
        frozen.Length.ShouldBe(4);
        model.call(zeros([1, 8], dtype: ScalarType.Int64), null).sum().backward();
        flat.Values.zero_();
        Array.ConvertAll(frozen, p => p.parameter.grad).ShouldAllBe(gradient => ReferenceEquals(gradient, null));
        frozen.Select(p => Bits.BitsOf(p.parameter)).ShouldBe(before);
    }

    [Fact]
    public void Parameters_with_weight_decay_come_first_and_all_start_on_cache_lines()
    {
        using var model = Build(ProjectionSharing.None);
        using var flat = new FlatParameters(model, Trailer);
        foreach (var slice in flat.Slices)
        {
            var isVector = slice.Name.EndsWith("bias", StringComparison.Ordinal) || slice.Name.Contains("norm", StringComparison.Ordinal);
            slice.Decays.ShouldBe(!isVector, slice.Name);
            (slice.Offset < flat.DecayedLength).ShouldBe(slice.Decays, slice.Name);
            (slice.Offset + slice.Length <= flat.DecayedLength).ShouldBe(slice.Decays, slice.Name);
            (slice.Offset * sizeof(float) % 64).ShouldBe(0, slice.Name);
        }
    }

    [Fact]
    public void Parameters_follow_the_order_of_gradients_and_buckets_end_between_its_groups()
    {
        using var model = Build(ProjectionSharing.None);
        var names = model.named_parameters().Select(p => p.name).ToArray();
        string[][] order = [.. ((string[])["head_", "encoder.layers.1.", "encoder.layers.0."]).Select(prefix => names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToArray())];
        int GroupOf(string name) => Array.FindIndex(order, group => group.Contains(name)) is >= 0 and var group ? group : order.Length;
        using var flat = new FlatParameters(model, Trailer, order);
        foreach (var decays in (bool[])[true, false])
        {
            var groups = flat.Slices.Where(slice => slice.Decays == decays).Select(slice => GroupOf(slice.Name)).ToArray();
            groups.ShouldBe(groups.Order());
        }

        flat.Tensors.Select(tensor => tensor.numel()).ShouldBe(flat.Slices.Select(slice => slice.Length));
        flat.BucketEnds(long.MaxValue).ShouldBe([flat.Length]);
        var decayed = flat.Slices.Where(slice => slice.Decays).ToArray();
        var all = flat.BucketEnds(1);
        all.ShouldBe([.. ((int[])[1, 2, 3]).Select(group => decayed.First(slice => GroupOf(slice.Name) == group).Offset), flat.Length]);
        flat.BucketEnds(all[0] + 1).ShouldBe([all[1], all[2], flat.Length], "the head alone is too small, each layer is not");
    }

    [Theory]
    [InlineData("no.such", "'no.such', which the model does not have")]
    [InlineData("weight", "'weight', which it has named before")]
    public void An_order_that_does_not_fit_the_model_is_refused(string name, string message)
    {
        using var model = new LinearModel([1, 2, 3], 4);
        Should.Throw<ArgumentException>(() => new FlatParameters(model, Trailer, [["weight"], [name]])).Message.ShouldContain(message);
    }

    [Fact]
    public void Parameters_and_gradients_are_views_that_are_written_through_both_ways()
    {
        using var model = Build(ProjectionSharing.Layerwise);
        using var flat = new FlatParameters(model, Trailer);
        using var noGrad = no_grad();
        using var count = arange(flat.Length, dtype: ScalarType.Float32);
        flat.Values.copy_(count);
        flat.Gradients.copy_(count).neg_();
        foreach (var slice in flat.Slices)
        {
            var parameter = model.get_parameter(slice.Name)!;
            var expected = Enumerable.Range((int)slice.Offset, (int)slice.Length).Select(i => (float)i).ToArray();
            Bits.FloatsOf(parameter).ShouldBe(expected, slice.Name);
            Bits.FloatsOf(parameter.grad!).ShouldBe(expected.Select(value => -value), slice.Name);

            parameter.fill_(-7);
            parameter.grad!.fill_(8);
            using var values = slice.ViewOf(flat.Values);
            using var gradients = slice.ViewOf(flat.Gradients);
            Bits.FloatsOf(values).ShouldAllBe(value => value == -7);
            Bits.FloatsOf(gradients).ShouldAllBe(value => value == 8);
        }

        // Nothing else was written to.
        Bits.FloatsOf(flat.Values).Count(value => value == -7).ShouldBe((int)flat.Slices.Sum(slice => slice.Length));
    }

    [Fact]
    public void Backward_adds_to_the_flat_gradient_and_leaves_the_trailer()
    {
        using var model = new LinearModel([1, -2, 0.5f], bias: 3);
        using var flat = new FlatParameters(model, Trailer);
        using var inputs = tensor(new float[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);
        flat.Trailer.fill_(9);
        for (var times = 1; times <= 3; times++)
        {
            using var scope = NewDisposeScope();
            model.call(inputs).sum().backward();
            using var weight = flat.Slices.Single(slice => slice.Name == "weight").ViewOf(flat.Gradients);
            using var bias = flat.Slices.Single(slice => slice.Name == "bias").ViewOf(flat.Gradients);
            Bits.FloatsOf(weight).ShouldBe([5 * times, 7 * times, 9 * times]);
            Bits.FloatsOf(bias).ShouldBe([2 * times]);
            Bits.FloatsOf(flat.Gradients).Count(value => value != 0).ShouldBe(4);
            Bits.FloatsOf(flat.Trailer).ShouldAllBe(value => value == 9);
        }
    }

    [Fact]
    public void Trailer_and_gradients_lie_behind_one_another_in_one_buffer()
    {
        using var model = new LinearModel([1, -2], bias: 3);
        using var flat = new FlatParameters(model, Trailer);
        flat.Gradients.fill_(1);
        flat.Trailer.fill_(2);
        var all = Bits.FloatsOf(flat.GradientsAndTrailer);
        all[..(int)flat.Length].ShouldAllBe(value => value == 1);
        all[(int)flat.Length..].ShouldBe(Enumerable.Repeat(2f, Trailer));
    }

    private static MaskedLanguageModel Build(ProjectionSharing sharing)
    {
        var model = new MaskedLanguageModel(new LinformerConfig
        {
            VocabularySize = 37,
            Layers = 2,
            Heads = 3,
            Hidden = 24,
            FeedForward = 41,
            SequenceLength = 15,
            ProjectedLength = 5,
            Sharing = sharing,
        });
        Initialization.Apply(model, seed: 3);
        return model;
    }
}
