using Linformer.Coordinator.Scaling;

namespace Linformer.Coordinator.Tests.Scaling;

public class ScalingDecisionTests
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(10);

    [Fact]
    public void Grows_at_once_to_what_is_needed() => ScalingDecision.Decide(View(need: 7, replicas: 1, slots: 2)).Replicas.ShouldBe(4);

    [Fact]
    public void Keeps_within_the_bounds()
    {
        ScalingDecision.Decide(View(need: 700, replicas: 1)).Replicas.ShouldBe(10);
        ScalingDecision.Decide(View(need: 0, replicas: 0) with { Minimum = 3 }).Replicas.ShouldBe(3);
        ScalingDecision.Decide(View(need: 700, replicas: 1)).Reason.ShouldBe("jobs need 700 slots; 10 workers are the most");
    }

    [Fact]
    public void A_worker_with_other_slots_than_usual_counts_with_its_own() =>
        ScalingDecision.Decide(View(need: 9, replicas: 1, slots: 2, new ScalableWorker(0, 8))).Replicas.ShouldBe(2);

    [Fact]
    public void A_worker_that_a_person_drained_counts_for_nothing() =>
        ScalingDecision.Decide(View(need: 2, replicas: 2, slots: 1, new ScalableWorker(0, 1) { IsAway = true }, new ScalableWorker(1, 1))).Replicas.ShouldBe(3);

    [Fact]
    public void Idle_workers_are_drained_first_and_removed_when_they_are()
    {
        var first = ScalingDecision.Decide(View(need: 1, replicas: 3, slots: 1, Busy(0), Idle(1), Idle(2)));
        var second = ScalingDecision.Decide(View(need: 1, replicas: 3, slots: 1, Busy(0), Idle(1) with { IsMarked = true }, Idle(2) with { IsMarked = true }));

        first.Replicas.ShouldBe(3);
        first.Mark.ShouldBe([1, 2]);
        (second.Replicas, second.Mark.Length).ShouldBe((1, 0));
    }

    [Fact]
    public void A_busy_worker_keeps_all_below_it() =>
        ScalingDecision.Decide(View(need: 1, replicas: 4, slots: 1, Idle(0), Idle(1), Busy(2), Idle(3) with { IsMarked = true })).Replicas.ShouldBe(3);

    [Fact]
    public void One_that_was_busy_lately_stays() =>
        ScalingDecision.Decide(View(need: 0, replicas: 1, slots: 1, new ScalableWorker(0, 1) { IdleFor = IdleTime - TimeSpan.FromSeconds(1) })).Mark.ShouldBeEmpty();

    [Fact]
    public void One_that_got_work_before_its_drain_was_known_keeps_it()
    {
        var decision = ScalingDecision.Decide(View(need: 2, replicas: 2, slots: 1, Busy(0), Busy(1) with { IsMarked = true }));

        decision.Replicas.ShouldBe(2);
        decision.Unmark.ShouldBe([1]);
    }

    [Fact]
    public void One_that_never_came_is_given_up_after_the_idle_time()
    {
        var view = View(need: 0, replicas: 2) with { UnchangedFor = IdleTime / 2 };

        ScalingDecision.Decide(view).Replicas.ShouldBe(2);
        ScalingDecision.Decide(view with { UnchangedFor = IdleTime }).Replicas.ShouldBe(0);
    }

    [Fact]
    public void Beyond_the_upper_bound_only_busy_ones_stay()
    {
        var fresh = new ScalableWorker(0, 1);
        var view = View(need: 9, replicas: 3, slots: 1, Busy(0), Busy(1), fresh with { Ordinal = 2, IsMarked = true }) with { Maximum = 1 };

        ScalingDecision.Decide(view).Replicas.ShouldBe(2);
    }

    /// <summary>What holds for every decision, whatever it is made from.</summary>
    [Fact]
    public void Properties_of_any_decision() => Some.ForAllSeeds(
        random =>
        {
            var view = Any(random);
            var decision = ScalingDecision.Decide(view);
            var removed = view.Workers.Where(worker => worker.Ordinal >= decision.Replicas).ToList();

            decision.Replicas.ShouldBeInRange(Math.Min(view.Replicas, view.Minimum), Math.Max(view.Replicas, view.Maximum));
            if (decision.Replicas > view.Replicas)
                decision.Replicas.ShouldBeInRange(view.Minimum, view.Maximum);
            removed.Exists(worker => worker.IsBusy).ShouldBeFalse();
            removed.TrueForAll(worker => worker.IsMarked || worker.IsAway).ShouldBeTrue();
            removed.TrueForAll(worker => worker.IdleFor >= view.IdleTime || worker.Ordinal >= view.Maximum).ShouldBeTrue();
            decision.Mark.All(ordinal => Worker(view, ordinal) is { IsBusy: false, IsMarked: false }).ShouldBeTrue();
            decision.Unmark.All(ordinal => Worker(view, ordinal).IsMarked).ShouldBeTrue();
            decision.Mark.Intersect(decision.Unmark).ShouldBeEmpty();
            view.Workers.Where(worker => worker is { IsMarked: true, IsBusy: true } && worker.Ordinal < decision.Replicas)
                .All(worker => decision.Unmark.Contains(worker.Ordinal)).ShouldBeTrue();
            decision.Reason.ShouldNotBeEmpty();

            // What is kept holds the need, if the bounds allow it; and what is drained is not counted on.
            var kept = Enumerable.Range(0, decision.Replicas)
                .Where(ordinal => !decision.Mark.Contains(ordinal) && (!Worker(view, ordinal).IsMarked || decision.Unmark.Contains(ordinal)))
                .Sum(ordinal => Worker(view, ordinal) is { IsAway: true } ? 0 : Worker(view, ordinal).Slots);
            if (decision.Replicas < view.Maximum)
                kept.ShouldBeGreaterThanOrEqualTo((int)view.Need);
        },
        runs: 3000);

    /// <summary>While nothing changes but time, sizes settle at what is needed or at the highest busy worker, without going up and down.</summary>
    [Fact]
    public void Settles_without_going_up_and_down() => Some.ForAllSeeds(
        random =>
        {
            var view = Any(random);
            view = view with { Workers = [.. view.Workers.Select(worker => worker with { IsAway = false })] };
            var sizes = new List<int> { view.Replicas };
            for (var step = 0; step < 24; step++)
            {
                var decision = ScalingDecision.Decide(view);
                sizes.Add(decision.Replicas);
                view = After(view, decision, elapsed: view.IdleTime);
            }

            var ups = sizes.Zip(sizes.Skip(1)).Any(pair => pair.Second > pair.First);
            var downs = sizes.Zip(sizes.Skip(1)).Any(pair => pair.Second < pair.First);
            (ups && downs).ShouldBeFalse(string.Join(' ', sizes));
            var busy = view.Workers.Where(worker => worker.IsBusy).Select(worker => worker.Ordinal + 1).DefaultIfEmpty().Max();
            var slots = Enumerable.Range(0, view.Maximum).Select(ordinal => Worker(view, ordinal).Slots).ToList();
            var enough = Enumerable.Range(view.Minimum, view.Maximum - view.Minimum + 1).First(count => count == view.Maximum || slots.Take(count).Sum() >= view.Need);
            sizes[^1].ShouldBe(Math.Max(busy, enough), string.Join(' ', sizes));
        },
        runs: 3000);

    private static ScalingView After(ScalingView view, ScalingDecision decision, TimeSpan elapsed) => view with
    {
        Replicas = decision.Replicas,
        UnchangedFor = decision.Replicas == view.Replicas ? view.UnchangedFor + elapsed : TimeSpan.Zero,
        Workers =
        [
            .. view.Workers.Where(worker => worker.Ordinal < decision.Replicas).Select(worker => worker with
            {
                IsMarked = (worker.IsMarked || decision.Mark.Contains(worker.Ordinal)) && !decision.Unmark.Contains(worker.Ordinal),
                IdleFor = worker.IsBusy ? TimeSpan.Zero : worker.IdleFor + elapsed,
            }),
        ],
    };

    private static ScalableWorker Worker(ScalingView view, int ordinal) =>
        view.Workers.FirstOrDefault(worker => worker.Ordinal == ordinal) ?? new ScalableWorker(ordinal, view.SlotsPerWorker);

    private static ScalingView Any(Random random)
    {
        var minimum = random.Next(4);
        var replicas = random.Next(10);
        return new ScalingView
        {
            Need = random.Next(3) == 0 ? 0 : random.Next(25),
            Replicas = replicas,
            Minimum = minimum,
            Maximum = minimum + 1 + random.Next(8),
            SlotsPerWorker = 1 + random.Next(3),
            IdleTime = IdleTime,
            UnchangedFor = IdleTime * random.NextDouble() * 2,
            Workers = [.. Enumerable.Range(0, replicas).Where(_ => random.Next(8) > 0).Select(ordinal => AnyWorker(random, ordinal))],
        };
    }

    private static ScalableWorker AnyWorker(Random random, int ordinal)
    {
        var busy = random.Next(3) == 0;
        var away = random.Next(10) == 0;
        return new ScalableWorker(ordinal, random.Next(1, 5))
        {
            IsBusy = busy,
            IdleFor = busy ? TimeSpan.Zero : IdleTime * random.NextDouble() * 2,
            IsAway = away,
            IsMarked = !away && random.Next(3) == 0,
        };
    }

    private static ScalableWorker Busy(int ordinal) => new(ordinal, 1) { IsBusy = true };

    private static ScalableWorker Idle(int ordinal) => new(ordinal, 1) { IdleFor = IdleTime };

    private static ScalingView View(long need, int replicas, int slots = 1, params ScalableWorker[] workers) => new()
    {
        Need = need,
        Replicas = replicas,
        Minimum = 0,
        Maximum = 10,
        SlotsPerWorker = slots,
        IdleTime = IdleTime,
        Workers = [.. workers],
    };
}
