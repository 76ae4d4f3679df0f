using Linformer.Cli.Charts;
using Linformer.Cli.Screens;

namespace Linformer.Cli.Tests.Screens;

public class LineChartTests
{
    [Fact]
    public void A_rising_line_is_a_diagonal() => Picture(new LineChart { Points = Line(0, 1, 2, 3, 4, 5, 6, 7) }).ShouldBe(
    [
        "  7.000   ⡠⠊",
        "      0 ⡠⠊  ",
        "        1  8",
    ]);

    [Fact]
    public void One_point_is_a_dot() => Picture(new LineChart { Points = [new(3, 5)] }).ShouldBe(
    [
        "  5.250 ⡀   ",
        "  4.750     ",
        "        3",
    ]);

    [Fact]
    public void A_value_that_stays_is_a_level_line() => Picture(new LineChart { Points = Line(5, 5, 5, 5, 5, 5, 5, 5) })[0].ShouldBe("  5.250 ⣀⣀⣀⣀");

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void What_is_not_finite_breaks_the_line(double value) =>
        Picture(new LineChart { Points = [new(1, 0), new(2, value), new(8, 7)] })[..2].ShouldBe(["  7.000    ⠈", "      0 ⡀   "]);

    [Fact]
    public void Steps_without_a_point_do_not_break_the_line() =>
        Picture(new LineChart { Points = [new(1, 0), new(8, 7)] })[..2].ShouldBe(["  7.000   ⡠⠊", "      0 ⡠⠊  "]);

    [Fact]
    public void A_log_scale_leaves_out_what_is_not_above_zero() =>
        Picture(new LineChart { Points = [new(1, -5), new(2, 0), new(3, 1), new(4, 1), new(5, double.NaN), new(7, 100), new(8, 100)], Log = true })[..2]
            .ShouldBe(["  100.0    ⠉", "  1.000  ⣀  "]);

    [Fact]
    public void A_log_scale_of_nothing_above_zero_is_empty() => Picture(new LineChart { Points = Line(0, -1, -2), Log = true }).ShouldBe(["nothing yet", "", ""]);

    [Fact]
    public void Nothing_says_so() => Picture(new LineChart { Empty = "no loss yet" }).ShouldBe(["no loss yet", "", ""]);

    [Fact]
    public void Marks_and_boundaries_are_seen()
    {
        var lines = new LineChart { Points = Line(5, 5, 5, 5, 5, 5, 5, 5), Marks = [(8, 0)], Boundaries = [1, 3, 99] }.Draw(12, 3);

        lines[1].Text.ShouldBe("      0  │ ⢀");
        lines[1].Pieces.ShouldContain(new ScreenPiece("⢀", Ink.Mark));
    }

    [Fact]
    public void A_million_points_keep_the_least_as_a_band()
    {
        var points = Enumerable.Range(1, 1_000_000).Select(step => new ChartPoint(step, step == 500_000 ? 1 : 5 + (step % 2))).ToList();

        var lines = new LineChart { Points = points }.Draw(80, 10);

        lines.Count.ShouldBe(10);
        lines.ShouldAllBe(line => line.Width <= 80);
        lines[8].Text.ShouldStartWith("  1.000 ");
        lines[8].Pieces.Count(piece => piece.Ink == Ink.Band).ShouldBe(1);
        lines[9].Text.ShouldEndWith("1,000,000");
    }

    [Fact]
    public void No_values_and_no_size_are_too_much()
    {
        double[] odd = [0, -0.0, 1, -1, 5e-324, 1.7e308, -1.7e308, double.NaN, double.PositiveInfinity, double.NegativeInfinity, 1e-9, 12345.678];
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var (width, height) = (random.Next(0, 40), random.Next(0, 8));
            var points = Enumerable.Range(0, random.Next(0, 30)).Select(step => new ChartPoint(step * random.Next(1, 5), odd[random.Next(odd.Length)])).OrderBy(point => point.Step).ToList();
            var chart = new LineChart { Points = points, Marks = [(3, odd[random.Next(odd.Length)])], Boundaries = [2, 5], Log = random.Next(2) == 0 };

            var lines = chart.Draw(width, height);

            lines.Count.ShouldBeOneOf(0, height);
            lines.ShouldAllBe(line => line.Width <= Math.Max(width, chart.Empty.Length));
        }
    }

    [Fact]
    public void A_spark_line_has_eight_heights()
    {
        LineChart.Spark([0, 1, 2, 3, 4, 5, 6, 7, double.NaN, 7], 16).ShouldBe("▁▂▃▄▅▆▇█ █");
        LineChart.Spark([100, 3, 3], 2).ShouldBe("▅▅");
        LineChart.Spark([], 5).ShouldBe("");
        LineChart.Spark([double.NaN], 5).ShouldBe(" ");
    }

    private static string[] Picture(LineChart chart) => [.. chart.Draw(12, 3).Select(line => line.Text)];

    private static List<ChartPoint> Line(params double[] values) => [.. values.Select((value, i) => new ChartPoint(i + 1, value))];
}
