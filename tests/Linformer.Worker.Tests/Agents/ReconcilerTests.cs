using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Worker.Agents;

namespace Linformer.Worker.Tests.Agents;

public sealed class ReconcilerTests
{
    private static readonly Gen<GroupKey> Keys =
        from job in Gen.Elements("a", "b")
        from lineage in Gen.Choose(0, 1)
        from generation in Gen.Choose(1, 3)
        select new GroupKey(job, lineage, generation);

    private static readonly Gen<ImmutableArray<int>> Slots = Gen.SubListOf(0, 1, 2).Select(slots => slots.ToImmutableArray());

    private static readonly Gen<World> Worlds =
        from wanted in Gen.ListOf(from key in Keys from stop in Gen.Elements(true, false) from slots in Slots select new WantedGroup(key, stop, slots))
        from held in Gen.ListOf(from key in Keys from stage in Gen.Elements(Enum.GetValues<GroupStage>()) from slots in Slots select new HeldGroup(key, stage, slots))
        from wantedLeases in Gen.SubListOf("l1", "l2", "l3")
        from heldLeases in Gen.ListOf(from id in Gen.Elements("l1", "l2", "l3", "l4") from stage in Gen.Elements(Enum.GetValues<LeaseStage>()) select new HeldLease(id, stage))
        from draining in Gen.Elements(true, false, false)
        select new World([.. wanted], [.. wantedLeases], [.. held.DistinctBy(one => one.Key)], [.. heldLeases.DistinctBy(one => one.LeaseId)], draining);

    [Fact]
    public void DoneOnceThereIsNothingMoreToDo() => Check(world => world.After().Todo().IsEmpty);

    [Fact]
    public void InTheEndExactlyWhatIsWantedIsThere() => Check(world =>
    {
        // Everything that was told to end does.
        for (var i = 0; i < 4; i++)
        {
            world = world.After().WithEnds();
        }

        var groups = world.Held.Select(group => group.Key).ToHashSet();
        var leases = world.HeldLeases.Select(lease => lease.LeaseId).ToHashSet();
        return groups.SetEquals(world.Wanted.Select(group => group.Key))
            && (world.Draining ? leases.Count == 0 : leases.SetEquals(world.WantedLeases));
    });

    [Fact]
    public void OnlyWhatIsNotThereIsStartedAndOnce() => Check(world =>
    {
        var todo = world.Todo();
        var begun = todo.Start.Select(start => start.Key).Concat(todo.Skip).ToList();
        return begun.Distinct().Count() == begun.Count
            && begun.TrueForAll(key => world.Held.TrueForAll(group => group.Key != key) && world.Wanted.Exists(group => group.Key == key));
    });

    [Fact]
    public void AStartWaitsForWhateverIsInItsWay() => Check(world => world.Todo().Start.All(start =>
    {
        var own = world.Wanted.First(group => group.Key == start.Key);
        var dying = world.Held.Where(group => group.Stage == GroupStage.Dying
            || (group.Stage is GroupStage.Running or GroupStage.Stopping && world.Wanted.TrueForAll(other => other.Key != group.Key)));
        return dying.All(group => start.After.Contains(group.Key) == (group.Key.JobId == start.Key.JobId || own.Slots.Any(slot => group.Slots.Contains(slot))));
    }));

    [Fact]
    public void WhatIsWantedIsNeverKilledOrForgotten() => Check(world =>
    {
        var todo = world.Todo();
        var wanted = world.Wanted.Select(group => group.Key).ToHashSet();
        return !todo.Kill.Any(wanted.Contains) && !todo.Forget.Any(wanted.Contains)
            && (world.Draining || (!todo.CancelLeases.Any(world.WantedLeases.Contains) && !todo.ForgetLeases.Any(world.WantedLeases.Contains)));
    });

    [Fact]
    public void OneThatLeavesStartsNothing() => Check(world =>
    {
        var todo = (world with { Draining = true }).Todo();
        return todo.Start.IsEmpty && todo.StartLeases.IsEmpty;
    });

    [Fact]
    public void AStopIsAskedForOnce()
    {
        var key = new GroupKey("a", 0, 1);
        var world = new World([new WantedGroup(key, true, [0])], [], [new HeldGroup(key, GroupStage.Running, [0])], [], false);
        world.Todo().Stop.ShouldBe([key]);
        world.After().Todo().IsEmpty.ShouldBeTrue();
    }

    private static void Check(Func<World, bool> property) =>
        Prop.ForAll(Arb.From(Worlds), property).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    /// <summary>An agent without processes: what it is told to do happens at once, except that ends take their time.</summary>
    private sealed record World(
        List<WantedGroup> Wanted, List<string> WantedLeases, List<HeldGroup> Held, List<HeldLease> HeldLeases, bool Draining)
    {
        public Reconciliation Todo() => Reconciler.Reconcile(Wanted, WantedLeases, Held, HeldLeases, Draining);

        public World After()
        {
            var todo = Todo();
            var held = Held.Where(group => !todo.Forget.Contains(group.Key)).Select(group => group with
            {
                Stage = todo.Kill.Contains(group.Key) ? GroupStage.Dying : todo.Stop.Contains(group.Key) ? GroupStage.Stopping : group.Stage,
            }).ToList();
            held.AddRange(todo.Start.Select(start => new HeldGroup(start.Key, GroupStage.Running, Wanted.First(group => group.Key == start.Key).Slots)));
            held.AddRange(todo.Skip.Select(key => new HeldGroup(key, GroupStage.Ended, [])));
            var leases = HeldLeases.Where(lease => !todo.ForgetLeases.Contains(lease.LeaseId))
                .Select(lease => todo.CancelLeases.Contains(lease.LeaseId) ? lease with { Stage = LeaseStage.Cancelled } : lease).ToList();
            leases.AddRange(todo.StartLeases.Select(id => new HeldLease(id, LeaseStage.Working)));
            return this with { Held = held, HeldLeases = leases };
        }

        public World WithEnds() => this with
        {
            Held = [.. Held.Select(group => group.Stage is GroupStage.Dying or GroupStage.Stopping ? group with { Stage = GroupStage.Ended } : group)],
            HeldLeases = [.. HeldLeases.Select(lease => lease.Stage == LeaseStage.Cancelled ? lease with { Stage = LeaseStage.Ended } : lease)],
        };
    }
}
