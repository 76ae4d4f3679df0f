using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Worker.Agents;

namespace Linformer.Worker.Tests.Agents;

public sealed class ReconcilerTests
{
    private static readonly Gen<MemberKey> Keys =
        from job in Gen.Elements("a", "b")
        from member in Gen.Choose(1, 5)
        select new MemberKey(job, member);

    private static readonly Gen<WantedMember> WantedMembers =
        from key in Keys
        from slot in Gen.Choose(0, 2)
        from generation in Gen.Choose(0, 3)
        from stop in Gen.Elements(true, false, false)
        select new WantedMember(key, slot, generation, stop);

    private static readonly Gen<HeldMember> HeldMembers =
        from key in Keys
        from slot in Gen.Choose(0, 2)
        from generation in Gen.Choose(0, 3)
        from stage in Gen.Elements(Enum.GetValues<MemberStage>())
        select new HeldMember(key, slot, generation, stage);

    private static readonly Gen<HeldLease> HeldLeases =
        from id in Gen.Elements("l1", "l2", "l3", "l4")
        from stage in Gen.Elements(Enum.GetValues<LeaseStage>())
        select new HeldLease(id, stage);

    private static readonly Gen<World> Worlds =
        from wanted in Gen.ListOf(WantedMembers)
        from held in Gen.ListOf(HeldMembers)
        from wantedLeases in Gen.SubListOf("l1", "l2", "l3")
        from heldLeases in Gen.ListOf(HeldLeases)
        from ended in Gen.ListOf(Keys)
        from mode in Gen.Elements(AgentMode.Working, AgentMode.Working, AgentMode.Draining, AgentMode.Stopping)
        select new World(
            [.. wanted.DistinctBy(one => one.Key)],
            [.. wantedLeases],
            [.. held.DistinctBy(one => one.Key)],
            [.. heldLeases.DistinctBy(one => one.LeaseId)],
            [.. ended.Except(held.Select(one => one.Key))],
            mode);

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

        var members = world.Held.Select(member => member.Key).ToHashSet();
        var leases = world.HeldLeases.Select(lease => lease.LeaseId).ToHashSet();
        return members.SetEquals(world.Wanted.Select(member => member.Key))
            && (world.Mode == AgentMode.Working ? leases.SetEquals(world.WantedLeases) : leases.Count == 0);
    });

    [Fact]
    public void OnlyWhatIsNotThereIsStartedAndOnce() => Check(world =>
    {
        var todo = world.Todo();
        var begun = todo.Start.Select(start => start.Key).Concat(todo.Skip).Concat(todo.Refuse).ToList();
        return begun.Distinct().Count() == begun.Count
            && begun.TrueForAll(key => world.Held.TrueForAll(member => member.Key != key) && world.Wanted.Exists(member => member.Key == key));
    });

    [Fact]
    public void ANumberThatHasEndedIsNeverStartedAgain()
    {
        Check(world => !world.Todo().Start.Any(start => world.Ended.Contains(start.Key)));
        Check(world =>
        {
            var forgotten = world.Todo().Forget;
            return (world.After() with { Wanted = [.. forgotten.Select(key => new WantedMember(key, 0, 1, false))] }).Todo().Start.IsEmpty;
        });
    }

    [Fact]
    public void AStartWaitsForWhateverIsInItsSlot() => Check(world => world.Todo().Start.All(start =>
    {
        var slot = world.Wanted.First(member => member.Key == start.Key).Slot;
        var dying = world.Held.Where(member => member.Stage == MemberStage.Dying
            || (member.Stage is MemberStage.Running or MemberStage.Stopping && world.Wanted.TrueForAll(other => other.Key != member.Key)));
        return dying.All(member => start.After.Contains(member.Key) == (member.Slot == slot));
    }));

    [Fact]
    public void WhatIsWantedIsNeverKilledOrForgotten() => Check(world =>
    {
        var todo = world.Todo();
        var wanted = world.Wanted.Select(member => member.Key).ToHashSet();
        return !todo.Kill.Any(wanted.Contains) && !todo.Forget.Any(wanted.Contains)
            && (world.Mode != AgentMode.Working || (!todo.CancelLeases.Any(world.WantedLeases.Contains) && !todo.ForgetLeases.Any(world.WantedLeases.Contains)));
    });

    [Fact]
    public void WhoLivesAndIsWantedKnowsTheNewestGeneration() => Check(world => world.After().Held.TrueForAll(member =>
        member.Stage is MemberStage.Dying or MemberStage.Ended
        || world.Wanted.Find(other => other.Key == member.Key) is not { } wanted
        || member.Generation >= wanted.Generation));

    [Fact]
    public void NobodyIsToldOfAnOlderGeneration() => Check(world =>
        world.Todo().Tell.All(key => (world.Held.Find(member => member.Key == key)?.Generation ?? 0) < world.Wanted.Find(member => member.Key == key)!.Generation));

    [Fact]
    public void OneThatLeavesStartsNothingAndKeepsItsMembersUntilTheyAreMoved() => Check(world =>
    {
        var todo = (world with { Mode = AgentMode.Draining }).Todo();
        return todo.Start.IsEmpty && todo.StartLeases.IsEmpty
            && todo.Stop.All(key => world.Wanted.Exists(member => member.Key == key && member.Stop));
    });

    [Fact]
    public void OneWhoseMembersNobodyMovesStopsThemAll() => Check(world =>
        (world with { Mode = AgentMode.Stopping }).After().Held.TrueForAll(member => member.Stage != MemberStage.Running));

    [Fact]
    public void AStopIsAskedForOnce()
    {
        var key = new MemberKey("a", 1);
        var world = new World([new WantedMember(key, 0, 1, Stop: true)], [], [new HeldMember(key, 0, 1, MemberStage.Running)], [], [], AgentMode.Working);
        world.Todo().Stop.ShouldBe([key]);
        world.After().Todo().IsEmpty.ShouldBeTrue();
    }

    private static void Check(Func<World, bool> property) =>
        Prop.ForAll(Arb.From(Worlds), property).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    /// <summary>An agent without processes: what it is told to do happens at once, except that ends take their time.</summary>
    private sealed record World(
        List<WantedMember> Wanted, List<string> WantedLeases, List<HeldMember> Held, List<HeldLease> HeldLeases, ImmutableHashSet<MemberKey> Ended, AgentMode Mode)
    {
        public Reconciliation Todo() => Reconciler.Reconcile(Wanted, WantedLeases, Held, HeldLeases, Ended.ToHashSet(), Mode);

        public World After()
        {
            var todo = Todo();
            var held = Held.Where(member => !todo.Forget.Contains(member.Key)).Select(member => member with
            {
                Generation = todo.Tell.Contains(member.Key) ? Generation(member.Key) : member.Generation,
                Stage = todo.Kill.Contains(member.Key) ? MemberStage.Dying : todo.Stop.Contains(member.Key) ? MemberStage.Stopping : member.Stage,
            }).ToList();
            held.AddRange(todo.Start.Select(start => new HeldMember(
                start.Key, Wanted.First(member => member.Key == start.Key).Slot, todo.Tell.Contains(start.Key) ? Generation(start.Key) : 0, MemberStage.Running)));
            held.AddRange(todo.Skip.Concat(todo.Refuse).Select(key => new HeldMember(key, 0, 0, MemberStage.Ended)));
            var leases = HeldLeases.Where(lease => !todo.ForgetLeases.Contains(lease.LeaseId))
                .Select(lease => todo.CancelLeases.Contains(lease.LeaseId) ? lease with { Stage = LeaseStage.Cancelled } : lease).ToList();
            leases.AddRange(todo.StartLeases.Select(id => new HeldLease(id, LeaseStage.Working)));
            return this with { Held = held, HeldLeases = leases, Ended = Ended.Union(todo.Forget) };
        }

        public World WithEnds() => this with
        {
            Held = [.. Held.Select(member => member.Stage is MemberStage.Dying or MemberStage.Stopping ? member with { Stage = MemberStage.Ended } : member)],
            HeldLeases = [.. HeldLeases.Select(lease => lease.Stage == LeaseStage.Cancelled ? lease with { Stage = LeaseStage.Ended } : lease)],
        };

        private int Generation(MemberKey key) => Wanted.First(member => member.Key == key).Generation;
    }
}
