using Linformer.Training.Measures;
using Linformer.Training.Selection;

namespace Linformer.Training.Tests.Selection;

public class EvaluationHistoryTests
{
    [Fact]
    public void The_best_is_the_first_of_equals_and_of_the_loss_the_least()
    {
        var history = History(0.5, 0.9, double.NaN, 0.9, 0.7);
        history.Best(MeasureNames.Accuracy)!.Step.ShouldBe(20);
        history.Best(MeasureNames.Loss)!.Step.ShouldBe(20);
        history.Best(MeasureNames.Spearman).ShouldBeNull();
        EvaluationHistory.Empty.Best(MeasureNames.Loss).ShouldBeNull();
    }

    [Theory]
    [InlineData(1, new[] { 0.5, 0.6, 0.55 }, true)]
    [InlineData(2, new[] { 0.5, 0.6, 0.55 }, false)]
    [InlineData(2, new[] { 0.5, 0.6, 0.55, 0.6 }, true)]
    [InlineData(2, new[] { 0.5, 0.6, 0.55, 0.61 }, false)]
    [InlineData(2, new[] { double.NaN, double.NaN }, true)]
    public void Patience_ends_when_so_many_evaluations_are_no_better_than_the_best(int patience, double[] values, bool stops) =>
        History(values).ShouldStop(new EarlyStoppingOptions(MeasureNames.Accuracy, patience)).ShouldBe(stops);

    [Fact]
    public void Without_a_rule_nothing_stops() => History(0.5, 0.1, 0.1).ShouldStop(null).ShouldBeFalse();

    [Fact]
    public void An_evaluation_that_is_made_again_takes_the_place_of_the_earlier_one_and_of_what_came_after()
    {
        var history = History(0.5, 0.6, 0.7).Add(Point(20, 0.9));
        history.Points.Select(point => (point.Step, point.Of(MeasureNames.Accuracy))).ShouldBe([(10, 0.5), (20, 0.9)]);
        EvaluationHistory.Of(History(1, 2, 3).Points, step: 25).Points.Count.ShouldBe(2);
    }

    private static EvaluationHistory History(params double[] values) =>
        values.Select((value, i) => Point(10 * (i + 1), value)).Aggregate(EvaluationHistory.Empty, (history, point) => history.Add(point));

    private static EvaluationPoint Point(long step, double accuracy) =>
        new(step, 1 - accuracy, 100, new Dictionary<string, double> { [MeasureNames.Accuracy] = accuracy });
}
