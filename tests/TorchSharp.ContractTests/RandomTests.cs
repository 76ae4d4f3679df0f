using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Random numbers can be had again.</summary>
public sealed class RandomTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void A_seed_fixes_what_follows()
    {
        manual_seed(5);
        var first = rand(100);
        var second = rand(100);
        manual_seed(5);
        rand(100).Equals(first).ShouldBeTrue();
        rand(100).Equals(second).ShouldBeTrue();
        first.Equals(second).ShouldBeFalse();
        initial_seed().ShouldBe(5);
    }

    [Fact]
    public void A_state_can_be_put_back()
    {
        manual_seed(6);
        rand(10);
        var state = get_rng_state();
        var first = nn.functional.dropout(ones(1000), 0.5);
        set_rng_state(state);
        nn.functional.dropout(ones(1000), 0.5).Equals(first).ShouldBeTrue();

        var generator = Generator.Default;
        var saved = generator.get_state();
        var normal = randn(10);
        generator.set_state(saved);
        randn(10).Equals(normal).ShouldBeTrue();
    }

    [Fact]
    public void A_generator_of_ones_own_leaves_the_default_alone()
    {
        using var own = new Generator(3);
        own.initial_seed().ShouldBe(3);
        manual_seed(7);
        var expected = rand(10);
        manual_seed(7);
        var drawn = rand([10], generator: own);
        zeros(10).normal_(generator: own);
        rand(10).Equals(expected).ShouldBeTrue();
        own.manual_seed(3).ShouldBeSameAs(own);
        rand([10], generator: own).Equals(drawn).ShouldBeTrue();
    }

    [Fact]
    public void Distributions_have_their_moments_and_bounds()
    {
        manual_seed(8);
        var uniform = zeros(20000).uniform_(-1, 3);
        uniform.mean().item<float>().ShouldBe(1, 0.05f);
        uniform.min().item<float>().ShouldBeGreaterThanOrEqualTo(-1);
        uniform.max().item<float>().ShouldBeLessThanOrEqualTo(3);
        var normal = zeros(20000).normal_(2, 0.5);
        normal.mean().item<float>().ShouldBe(2, 0.02f);
        normal.std().item<float>().ShouldBe(0.5f, 0.02f);
        zeros(20000).bernoulli_(0.25).mean().item<float>().ShouldBe(0.25f, 0.02f);
        var integers = randint(3, 6, [1000]);
        integers.min().ToInt64().ShouldBe(3);
        integers.max().ToInt64().ShouldBe(5);
        zeros([1000], int64).random_(0, 4).max().ToInt64().ShouldBe(3);
        randperm(50).sort().Values.Equals(arange(50)).ShouldBeTrue();
    }

    [Fact]
    public void Dropout_scales_what_it_keeps_and_does_nothing_outside_training()
    {
        manual_seed(9);
        var x = ones(10000);
        var dropped = nn.functional.dropout(x, 0.2);
        (dropped == 0).logical_or((dropped - 1.25).abs() < 1e-6).all().ToBoolean().ShouldBeTrue();
        (dropped == 0).to_type(ScalarType.Float32).mean().item<float>().ShouldBe(0.2f, 0.02f);
        nn.functional.dropout(x, 0.2, training: false).Equals(x).ShouldBeTrue();
    }
}
