namespace Linformer.Model.Tests;

public class CounterRandomTests
{
    // The three philox4x32-10 vectors of Random123's kat_vectors: counter words 0..3, key words 0..1, result words 0..3.
    [Theory]
    [InlineData("00000000 00000000 00000000 00000000 00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8")]
    [InlineData("ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd")]
    [InlineData("243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1")]
    public void Gives_the_published_answers(string input, string expected)
    {
        var words = input.Split(' ').Select(word => Convert.ToUInt32(word, 16)).ToArray();
        var random = new CounterRandom(Join(words[4], words[5]), Join(words[2], words[3]));

        var (a, b, c, d) = random.BlockAt(Join(words[0], words[1]));

        $"{a:x8} {b:x8} {c:x8} {d:x8}".ShouldBe(expected);
        random.UInt64At(Join(words[0], words[1])).ShouldBe(Join(a, b));
    }

    [Fact]
    public void Uniform_numbers_fill_the_unit_interval_evenly()
    {
        var random = CounterRandom.For(7, "uniform");
        var cells = new int[100];
        const int Draws = 200_000;
        for (var i = 0UL; i < Draws; i++)
        {
            var value = random.UniformAt(i);
            value.ShouldBeInRange(0.0, 1.0 - Math.Pow(2, -53));
            cells[(int)(value * 100)]++;
        }

        // Chi-square with 99 degrees of freedom: mean 99, standard deviation 14.1.
        var chiSquare = cells.Sum(count => Math.Pow(count - (Draws / 100.0), 2) / (Draws / 100.0));
        chiSquare.ShouldBeInRange(40, 170);
    }

    [Fact]
    public void Numbers_below_a_bound_are_even_and_below_it()
    {
        var random = CounterRandom.For(7, "below");
        var counts = new int[6];
        for (var i = 0UL; i < 60_000; i++)
        {
            counts[random.BelowAt(i, 6)]++;
        }

        counts.ShouldAllBe(count => count > 9_500 && count < 10_500);
        random.BelowAt(3, 1).ShouldBe(0UL);
        random.BelowAt(3, ulong.MaxValue).ShouldBeLessThan(ulong.MaxValue);
        Should.Throw<ArgumentOutOfRangeException>(() => random.BelowAt(0, 0));
    }

    [Fact]
    public void Normal_numbers_have_the_moments_and_tails_of_the_normal_distribution()
    {
        var random = CounterRandom.For(-3, "normal");
        const int Draws = 400_000;
        var values = Enumerable.Range(0, Draws).Select(i => random.NormalAt((ulong)i)).ToArray();

        values.Average().ShouldBe(0, 0.01);
        values.Average(x => x * x).ShouldBe(1, 0.015);
        values.Average(x => x * x * x).ShouldBe(0, 0.03);
        values.Average(x => x * x * x * x).ShouldBe(3, 0.1);
        values.Count(x => x < 1.0).ShouldBeInRange(335_300, 337_800);
        values.Count(x => Math.Abs(x) > 3.0).ShouldBeInRange(930, 1_230);
    }

    [Fact]
    public void Normal_numbers_are_Box_Muller_of_the_block()
    {
        var random = new CounterRandom(123, 456);
        for (var i = 0UL; i < 20_000; i++)
        {
            var (a, b, c, d) = random.BlockAt(i);
            var radius = 1.0 - ((Join(a, b) >> 11) * Math.Pow(2, -53));
            var turn = (Join(c, d) >> 11) * Math.Pow(2, -53);
            var expected = Math.Sqrt(-2 * Math.Log(radius)) * Math.Cos(2 * Math.PI * turn);
            random.NormalAt(i).ShouldBe(expected, 1e-14);
        }
    }

    [Fact]
    public void Seeds_purposes_and_sub_streams_are_independent()
    {
        var one = CounterRandom.For(1, "mask");
        CounterRandom[] others =
        [
            CounterRandom.For(2, "mask"), CounterRandom.For(1, "order"), one.Derive(0), one.Derive(1), one.Derive("0"),
            one.Derive(0).Derive(0),
        ];
        var first = Enumerable.Range(0, 64).Select(i => one.UInt64At((ulong)i)).ToArray();
        foreach (var other in others)
        {
            other.ShouldNotBe(one);
            Enumerable.Range(0, 64).Select(i => other.UInt64At((ulong)i)).Intersect(first).ShouldBeEmpty();
        }

        CounterRandom.For(1, "mask").Derive(5).ShouldBe(one.Derive(5));
    }

    private static ulong Join(uint low, uint high) => low | ((ulong)high << 32);
}
