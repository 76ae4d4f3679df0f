using FsCheck;
using FsCheck.Fluent;
using Linformer.Chaos.Faults;

namespace Chaos;

/// <summary>Plans of faults over random settings.</summary>
public sealed class FaultPlanTests
{
    private static readonly Arbitrary<FaultPlanSettings> Settings = (
        from seed in Gen.Choose(0, int.MaxValue)
        from faults in Gen.Choose(0, 150)
        from steps in Gen.Choose(20, 5000)
        from workers in Gen.Choose(1, 16)
        from kinds in Gen.NonEmptyListOf(Gen.Elements(FaultPlan.AllKinds.ToArray()))
        select new FaultPlanSettings(seed, faults, steps, workers, [.. kinds.Distinct()])).ToArbitrary();

    [Fact]
    public void The_same_settings_give_the_same_plan() => Check(settings => FaultPlan.Create(settings).SequenceEqual(FaultPlan.Create(settings)));

    [Fact]
    public void Another_seed_gives_another_plan()
    {
        var settings = new FaultPlanSettings(Seed: 1, Faults: 20, Steps: 1000, Workers: 3, FaultPlan.AllKinds);

        FaultPlan.Create(settings).SequenceEqual(FaultPlan.Create(settings with { Seed = 2 })).ShouldBeFalse();
    }

    [Fact]
    public void All_kinds_occur_before_one_comes_again_and_no_other_one() => Check(settings =>
        FaultPlan.Create(settings).Chunk(settings.Kinds.Length)
            .All(round => round.Select(fault => fault.Kind).Distinct().Count() == round.Length && round.All(fault => settings.Kinds.Contains(fault.Kind))));

    [Fact]
    public void Faults_are_numbered_and_come_in_the_order_of_their_steps_before_the_last_one() => Check(settings =>
    {
        var plan = FaultPlan.Create(settings);
        return plan.Length == settings.Faults
            && plan.Select(fault => fault.Number).SequenceEqual(Enumerable.Range(1, settings.Faults))
            && plan.Zip(plan.Skip(1)).All(pair => pair.First.AtStep <= pair.Second.AtStep)
            && plan.All(fault => fault.AtStep > 0 && fault.AtStep < settings.Steps);
    });

    [Fact]
    public void Targets_exist_and_what_lasts_has_a_duration() => Check(settings => FaultPlan.Create(settings).All(fault =>
        fault.Worker >= 0 && fault.Worker <= settings.Workers
        && (fault.StrikesWorker || !fault.TakesRank)
        && (fault.Duration > TimeSpan.Zero) == (fault.Kind is not (FaultKind.KillRank or FaultKind.KillAllRanks or FaultKind.DamageCheckpoint))
        && (fault.Kilobits > 0) == (fault.Kind == FaultKind.NarrowLink)));

    [Fact]
    public void Settings_that_make_no_plan_are_errors()
    {
        var settings = new FaultPlanSettings(Seed: 1, Faults: 20, Steps: 1000, Workers: 3, FaultPlan.AllKinds);

        Should.Throw<ArgumentException>(() => FaultPlan.Create(settings with { Kinds = [] })).Message.ShouldContain("kind");
        Should.Throw<ArgumentOutOfRangeException>(() => FaultPlan.Create(settings with { Workers = 0 })).Message.ShouldContain("Workers");
        Should.Throw<ArgumentOutOfRangeException>(() => FaultPlan.Create(settings with { Steps = 19 })).Message.ShouldContain("Steps");
        Should.Throw<ArgumentOutOfRangeException>(() => FaultPlan.Create(settings with { Faults = -1 })).Message.ShouldContain("Faults");
    }

    private static void Check(Func<FaultPlanSettings, bool> property) => Prop.ForAll(Settings, property).QuickCheckThrowOnFailure();
}
