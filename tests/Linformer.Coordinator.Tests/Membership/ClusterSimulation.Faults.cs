using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests.Membership;

/// <summary>What goes wrong in the simulated cluster, and what people want of it meanwhile.</summary>
internal sealed partial class ClusterSimulation
{
    private void Disturb(SimulatedWorker worker)
    {
        switch (_random.Next(17))
        {
            case 0:
                Fault($"agent {worker.Name} is killed", () => KillAgent(worker));
                break;
            case 1 or 2 or 3 when !worker.Runs:
                Event($"agent {worker.Name} is started again", worker.StartAnew);
                Event($"{worker.Name} connects", () => Connect(worker));
                break;
            case 4 when worker.Connected:
                Event($"{worker.Name} is cut off", () => CutOff(worker, noticed: _random.Next(2) == 0));
                break;
            case 5 when !worker.Connected:
                Fault($"{worker.Name} is lost", () => LoseWorker(worker));
                break;
            case 6 or 7 when !worker.Connected && worker.Runs:
                Event($"{worker.Name} connects", () => Connect(worker));
                break;
            case 8 when worker.View is { Drained.Length: 0 }:
                worker.View = worker.View with { Drained = "person:ada" };
                break;
            case 9 or 10 when worker.View is { Drained.Length: > 0 }:
                worker.View = worker.View with { Drained = "" };
                break;
            case 11 when _random.Next(3) == 0:
                worker.Leaving = worker.Runs;
                break;
            case 12:
                Event("coordinator restarts", Restart);
                break;
            case 13:
                _inGrace = false;
                break;
            case 14 when View.Phase != JobPhase.Paused:
                Wish(() => JobMachine.Pause(_job, Some.Ada, _now));
                break;
            case 15 when _late.FindLast(seen => seen.Revision < View.Revision) is { } late:
                Event("an old observation comes again", () => Apply(state => JobMachine.Apply(state, late, _now)));
                break;
            case 16 when _random.Next(2) == 0:
                GoBack();
                break;
            default:
                if (View.Phase == JobPhase.Paused)
                    Wish(() => JobMachine.Resume(_job, Some.Ada, _now));
                break;
        }
    }

    private void Wish(Func<JobState> wish)
    {
        if (!View.HasEnded && !(View.Phase == JobPhase.Running && View.Wish == JobWish.Pause))
            Event("a person's wish", () => Apply(_ => wish()));
    }

    /// <summary>A person takes the job back, whatever it does just now; now and then the call is made twice.</summary>
    private void GoBack()
    {
        var counting = _checkpoints.Where(checkpoint => checkpoint.Lineage <= View.Lineage && checkpoint.Step < _totalSteps
            && checkpoint.Step <= LineageChange.CountsUpTo(View.Lineages, checkpoint.Lineage)).ToList();
        if (View.HasEnded || counting.Count == 0)
            return;
        var to = counting[_random.Next(counting.Count)];
        var wish = new JobGoBack(to.Name, to.Lineage, to.Step, _random.Next((int)Math.Min(4, _totalSteps - to.Step)), Some.Ada);
        var before = _job;
        Event($"a person goes back to {to.Name}", () => Apply(state => JobMachine.GoBack(state, wish, _now)));
        if (ReferenceEquals(_job, before))
            return;
        (View.Lineage, View.Wish, View.Stopping, View.Plan).ShouldBe((before.View!.Lineage + 1, JobWish.Train, false, null));
        Choices.Add((before.View.Phase, before.View.Stopping));
        _choice = new SimulatedChoice(View.Lineage, to, wish.SkipSteps);
        if (_random.Next(2) == 0)
            JobMachine.GoBack(_job, wish, _now).ShouldBeSameAs(_job);
    }

    private static void CutOff(SimulatedWorker worker, bool noticed)
    {
        worker.Connected = false;
        if (noticed && worker.View is { } view)
            worker.View = view with { Connected = false };
    }

    private void Restart()
    {
        _inGrace = true;
        _statuses.Clear();
        _assignments.Clear();
        foreach (var worker in _workers.Where(worker => worker.View is not null))
        {
            worker.Connected = false;
            worker.View = worker.View! with { Alive = false, Reported = false, Status = new WorkerStatus(), Assignment = new WorkerAssignment(0, [], []) };
        }
    }

    private void LoseWorker(SimulatedWorker worker)
    {
        if (!_inGrace && worker.View is not null)
            worker.View = worker.View with { Alive = false };
    }

    private void KillAgent(SimulatedWorker worker)
    {
        worker.Runs = worker.Connected = false;
        foreach (var rank in worker.Ranks.Values.Where(rank => rank.IsAlive))
            Kill(rank);
        worker.Ranks.Clear();
    }

    private void KillRank(SimulatedWorker worker)
    {
        var alive = worker.Ranks.Values.Where(rank => rank.IsAlive).ToList();
        if (alive.Count > 0)
            Kill(alive[_random.Next(alive.Count)]);
    }
}
